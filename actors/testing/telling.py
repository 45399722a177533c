"""The log of a simulation: what happened, as text that is the same whenever the seed is."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, overload

from checkpoint.testing_disk import Appended, Batch, Entry, Rewound

if TYPE_CHECKING:
    import asyncio

    from actors.testing.world import Process


class Log(Sequence[str]):
    """Lines of a log.  What a commit holds is worked out for who reads them: that takes longer than
    checking it, and most logs nobody reads."""

    def __init__(self) -> None:
        self._told: list[tuple[float, str | Entry]] = []
        self._lines: list[str] = []
        """Those that were worked out."""

    def add(self, seconds: float, what: str | Entry) -> None:
        """One more line."""
        self._told.append((seconds, what))

    def __len__(self) -> int:
        return len(self._told)

    @overload
    def __getitem__(self, at: int) -> str: ...

    @overload
    def __getitem__(self, at: slice) -> list[str]: ...

    def __getitem__(self, at: int | slice) -> str | list[str]:
        for seconds, what in self._told[len(self._lines) :]:
            text = what if isinstance(what, str) else describe(what)
            self._lines.append(f"{seconds:12.6f} {text}")
        return self._lines[at]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Log) and self[:] == other[:]

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(self[:])


class Teller:
    """Keeps the log, and what went wrong first."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.log = Log()
        self.exits: set[str | None] = set()
        """Runs of durability "exit"."""
        self.failure: BaseException | None = None
        """What went wrong."""
        self._now = now
        self._start = now()

    def tell(self, what: str | Entry) -> None:
        """Add a line, of a commit or of anything else."""
        self.log.add(self._now() - self._start, what)

    def spawn(self, process: Process, coro: Coroutine[Any, Any, None], name: str) -> None:
        """Do something beside; what it raises ends the simulation."""

        def ended(task: asyncio.Task[None]) -> None:
            error = None if task.cancelled() else task.exception()
            if error is not None:
                self.failure = self.failure or error
                process.loop.kill()

        process.system.supervisor.spawn(coro, name=name, on_done=ended)


def describe(entry: Entry) -> str:
    """What was committed, in a line."""
    match entry:
        case Batch():
            steps = [f"{each.ns or '.'} step {each.metadata.step}" for each in entry.checkpoints]
            tasks = [f"{each.ns or '.'} writes of {each.task_id[:8]}" for each in entry.writes]
            events = [f"event {each.id}" for each in entry.events]
            what = f"{entry.thread_id}: {', '.join(steps + tasks + events)}"
        case Appended(run_id, rows):
            what = f"events {rows[0][0]} to {rows[-1][0]} of run {run_id}"
        case Rewound(thread_id):
            what = f"{thread_id} rewound"
        case _:
            what = type(entry).__name__.lower()
    return f"{what} [{digest(entry)}]"


def digest(entry: Entry) -> str:
    """The bytes of what was committed, in short."""
    found = hashlib.sha256()
    match entry:
        case Batch():
            for record in entry.checkpoints:
                entries = sorted(record.entries.items())
                known = (record.id, record.parent_id, record.created_at, record.version, entries)
                found.update(repr((*known, sorted(record.changed), record.wrote)).encode())
            for part in (*entry.blobs, *entry.writes, *entry.events):
                found.update(repr(part).encode())
        case Appended(_, rows):
            found.update(repr(rows).encode())
        case _:
            pass
    return found.hexdigest()[:12]


def same(one: Any, other: Any) -> bool:
    """True for values that say the same, but for ids that are new in every run."""
    return told(one) == told(other)


def told(value: Any) -> str:
    """A value's repr; ids are numbered as they come."""
    names: dict[str, str] = {}
    return re.sub(_ID, lambda found: names.setdefault(found[0], f"<id {len(names)}>"), repr(value))


_ID = r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}"
