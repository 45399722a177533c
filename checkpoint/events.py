"""The durable log of run events: opaque rows with ids 1, 2, 3, … per run, without gaps."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeAlias

from .record import EventRow
from .rows import not_next_event

Row: TypeAlias = tuple[int, bytes]
"""(event id, encoded event)"""


class EventTable(Protocol):
    """Keeps the encoded events of runs; what `saver.events` is."""

    async def append(self, run_id: str, rows: Sequence[Row]) -> None:
        """Store rows whose ids count on from the last one; all or nothing, returns when committed.

        Raises CheckpointConflictError for an id that is not the next one of its run.
        """
        ...

    async def read(self, run_id: str, after: int, limit: int) -> Sequence[Row]:
        """Up to `limit` rows with id > after, ascending."""
        ...

    async def last(self, run_id: str) -> int:
        """The highest id stored for the run, 0 when there is none."""
        ...

    async def size(self, run_id: str) -> int:
        """The bytes of all events stored for the run."""
        ...

    async def forget(self, run_ids: Sequence[str]) -> None:
        """Delete all events of runs that have ended, all or nothing; returns when committed.

        Runs without events are passed over.
        """
        ...


def check_events(events: Iterable[EventRow], last: Callable[[str], int]) -> None:
    """Raise CheckpointConflictError unless every event's id is the next one of its run."""
    ends: dict[str, int] = {}
    for event in events:
        end = ends.get(event.run_id)
        if end is None:
            end = last(event.run_id)
        if event.id != end + 1:
            raise not_next_event(event.run_id, event.id, end)
        ends[event.run_id] = event.id


class MemoryEvents:
    """The event table of a MemorySaver."""

    def __init__(
        self,
        lock: threading.Lock,
        runs: dict[str, list[bytes]],
        threads_by_run: dict[str, str],
    ) -> None:
        self._lock = lock
        self._runs = runs
        self._threads_by_run = threads_by_run

    async def append(self, run_id: str, rows: Sequence[Row]) -> None:
        """Store rows; see `EventTable.append`."""
        with self._lock:
            events = [EventRow(run_id, event_id, data) for event_id, data in rows]
            check_events(events, lambda run_id: len(self._runs.get(run_id, ())))
            self._runs.setdefault(run_id, []).extend(data for _, data in rows)

    async def read(self, run_id: str, after: int, limit: int) -> Sequence[Row]:
        """Up to `limit` rows with id > after, ascending."""
        with self._lock:
            data = self._runs.get(run_id, [])[max(after, 0) : max(after, 0) + limit]
        return list(enumerate(data, max(after, 0) + 1))

    async def last(self, run_id: str) -> int:
        """The highest id stored for the run, 0 when there is none."""
        with self._lock:
            return len(self._runs.get(run_id, ()))

    async def size(self, run_id: str) -> int:
        """The bytes of all events stored for the run."""
        with self._lock:
            return sum(map(len, self._runs.get(run_id, ())))

    async def forget(self, run_ids: Sequence[str]) -> None:
        """Delete all events of runs; see `EventTable.forget`."""
        with self._lock:
            for run_id in run_ids:
                self._runs.pop(run_id, None)
                self._threads_by_run.pop(run_id, None)
