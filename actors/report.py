"""The events a run publishes, made from what the machine has; pure.

Only what someone may see is made (`Watch`): a run that nobody watches pays nothing here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from streaming import CheckpointSaved, StepCommitted, TaskStarted
from streaming import TaskFailed as TaskFailedEvent
from streaming import TaskFinished as TaskFinishedEvent

from .channelset import ChannelSet
from .commands import Snapshot, Task
from .layout import Layout
from .spec import INPUT
from .views import config_view, namespace_text, result_of, task_view, update_of


@dataclass(frozen=True, slots=True)
class Watch:
    """Which kinds of events anyone may see."""

    values: bool = False
    updates: bool = False
    tasks: bool = False
    checkpoints: bool = False

    def union(self, other: Watch) -> Watch:
        """What either of two watches for."""
        return Watch(
            values=self.values or other.values,
            updates=self.updates or other.updates,
            tasks=self.tasks or other.tasks,
            checkpoints=self.checkpoints or other.checkpoints,
        )


@dataclass(frozen=True, slots=True)
class Facts:
    """What a run knows from its start."""

    now: Callable[[], float]
    """Seconds since the epoch."""
    new_id: Callable[[str | None], str]
    """A checkpoint id greater than the one given."""
    recursion_limit: int
    persist: bool = False
    watch: Watch = field(default_factory=Watch)
    ns: tuple[str, ...] = ()
    seed: str = ""
    """Makes task ids of runs without checkpoints differ from each other."""
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


def task_id(seed: str, ns: Sequence[str], task: Task) -> str:
    """The id of a task: the same for the same checkpoint, step, node and path, in any process."""
    text = "\x1f".join((seed, *ns, str(task.step), task.node.name, *map(str, task.path)))
    digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"


class Reporter:
    """Makes the events of one machine."""

    __slots__ = ("_channels", "_facts", "_layout", "_ns_text", "_shown")

    def __init__(self, layout: Layout, facts: Facts, channels: ChannelSet) -> None:
        self._layout = layout
        self._facts = facts
        self._channels = channels
        self._ns_text = namespace_text(facts.ns)
        self._shown = layout.state if facts.shown_keys is None else frozenset(facts.shown_keys)

    def started(self, task: Task, value: Any) -> TaskStarted:
        """A task is about to run with `value` as its input."""
        metadata = {**self._facts.task_metadata, **(task.node.metadata or {})}
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

    def finished(self, task: Task) -> TaskFinishedEvent:
        """A task's writes are kept."""
        writes = task.writes or []
        return TaskFinishedEvent(
            ns=self._facts.ns,
            step=task.step,
            task_id=task.id,
            name=task.node.name,
            update=update_of(writes, self._shown),
            result=result_of(writes, self._layout.state) if self._facts.watch.tasks else {},
            cached=task.cached,
            hidden=task.node.hidden,
            unstored=self._layout.unstored,
        )

    def failed(self, task: Task, error: BaseException) -> TaskFailedEvent:
        """A task raised."""
        return TaskFailedEvent(
            ns=self._facts.ns,
            step=task.step,
            task_id=task.id,
            name=task.node.name,
            error=error,
        )

    def committed(
        self,
        step: int,
        changed: AbstractSet[str] | None,
        saved: Snapshot | None,
        planned: Sequence[Task],
    ) -> StepCommitted:
        """A step's writes are applied.

        `changed`: output keys it wrote, None for a restored state; `saved`: its checkpoint, if
        anyone is to see it, with the tasks `planned` from it.
        """
        keys, state = self._facts.shown_keys, self._channels.state()
        return StepCommitted(
            ns=self._facts.ns,
            step=step,
            values=state if keys is None else self._channels.select(keys),
            wrote=changed is None or not changed.isdisjoint(self._shown),
            changed=changed,
            checkpoint=None if saved is None else self._checkpoint(saved, planned, state),
            unstored=self._layout.unstored,
        )

    def _checkpoint(self, saved: Snapshot, planned: Sequence[Task], state: Any) -> CheckpointSaved:
        facts = self._facts
        parent = saved.parent_id
        return CheckpointSaved(
            config=self._config(saved.id),
            parent_config=None if parent is None else self._config(parent),
            metadata={"source": saved.source, "step": saved.step, "parents": dict(facts.parents)},
            values=None if facts.shown_keys is None else state,
            next=[task.node.name for task in planned],
            tasks=[
                task_view(task, self._child_config(task), self._layout.state) for task in planned
            ],
        )

    def _config(self, checkpoint_id: str) -> dict[str, Any]:
        return config_view(
            thread_id=self._facts.thread_id,
            ns=self._ns_text,
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
