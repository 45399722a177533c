"""Reads of the logs of run events, for the pool: every row checked, none missing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence

from .errors import CorruptDataError
from .events import Row
from .packing import is_sound
from .places import find_run
from .rows import EVENT_BITS
from .value import Value, slotted

_SIZE = "SELECT coalesce(sum(length(data)), 0) FROM event WHERE id>? AND id<?"
_EVENTS = "SELECT id, crc, data FROM event WHERE id>? AND id<? ORDER BY id LIMIT ?"


@slotted
class ReadEvents(Value):
    """Reads rows of a run's log."""

    run_id: str
    after: int
    limit: int

    def read(self, connection: sqlite3.Connection) -> Sequence[Row]:
        """Ascending.  Raises CorruptDataError."""
        run = find_run(connection, self.run_id)
        if run is None or self.limit <= 0:
            return []
        first = run[0] << EVENT_BITS
        after = min(max(self.after, 0), (1 << EVENT_BITS) - 1)
        span = (first + after, first + (1 << EVENT_BITS), self.limit)
        rows = list(self._checked(connection.execute(_EVENTS, span), first))
        expected = range(after + 1, min(run[1], after + self.limit) + 1)
        if [number for number, _ in rows] != list(expected):
            raise CorruptDataError(
                f"not all events of run {self.run_id!r} are there, of which there were {run[1]}; "
                "restore the database from a backup"
            )
        return rows

    def _checked(self, rows: Iterable[tuple[int, int, bytes]], first: int) -> Iterator[Row]:
        for row, crc, data in rows:
            if not is_sound(data, crc, row):
                raise CorruptDataError(
                    f"event {row - first} of run {self.run_id!r} does not match its checksum; "
                    "restore the database from a backup"
                )
            yield row - first, data


@slotted
class LastEvent(Value):
    """Reads the highest event id of a run."""

    run_id: str

    def read(self, connection: sqlite3.Connection) -> int:
        """0 when there is none."""
        run = find_run(connection, self.run_id)
        return run[1] if run else 0


@slotted
class SizeOfEvents(Value):
    """Reads how many bytes the events of a run have."""

    run_id: str

    def read(self, connection: sqlite3.Connection) -> int:
        """0 when there is none."""
        run = find_run(connection, self.run_id)
        if run is None:
            return 0
        first = run[0] << EVENT_BITS
        return connection.execute(_SIZE, (first, first + (1 << EVENT_BITS))).fetchone()[0]
