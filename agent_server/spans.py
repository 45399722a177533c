"""What a run's events say of spans: which begin and end, and when; pure.

A run has steps, a step has tasks, and a task may run a graph, which has steps again.  Times are
those of the events.  A step begins with its first task and ends when its writes are committed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from streaming import (
    Event,
    Namespace,
    RunFailed,
    RunFinished,
    StepCommitted,
    TaskFailed,
    TaskFinished,
    TaskInterrupted,
    TaskStarted,
)

Facts: TypeAlias = Mapping[str, str | int | bool]

RUN = "run"
"""Key of the run's own span, which is there before the first event and stays after the last."""
NO_FACTS: Facts = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Begins:
    """A span begins."""

    key: str
    parent: str
    """Key of the span that it is in."""
    name: str
    at: float
    """Seconds since the epoch."""
    facts: Facts


@dataclass(frozen=True, slots=True)
class Ends:
    """A span ends."""

    key: str
    at: float
    error: BaseException | str | None = None
    """What it ended with, or the text of that."""
    facts: Facts = field(default_factory=dict[str, str | int | bool])


@dataclass(slots=True)
class _Open:
    """A span that has begun."""

    parent: str
    name: str
    inside: dict[str, None] = field(default_factory=dict[str, None])
    """Keys of the open spans in it."""
    error: BaseException | str | None = None
    """Of a step: what one of its tasks raised."""


class SpanTree:
    """The open spans of one run."""

    def __init__(self) -> None:
        self._open = {RUN: _Open("", RUN)}

    def feed(self, event: Event) -> list[Begins | Ends]:
        """What an event begins and ends, in order."""
        match event:
            case TaskStarted():
                return [] if event.hidden else self._task_begins(event)
            case TaskFinished():
                facts = {"understudy.cached": True} if event.cached else NO_FACTS
                return self._ended(event.task_id, event.time, facts=facts)
            case TaskInterrupted():
                return self._ended(event.task_id, event.time, facts={"understudy.paused": True})
            case TaskFailed():
                return self._task_fails(event)
            case StepCommitted():
                return self._ended(_step_key(event), event.time)
            case RunFinished() | RunFailed():
                return self.close(event.time)
            case _:
                return []

    def close(self, at: float) -> list[Begins | Ends]:
        """The run is over: what is still open ends."""
        return self._cut(RUN, at)

    def _task_begins(self, event: TaskStarted) -> list[Begins | Ends]:
        said = self._cut_off(event.task_id, event.time)
        step = _step_key(event)
        facts = {"understudy.step": event.step, "understudy.namespace": "|".join(event.ns)}
        if step not in self._open:
            said.append(self._begun(step, self._caller(event.ns), "step", event.time, facts))
        of_task = {**facts, "understudy.node": event.name, "understudy.task_id": event.task_id}
        said.append(self._begun(event.task_id, step, event.name, event.time, of_task))
        return said

    def _begun(self, key: str, parent: str, name: str, at: float, facts: Facts) -> Begins:
        self._open[key] = _Open(parent, name)
        self._open[parent].inside[key] = None
        return Begins(key, parent, name, at, facts)

    def _caller(self, ns: Namespace) -> str:
        """The task that a graph runs in, by the graph's namespace."""
        for place in reversed(ns):
            name, _, task_id = place.rpartition(":")
            if task_id in self._open:
                return task_id
            if not name:  # a graph that keeps its state has no task's id in its namespace
                named = [key for key, each in self._open.items() if each.name == place]
                if named:
                    return named[-1]
        return RUN

    def _task_fails(self, event: TaskFailed) -> list[Begins | Ends]:
        task = self._open.get(event.task_id)
        if task is None:
            return []
        self._open[task.parent].error = event.error
        return self._ended(event.task_id, event.time, error=event.error)

    def _ended(
        self,
        key: str,
        at: float,
        *,
        error: BaseException | str | None = None,
        facts: Facts = NO_FACTS,
    ) -> list[Begins | Ends]:
        """The end of a span, after those in it; nothing if it is not open."""
        if key not in self._open:
            return []
        said = self._cut(key, at)
        del self._open[self._open.pop(key).parent].inside[key]
        return [*said, Ends(key, at, error, facts)]

    def _cut(self, key: str, at: float) -> list[Begins | Ends]:
        """The ends of all in a span, the innermost first: they did not come to their own."""
        inside = list(self._open[key].inside)
        return [end for each in inside for end in self._cut_off(each, at)]

    def _cut_off(self, key: str, at: float) -> list[Begins | Ends]:
        if key not in self._open:
            return []
        error = self._open[key].error
        return self._ended(key, at, error=error, facts=NO_FACTS if error else _CUT_OFF)


_CUT_OFF: Facts = MappingProxyType({"understudy.cut_off": True})


def _step_key(event: Event) -> str:
    return "|".join((*event.ns, f"#{event.step}"))
