"""What updates from outside make of a thread's state, one super-step after the other; pure.

An update stands for a node that has written: what the node triggers runs next, and the tasks that
were to run are dropped (but for those whose join is complete: it stays so).  An update in place of
a task of the step that is under way closes that step, so what its siblings have finished counts.
Nothing is stored here: each change gives the checkpoint that is to be.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from .channelset import ChannelSet, grouped
from .commands import NULL_TASK, PULL, Restored, Snapshot, Task
from .errors import InvalidUpdateError
from .layout import Layout
from .report import is_start
from .scope import planned
from .spec import INPUT, NodeSpec, Writes
from .trail import Trail
from .values import START, StateUpdate

INPUT_NAME = "__input__"
COPY_NAME = "__copy__"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Act:
    """One update of a super-step: a node, and what it is to have written."""

    node: NodeSpec
    writes: Writes
    task_id: str | None = None
    """The task it stands for; None: the next one of its node, if one is planned."""


class Revision:
    """A thread's state while it is changed; its channels, trail and tasks move on together."""

    def __init__(
        self,
        layout: Layout,
        ns: Sequence[str],
        channels: ChannelSet,
        trail: Trail,
        restored: Restored | None,
        *,
        by_run: bool = False,
    ) -> None:
        """`by_run`: a run made the checkpoint; then it went right on, and took an input there."""
        self._layout = layout
        self._ns = ns
        self._channels = channels
        self._trail = trail
        self._pending: Mapping[str, Writes] = restored.pending if restored else {}
        self._newest = restored is not None and restored.checkpoint_id >= restored.newest_id
        self._by_run = by_run
        self._step = restored.step if restored else None

    @property
    def empty(self) -> bool:
        """True for a thread without checkpoints."""
        return self._step is None

    @property
    def input_taken(self) -> bool:
        """True where an input waits that a run has taken."""
        return any(self._taken(task) for task in self.tasks())

    def author(self, as_node: str | None) -> NodeSpec:
        """The node an update is by: the one named, or the one that ran last.

        Raises InvalidUpdateError when there is no such node, or several ran last.
        """
        spec, last = self._layout.spec, self._trail.wrote
        if as_node is None and len(last) > 1:
            raise InvalidUpdateError(
                f"Ambiguous update, specify as_node: the last step was run by {', '.join(last)}"
            )
        name = (last[0] if last else START) if as_node is None else as_node
        node = spec.start if name == START else spec.nodes.get(name)
        if node is None:
            raise InvalidUpdateError(
                f"Node {name or repr(name)} does not exist; give as_node one of "
                f"{sorted(spec.nodes)}, or '__start__', '__input__', '__copy__', or '__end__' with "
                "None as values"
            )
        return node

    def tasks(self) -> list[Task]:
        """What would run next, with what was kept of it."""
        if self._step is None or self._trail.checkpoint_id is None:
            return []
        return planned(
            self._layout,
            self._ns,
            self._channels,
            checkpoint_id=self._trail.checkpoint_id,
            step=self._step + 1,
            pending=self._pending,
        )

    # --- changes ---------------------------------------------------------------------------

    def act(self, acts: Sequence[Act]) -> list[Task]:
        """One super-step of updates; gives the tasks that they stand for, with their writes: those
        of the newest checkpoint, as older ones stay what they are."""
        self._take_given()
        tasks = self.tasks()
        is_open = {task.id for task in tasks if task.writes is None and not self._taken(task)}
        replaced = _replaced(tasks, acts)
        stand_ins = [_stand_in(*each) for each in zip(acts, replaced, strict=True)]
        filled = [task for task in stand_ins if task.id in is_open] if self._newest else []
        finished = [task for task in tasks if task.writes is not None] if filled else []
        self._write(finished, stand_ins)
        self._save("update", finished)
        return [task for task in filled if task.writes]

    def end(self, taken: Writes) -> None:
        """Close the step that is under way: what finished counts, what did not is dropped.

        `taken`: what an input that a run has taken had written.
        """
        self._take_given()
        tasks = self.tasks()
        for task in tasks:
            if self._taken(task):
                task.writes = taken
        self._channels.apply(tasks)
        self._save("update", tasks)

    def begin(self, values: Any) -> None:
        """Give the graph an input, beside what it would run next.  Raises InvalidUpdateError."""
        if values is None:
            raise InvalidUpdateError(
                f"Received no input writes for {START}: values=None is no input; give a dict of "
                "state keys"
            )
        data = self._layout.spec.read(values)
        data = {key: data[key] for key in data if key not in self._layout.unstored}
        self._channels.give([(INPUT, data)])
        step = -1 if self._step is None else self._step + 1
        self._trail.save("input", step, self._channels, changed={INPUT})
        self._move_on(step)

    def copy(self) -> None:
        """Put a copy of the checkpoint beside it.  Raises InvalidUpdateError without one."""
        if self._step is None:
            raise InvalidUpdateError(
                "Cannot copy a non-existent checkpoint: the thread has none; run it first"
            )
        self._trail.step_aside()
        self._trail.save("fork", self._step + 1, self._channels, changed=())
        self._move_on(self._step + 1)

    @property
    def snapshot(self) -> Snapshot:
        """The checkpoint that the last change made, or the one that was restored."""
        return cast("Snapshot", self._trail.saved)  # every change saves one

    def _taken(self, task: Task) -> bool:
        """True for an input that a run has taken."""
        return is_start(task) and self._by_run

    def _take_given(self) -> None:
        """What a Command brought counts from now on, if the thread is at its newest."""
        if self._newest and NULL_TASK in self._pending:
            self._channels.give(self._pending[NULL_TASK])

    def _write(self, finished: Sequence[Task], stand_ins: Sequence[Task]) -> None:
        channels = self._channels
        woken = set(channels.updated)
        consumed = channels.consume(finished)
        by = [*sorted(finished, key=lambda task: task.path), *stand_ins]
        channels.write(grouped([write for task in by for write in task.writes or ()]), by)
        triggers = self._layout.spec.triggers
        still = {
            name for name in woken if name in triggers and channels.channel(name).is_available()
        }
        channels.updated |= consumed | still
        if not channels.plan():
            channels.open_deferred()

    def _save(self, source: Any, ran: Sequence[Task]) -> None:
        step = 0 if self._step is None else self._step + 1
        self._trail.save(source, step, self._channels, ran)
        self._move_on(step)

    def _move_on(self, step: int) -> None:
        self._step, self._pending = step, {}
        self._newest, self._by_run = True, False


