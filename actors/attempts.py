"""What a run's log tells of attempts that came to no end: how many, and what models had said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from streaming import Attempt, Event, RunLog, RunStarted, TaskFinished, Token

PAGE = 512
"""Events read at a time."""


@dataclass(slots=True, eq=False, repr=False)
class Earlier:
    """Attempts before the present one."""

    attempts: int = 0
    said: dict[str, Any] = field(default_factory=dict[str, Any])
    """"node:task_id" of a task that did not finish -> the last message that it showed, as far as it
    came."""

    def note(self, event: Event) -> None:
        """Take in the next event of the log."""
        if isinstance(event, RunStarted):
            self.attempts += 1
        elif isinstance(event, Attempt):
            self.attempts = event.number
        elif isinstance(event, Token):
            task = _task_of(event.metadata)
            self.said[task] = _joined(self.said.get(task), event.chunk)
        elif isinstance(event, TaskFinished):
            self.said.pop(f"{event.name}:{event.task_id}", None)


async def earlier_attempts(log: RunLog, run_before: str | None) -> Earlier:
    """What is known of attempts of this run, or else of the run that the thread goes on from.

    Empty without a durable log.
    """
    found, durable, last = Earlier(), log.durable, log.last
    if durable is None:
        return found
    if last == 0 and run_before is not None:
        durable = replace(durable, run_id=run_before)
        last = await durable.last()
    after = 0
    while after < last:
        events = await durable.read(after, last, PAGE)
        for event in events:
            found.note(event)
        after = events[-1].id
    if durable.run_id != log.run_id:
        found.attempts = 0
    return found


def said_in(said: Mapping[str, Any] | None, namespace: tuple[str, ...]) -> Any:
    """The message that a task had shown when it was stopped; None if there is none."""
    return said.get(namespace[-1]) if said else None


def opening(log: RunLog, thread_id: str | None, attempts: int) -> Event:
    """The event that a run, or another attempt of it, begins with."""
    if attempts:
        return Attempt(number=attempts + 1)
    return RunStarted(run_id=log.run_id, thread_id=thread_id)


def _task_of(metadata: Mapping[str, Any]) -> str:
    return str(metadata.get("langgraph_checkpoint_ns", "")).rsplit("|", 1)[-1]


def _joined(before: Any, chunk: Any) -> Any:
    """A message with one more piece, or the next message."""
    same = before is not None and type(before) is type(chunk) and before.id == chunk.id
    return before + chunk if same else chunk
