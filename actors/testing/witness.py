"""Seeing from outside which task does what: after each turn of the loop it looks who ran.

A turn belongs to one task, so an effect that is there after a turn and was not before it is that
task's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextvars import Context
from typing import Any, TypeAlias

from actors.commands import ONCE
from actors.context import TaskContext
from actors.testing.world import Process
from checkpoint import Batch, Inline, Serializer
from checkpoint.testing_disk import Entry
from streaming import current_task

Effects: TypeAlias = Callable[[], Iterable[Any]]
"""Gives all effects there have been so far; two with the same repr are the same effect twice."""
Place: TypeAlias = tuple[str, ...]
"""A task: its namespace, "node:task id" of each graph."""
HIDDEN = "__start__"


class Witness:
    """What one attempt at an errand did, in all its processes."""

    def __init__(self, effects: Effects | None) -> None:
        self._effects = effects
        self._before = self._look()
        self.done: Counter[tuple[str, str]] = Counter()
        """Effects by (node, effect)."""
        self.ran: list[set[Place]] = []
        """The tasks that ran, by process."""
        self._serializer: Serializer | None = None
        self._intents: dict[str, str] = {}
        """Effects of a journal that were begun and are not done, with their nodes."""
        self.in_doubt: frozenset[str] = frozenset()
        """Nodes that died between an effect of their journal and its result."""

    def begin(self, process: Process) -> None:
        """A process begins."""
        self.in_doubt |= frozenset(self._intents.values())
        self._intents.clear()
        self.ran.append(set())
        process.loop.on_turn = self._turn
        self._serializer = process.saver.serializer

    def committed(self, entry: Entry) -> None:
        """Something was committed, by the code that runs now."""
        if not isinstance(entry, Batch):
            return
        for task in entry.writes:
            for channel, value in task.writes:
                if channel == ONCE and isinstance(value, Inline):
                    self._noted(task.task_id, value.data)

    def ran_again(self) -> frozenset[str]:
        """Nodes of tasks that ran in several processes."""
        often = Counter(place for places in self.ran for place in places)
        return frozenset(node_of(place) for place, times in often.items() if times > 1)

    def _noted(self, effect: str, data: bytes) -> None:
        place = _place(current_task.get(None))
        stage = None if self._serializer is None else self._serializer.loads(data)[0]
        if stage == "intent":
            self._intents[effect] = node_of(place)
        else:
            self._intents.pop(effect, None)

    def _turn(self, context: Context) -> None:
        place = _place(context.get(current_task))
        if place:
            self.ran[-1].add(place)
        if self._effects is None:
            return
        now = self._look()
        if now != self._before:
            for effect, times in (Counter(now) - Counter(self._before)).items():
                self.done[node_of(place), effect] += times
            self._before = now

    def _look(self) -> list[str]:
        return [] if self._effects is None else [repr(effect) for effect in self._effects()]


def node_of(place: Place) -> str:
    """The node of a task, with those of the graphs around it: "outer|inner"; "" for no task."""
    return "|".join(part.split(":")[0] for part in place)


def _place(context: Any) -> Place:
    if not isinstance(context, TaskContext) or context.task.node.name == HIDDEN:
        return ()
    return context.scheduler.machine.trail.namespace(context.task)