def _replaced(tasks: Sequence[Task], acts: Sequence[Act]) -> list[Task | None]:
    """For each act the planned task it stands for; each task once."""
    left = list(tasks)
    replaced: list[Task | None] = []
    for act in acts:
        found = next((task for task in left if _stands_for(act, task)), None)
        if found is not None:
            left.remove(found)
        replaced.append(found)
    return replaced


def _stand_in(act: Act, task: Task | None) -> Task:
    """The task that would have made an act's writes."""
    made = Task(act.node, (PULL, act.node.name), ())
    made.writes = act.writes
    if task is not None:
        made.id = task.id
    return made


def _stands_for(act: Act, task: Task) -> bool:
    return task.node.name == act.node.name if act.task_id is None else task.id == act.task_id


def copied_updates(items: Sequence[Any], tasks: Sequence[Task]) -> list[StateUpdate]:
    """The updates that are to follow a copy at once: (values, as_node) pairs, one node's together.

    Raises InvalidUpdateError for anything else.
    """
    by_node: dict[str | None, list[StateUpdate]] = {}
    for item in items:
        values, node = _pair(item)
        known = [task.id for task in tasks if task.node.name == node]
        group = by_node.setdefault(node, [])
        task_id = known[len(group)] if len(group) < len(known) else None
        group.append(StateUpdate(values, node, task_id))
    return [update for group in by_node.values() for update in group]


def _pair(item: Any) -> tuple[Any, str | None]:
    if isinstance(item, tuple | list):
        given = cast("Sequence[Any]", item)
        if len(given) > 1:
            return given[0], given[1]
    raise InvalidUpdateError(
        f"Invalid update item: {item!r} when copying checkpoint; give (values, as_node) pairs, or "
        "None to copy alone"
    )
