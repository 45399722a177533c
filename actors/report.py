"""The events a run publishes, made from what the machine has; pure.

Only what someone may see is made (`Watch`): a run that nobody watches pays nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from streaming import CheckpointSaved, Paused, StepCommitted, TaskStarted
from streaming import TaskFailed as TaskFailedEvent
from streaming import TaskFinished as TaskFinishedEvent
from streaming import TaskInterrupted as TaskInterruptedEvent

from .answers import Answers
from .channelset import ChannelSet
from .commands import Emit, MachineCommand, Snapshot, Task
from .control import RunControl
from .digests import id_digest
from .layout import NO_PAUSES, Layout, Pauses
from .spec import BARE_KEYS, INPUT, WHOLE_STATE, Writes
from .values import Interrupt
from .views import config_view, namespace_text, result_of, task_view, update_of


@dataclass(frozen=True, slots=True)
class Watch:
    """Which kinds of events anyone may see."""

    values: bool = False
    updates: bool = False
    tasks: bool = False
    checkpoints: bool = False
    messages: bool = False
    """Of models, which the machine has no part in."""
    events: bool = False
    """Spans, likewise."""

    @property
    def below(self) -> Watch:
        """What there is to see of graphs in graphs for who reads those of the outermost only."""
        return WATCH_SPANS if self.events else WATCH_NONE

    def __bool__(self) -> bool:
        return self.values or self.updates or self.tasks or self.checkpoints

    def union(self, other: Watch) -> Watch:
        """What either of two watches for."""
        if other is WATCH_NONE:  # mostly: 2 µs less
            return self
        return Watch(
            values=self.values or other.values,
            updates=self.updates or other.updates,
            tasks=self.tasks or other.tasks,
            checkpoints=self.checkpoints or other.checkpoints,
            messages=self.messages or other.messages,
            events=self.events or other.events,
        )


WATCH_NONE = Watch()
WATCH_SPANS = Watch(events=True)


@dataclass(slots=True, eq=False, repr=False)  # not frozen: one per run, 2 µs less
class Facts:
    """What a run knows from its start; never changed."""

    now: Callable[[], float]
    """Seconds since the epoch."""
    new_id: Callable[[str | None], str]
    """A checkpoint id greater than the one given."""
    recursion_limit: int
    persist: bool = False
    watch: Watch = field(default_factory=Watch)
    ns: tuple[str, ...] = ()
    seed: Callable[[], str] = str
    """Gives the run's id, which makes task ids of runs without checkpoints differ."""
    shown_keys: tuple[str, ...] | None = None
    """State keys that `values` and `updates` show; None: all.  A graph that a node calls shows what
    it gives to the node: its output schema."""
    thread_id: str | None = None
    configurable: Mapping[str, Any] = field(default_factory=dict[str, Any])
    parents: Mapping[str, str] = field(default_factory=dict[str, str])
    """Checkpoint ids of the enclosing graphs, by namespace."""
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What a checkpoint's metadata shows beside source, step and parents."""
    task_metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What `tasks` shows as metadata of every task."""
    pauses: Pauses = NO_PAUSES
    """Nodes before and after which the run pauses."""
    answers: Answers | None = None
    """What the run was resumed with; one for all graphs of a run."""
    control: RunControl | None = None
    """Says when the run is to stop; one for all graphs of a run."""


def task_id(seed: str, ns: Sequence[str], task: Task) -> str:
    """The id of a task: the same for the same checkpoint, step, node and path, in any process."""
    path = task.path
    head = "\x1f".join((seed, *ns)) if ns else seed
    tail = f"{path[0]}\x1f{path[1]}" if len(path) == 2 else "\x1f".join(map(str, path))
    return id_digest(f"{head}\x1f{task.step}\x1f{task.node.name}\x1f{tail}")


class Reporter:
    """Says what happens in one machine, to whom it may concern."""

    __slots__ = (
        "_bare",
        "_channels",
        "_facts",
        "_layout",
        "_shown",
        "_watch",
        "silent",
    )

    def __init__(self, layout: Layout, facts: Facts, channels: ChannelSet) -> None:
        self._layout = layout
        self._facts = facts
        self._watch = facts.watch
        self.silent = not facts.watch
        """Nobody watches: nothing would come of asking."""
        self._channels = channels
        self._bare = layout.spec.state_keys in WHOLE_STATE
        self._shown = layout.state if facts.shown_keys is None else frozenset(facts.shown_keys)

    # --- what someone watches, as commands ---------------------------------------------------

    def starting(self, tasks: Iterable[Task]) -> list[MachineCommand]:
        """Tasks are about to run."""
        if not self._watch.tasks:
            return []
        return [Emit(self._started(task)) for task in tasks if not is_start(task)]

    def finished(self, task: Task) -> list[MachineCommand]:
        """A task's writes are kept."""
        watch = self._watch
        if (watch.updates or watch.tasks) and not is_start(task):
            return [Emit(self._finished(task))]
        return []

    def failed(self, task: Task, error: BaseException) -> list[MachineCommand]:
        """A task raised."""
        if not self._watch.tasks or is_start(task):
            return []
        event = TaskFailedEvent(
            ns=self._facts.ns,
            step=task.step,
            task_id=task.id,
            name=task.node.name,
            error=error,
        )
        return [Emit(event)]

    def interrupted(self, task: Task) -> list[MachineCommand]:
        """A task waits for answers, which are kept."""
        watch, hidden = self._watch, task.node.hidden
        if not task.interrupts:
            return []
        said = self.paused(task.step, task.interrupts, hidden=hidden)
        if watch.values or watch.tasks:
            event = TaskInterruptedEvent(
                ns=self._facts.ns,
                step=task.step,
                task_id=task.id,
                name=task.node.name,
                interrupts=task.interrupts,
                values=self._state(),
                hidden=hidden,
                unstored=self._layout.unstored,
            )
            said.append(Emit(event))
        return said

    def paused(
        self, step: int, interrupts: Sequence[Interrupt] = (), *, hidden: bool = False
    ) -> list[MachineCommand]:
        """The graph pauses: for a task's interrupts, or before or after a node."""
        if not self._watch.updates:
            return []
        return [Emit(Paused(ns=self._facts.ns, step=step, interrupts=interrupts, hidden=hidden))]

    def stepped(
        self,
        step: int,
        written: AbstractSet[str],
        saved: Snapshot | None,
        planned: Sequence[Task],
    ) -> list[MachineCommand]:
        """A step's writes are applied; it wrote these state keys, `planned` come next."""
        watch = self._watch
        saved = saved if watch.checkpoints else None
        if (watch.values and written) or saved is not None:
            return [Emit(self._committed(step, written, saved, planned))]
        return []

    def restored(
        self, step: int, saved: Snapshot | None, planned: Sequence[Task]
    ) -> list[MachineCommand]:
        """The run goes on from a checkpoint."""
        watch = self._watch
        if not (watch.values or watch.checkpoints):
            return []
        return [Emit(self._committed(step, None, saved if watch.checkpoints else None, planned))]

    # --- events --------------------------------------------------------------------------------

    def _started(self, task: Task) -> TaskStarted:
        metadata = {**self._facts.task_metadata, **(task.node.metadata or {})}
        try:
            value = self._channels.input_of(task)
        except Exception:  # noqa: BLE001 - a schema refused the state; the task will fail with that
            value = self._channels.select(task.node.reads)
        return TaskStarted(
            ns=self._facts.ns,
            step=task.step,
            task_id=task.id,
            name=task.node.name,
            input=value,
            triggers=task.triggers,
            metadata=metadata or None,
            hidden=task.node.hidden,
            unstored=self._layout.unstored,
        )

    def _finished(self, task: Task) -> TaskFinishedEvent:
        writes = (task.writes if task.returned is None else task.returned) or []
        return TaskFinishedEvent(
            ns=self._facts.ns,
            step=task.step,
            task_id=task.id,
            name=task.node.name,
            update=update_of(writes, self._shown if task.parent is None else BARE_KEYS),
            result=self._result_of(task, writes) if self._watch.tasks else {},
            cached=task.cached,
            hidden=task.node.hidden,
            unstored=self._layout.unstored,
        )

    def _result_of(self, task: Task, writes: Writes) -> dict[str, Any]:
        return result_of(writes, self._layout.state if task.parent is None else BARE_KEYS)

    def _committed(
        self,
        step: int,
        changed: AbstractSet[str] | None,
        saved: Snapshot | None,
        planned: Sequence[Task],
    ) -> StepCommitted:
        """`changed`: state keys the step wrote, None for a restored state; `saved`: its checkpoint,
        if anyone is to see it."""
        return StepCommitted(
            ns=self._facts.ns,
            step=step,
            values=self._state(),
            wrote=changed is None or not changed.isdisjoint(self._shown),
            changed=changed,
            bare=self._bare,
            checkpoint=None if saved is None else self._checkpoint(saved, planned),
            unstored=self._layout.unstored,
        )

    def _state(self) -> Any:
        keys = self._facts.shown_keys
        return self._channels.state() if keys is None else self._channels.select(keys)

    def _checkpoint(self, saved: Snapshot, planned: Sequence[Task]) -> CheckpointSaved:
        facts = self._facts
        parent = saved.parent_id
        return CheckpointSaved(
            config=self._config(saved.id),
            parent_config=None if parent is None else self._config(parent),
            metadata={"source": saved.source, "step": saved.step, "parents": dict(facts.parents)},
            values=None if facts.shown_keys is None else self._channels.state(),
            next=[task.node.name for task in planned],
            tasks=[
                task_view(task, self._child_config(task), self._layout.state) for task in planned
            ],
        )

    def _config(self, checkpoint_id: str) -> dict[str, Any]:
        return config_view(
            thread_id=self._facts.thread_id,
            ns=namespace_text(self._facts.ns),
            checkpoint_id=checkpoint_id,
            configurable=self._facts.configurable,
            parents=self._facts.parents,
        )

    def _child_config(self, task: Task) -> dict[str, Any] | None:
        if task.node.name not in self._layout.subgraphs:
            return None
        ns = namespace_text((*self._facts.ns, f"{task.node.name}:{task.id}"))
        return {"configurable": {"thread_id": self._facts.thread_id, "checkpoint_ns": ns}}


def is_start(task: Task) -> bool:
    """True for the task that applies the input; streams do not show it."""
    return task.path[1] == INPUT
