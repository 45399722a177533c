"""What a run's log tells of attempts that came to no end: how many, and what models had said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from checkpoint import Decoder, Inline, TaskWrites
from streaming import (
    Attempt,
    Event,
    RunLog,
    RunStarted,
    TaskFinished,
    TaskInterrupted,
    Token,
)

from .commands import RUNS, RUNS_TASK

if TYPE_CHECKING:
    from checkpoint import Loaded, Saver

    from .recorder import Recorder

PAGE = 512
"""Events read at a time."""
MOST_RUNS = 16
"""Runs noted at one checkpoint; the logs of all of them are read when another goes on there."""


@dataclass(slots=True, eq=False, repr=False)
class Earlier:
    """Attempts before the present one."""

    attempts: int = 0
    _messages: dict[str, dict[Any, Any]] = field(default_factory=dict[str, dict[Any, Any]])
    """By "node:task_id" of a task that did not finish and by id, the one that spoke last at the
    end: several models of a task may speak at once."""
    _speaking: set[str] = field(default_factory=set[str])
    """Tasks that have spoken in the attempt that is read; what they said before is past then."""

    @property
    def said(self) -> dict[str, Any]:
        """ "node:task_id" of a task that did not finish -> the last message that it showed, as far
        as it came."""
        return {task: next(reversed(said.values())) for task, said in self._messages.items()}

    def note(self, event: Event) -> None:
        """Take in the next event of the log."""
        if isinstance(event, RunStarted):
            self._begin(self.attempts + 1)
        elif isinstance(event, Attempt):
            self._begin(event.number)
        elif isinstance(event, Token):
            self._add(_task_of(event.metadata), event.chunk)
        elif isinstance(event, TaskFinished | TaskInterrupted):
            self._messages.pop(f"{event.name}:{event.task_id}", None)

    def _begin(self, attempt: int) -> None:
        self.attempts = attempt
        self._speaking.clear()

    def _add(self, task: str, chunk: Any) -> None:
        if task not in self._speaking:
            self._speaking.add(task)
            self._messages.pop(task, None)
        said = self._messages.setdefault(task, {})
        message_id = getattr(chunk, "id", None)
        said[message_id] = _joined(said.pop(message_id, None), chunk)


async def earlier_attempts(log: RunLog, runs_before: Sequence[str]) -> Earlier:
    """What is known of attempts of this run, and of the runs that the thread goes on from.

    Empty without a durable log.
    """
    found = Earlier()
    for run_id in [*(run for run in runs_before if run != log.run_id), log.run_id]:
        found.attempts = 0  # those of the last count, which is this run
        await _read(log, run_id, found)
    return found


async def _read(log: RunLog, run_id: str, found: Earlier) -> None:
    if log.durable is None:
        return
    durable, last, after = replace(log.durable, run_id=run_id), log.last, 0
    if run_id != log.run_id:
        last = await durable.last()
    while after < last:
        events = await durable.read(after, last, PAGE)
        for event in events:
            found.note(event)
        after = events[-1].id


def runs_at(loaded: Loaded, saver: Saver) -> list[str]:
    """The runs that worked at the step after a checkpoint, in their order: the one that made it,
    and those that went on from it and were noted."""
    noted = tuple(task for task in loaded.writes if task.task_id == RUNS_TASK)
    if noted:
        return Decoder(saver.serializer).writes(replace(loaded, writes=noted))[0].value
    made_by = loaded.record.metadata.run_id
    return [] if made_by is None else [made_by]


async def note_run(recorder: Recorder, loaded: Loaded, runs: Sequence[str], run_id: str) -> None:
    """Note at a checkpoint that a run goes on from it, as it may come to none of its own."""
    if run_id in runs:
        return
    later = [*runs, run_id][-MOST_RUNS:]
    data = recorder.saver.serializer.dumps(later)
    writes = ((RUNS, Inline(0, data)),)
    await recorder.note(TaskWrites("", loaded.record.id, RUNS_TASK, writes))


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
    """A message with one more piece; what is no piece of it takes its place."""
    return before + chunk if type(before) is type(chunk) else chunk
