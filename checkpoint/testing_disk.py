"""A disk for simulations, and a saver on it: what is lost when a process dies, or the power.

The disk is the list of what was committed, in order; how much of it is synced is known.  A saver
is one process's view: a new one, opened after a crash, holds what the disk still has.  Each
operation passes a point before and one after it becomes durable, named as in `points.py`, where the
simulation may let time pass, or the process die: "<kind> applied" and "<kind> committed", "syncing"
and "synced".
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, TypeVar

from .custodian import Change
from .events import MemoryEvents, Row
from .memory import MemorySaver
from .record import Batch, Claim
from .reports import Removed
from .rewind import RewindPoint
from .serde import Serializer

if TYPE_CHECKING:
    from .contents import Removal

T = TypeVar("T")

Kind: TypeAlias = Literal["checkpoint", "writes", "events", "rewind", "administration", "forget"]


class Points(Protocol):
    """What happens at the points of a disk."""

    def may_wait(self) -> bool:
        """False for code that stops the very loop that it would wait for."""
        ...

    async def reach(self, point: str) -> None:
        """Let time pass, or never return: the process died here."""
        ...


class Calm:
    """Nothing happens at any point."""

    def may_wait(self) -> bool:
        """Any code may."""
        return True

    async def reach(self, point: str) -> None:
        """Go on."""


@dataclass(frozen=True, slots=True)
class Rewound:
    """A thread was rewound."""

    thread_id: str
    points: Mapping[str, RewindPoint | None]


@dataclass(frozen=True, slots=True)
class Appended:
    """Events were appended by themselves."""

    run_id: str
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Events of runs were deleted."""

    run_ids: Sequence[str]


@dataclass(frozen=True, slots=True)
class Copied:
    """A thread was copied."""

    source: str
    target: str


Entry: TypeAlias = Batch | Rewound | Appended | Forgotten | Change | Copied


class Disk:
    """What was committed, in order."""

    def __init__(self, serializer: Serializer | None = None) -> None:
        self.serializer = serializer
        self.entries: list[Entry] = []
        self.synced = 0
        """How many of the entries survive a loss of power."""

    def lose_power(self, kept: int = 0) -> int:
        """Lose what was not synced, but for the first `kept` entries of it; how many that were."""
        before = len(self.entries)
        del self.entries[self.synced + kept :]
        self.synced = len(self.entries)
        return before - self.synced

    def open(
        self, points: Points | None = None, on_entry: Callable[[Entry], None] | None = None
    ) -> DiskSaver:
        """The disk as a new process finds it.  `on_entry` sees what is committed from now on."""
        return DiskSaver(self, points or Calm(), on_entry)


class DiskSaver(MemorySaver):
    """A process's saver on a disk.  Commits happen one after the other, as in a file."""

    def __init__(
        self, disk: Disk, points: Points, on_entry: Callable[[Entry], None] | None = None
    ) -> None:
        super().__init__(disk.serializer)
        self.disk = disk
        self.points = points
        self._on_entry = on_entry
        self._writer = asyncio.Lock()
        self._table = self.events
        """The events in memory."""
        self.events = DiskEvents(self, self._lock, self._runs, self._threads_by_run)
        for entry in disk.entries:
            _done_at_once(self._replay(entry))

    async def commit(self, batch: Batch) -> None:
        """Store the batch; see `Saver.commit`."""
        await self.write(_kind_of(batch), batch, partial(super().commit, batch))

    async def rewind(self, claim: Claim, points: Mapping[str, RewindPoint | None]) -> None:
        """Make scopes again what they were; see `Saver.rewind`."""
        entry = Rewound(claim.thread_id, dict(points))
        await self.write("rewind", entry, partial(super().rewind, claim, points))

    async def synced(self) -> None:
        """Wait until everything committed so far survives a loss of power."""
        written = len(self.disk.entries)
        await self.points.reach("syncing")
        self.disk.synced = max(self.disk.synced, written)
        await self.points.reach("synced")

    async def _change(self, change: Change) -> Removed:
        return await self.write("administration", change, partial(super()._change, change))

    async def _copy(self, source_thread_id: str, claim: Claim) -> None:
        entry = Copied(source_thread_id, claim.thread_id)
        await self.write("administration", entry, partial(super()._copy, source_thread_id, claim))

    async def write(self, kind: Kind, entry: Entry, act: Callable[[], Awaitable[T]]) -> T:
        """Do something and note it on the disk, in one; in turn, where that can be waited for."""
        turn = self._writer if self.points.may_wait() else contextlib.nullcontext()
        async with turn:
            await self.points.reach(f"{kind} applied")
            result = await act()
            self.disk.entries.append(entry)
            if self._on_entry is not None:
                self._on_entry(entry)
        await self.points.reach(f"{kind} committed")
        return result

    async def _replay(self, entry: Entry) -> None:
        match entry:
            case Appended(run_id, rows):
                await self._table.append(run_id, rows)
            case Forgotten(run_ids):
                await self._table.forget(run_ids)
            case Change():
                await self._replay_change(entry)
            case Copied(source, target):
                claim = await self.claim(target, "disk", timeout=0)
                await super()._copy(source, claim)
                self.release(claim)
            case Batch() | Rewound():
                claim = await self.claim(entry.thread_id, "disk", timeout=0)
                if isinstance(entry, Batch):
                    await super().commit(replace(entry, epoch=claim.epoch))
                else:
                    await super().rewind(claim, entry.points)
                self.release(claim)

    async def _replay_change(self, change: Change) -> None:
        erased = [await self._again(claim) for claim in change.erased]
        removals: list[tuple[Claim, Removal]] = [
            (await self._again(claim), removal) for claim, removal in change.removals
        ]
        await super()._change(Change(tuple(erased), tuple(removals), change.run_ids))
        for claim in (*erased, *(claim for claim, _ in removals)):
            self.release(claim)

    async def _again(self, claim: Claim) -> Claim:
        return await self.claim(claim.thread_id, "disk", timeout=0)


class DiskEvents(MemoryEvents):
    """The event table on a disk."""

    def __init__(
        self,
        saver: DiskSaver,
        lock: Lock,
        runs: dict[str, list[bytes]],
        threads_by_run: dict[str, str],
    ) -> None:
        super().__init__(lock, runs, threads_by_run)
        self._saver = saver

    async def append(self, run_id: str, rows: Sequence[Row]) -> None:
        """Store rows; see `EventTable.append`."""
        entry = Appended(run_id, tuple(rows))
        await self._saver.write("events", entry, partial(super().append, run_id, rows))

    async def forget(self, run_ids: Sequence[str]) -> None:
        """Delete all events of runs."""
        entry = Forgotten(tuple(run_ids))
        await self._saver.write("forget", entry, partial(super().forget, run_ids))


def _kind_of(batch: Batch) -> Kind:
    if batch.checkpoints:
        return "checkpoint"
    return "writes" if batch.writes else "events"


def _done_at_once(coro: Coroutine[Any, Any, None]) -> None:
    """See a coroutine through that waits for nothing."""
    try:
        coro.send(None)
    except StopIteration:
        return
    raise AssertionError("the memory saver came to wait")
