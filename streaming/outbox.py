"""Rows on their way into the durable log, and up to where the log may be read.

A row is unsent, then in flight (an append or a checkpoint transaction has it), then committed.
`visible` is the highest id up to which every row is committed: nothing above it may leave.  Rows
whose commit failed go back to where they were, in id order; as a failed or cancelled commit may
have happened all the same, the outbox is then *doubtful* until someone looked into the log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from .ports import Row


class Outbox:
    """The rows of one run that are not yet visible."""

    __slots__ = ("_committed", "_in_flight", "_size", "_unsent", "doubtful", "visible")

    def __init__(self, visible: int) -> None:
        self._unsent: list[Row] = []
        self._in_flight: dict[int, int] = {}  # id -> size
        self._committed: set[int] = set()
        self._size = 0
        self.visible = visible
        """The highest id that may be read."""
        self.doubtful = False
        """True after `give_back`, until `settle`."""

    @property
    def count(self) -> int:
        """Rows that are not committed."""
        return len(self._unsent) + len(self._in_flight)

    @property
    def size(self) -> int:
        """Their bytes."""
        return self._size

    @property
    def idle(self) -> bool:
        """True while nothing is in flight."""
        return not self._in_flight

    @property
    def sendable(self) -> bool:
        """True if rows wait and nothing is in flight before them."""
        return bool(self._unsent) and not self._in_flight

    def add(self, row: Row) -> None:
        """Queue the row with the next id."""
        self._unsent.append(row)
        self._size += len(row[1])

    def take(self) -> tuple[Row, ...]:
        """All unsent rows, which are in flight from now on."""
        rows, self._unsent = tuple(self._unsent), []
        for event_id, data in rows:
            self._in_flight[event_id] = len(data)
        return rows

    def holds(self, rows: Iterable[Row]) -> bool:
        """True if all the rows are in flight."""
        return all(event_id in self._in_flight for event_id, _ in rows)

    def confirm(self, rows: Iterable[Row]) -> int:
        """Rows in flight are committed, unless that was found before; gives the new `visible`."""
        for event_id, _ in rows:
            size = self._in_flight.pop(event_id, None)
            if size is not None:
                self._size -= size
                self._committed.add(event_id)
        while self.visible + 1 in self._committed:
            self.visible += 1
            self._committed.remove(self.visible)
        return self.visible

    def give_back(self, rows: Sequence[Row]) -> None:
        """Rows in flight were (it seems) not committed: they are unsent again, in id order; those
        that were found in the log stay there."""
        left = [row for row in rows if row[0] in self._in_flight]
        for event_id, data in left:
            self._size += len(data) - self._in_flight.pop(event_id)
        self._unsent = sorted([*left, *self._unsent], key=_row_id)
        self.doubtful = self.doubtful or bool(left)

    def find(self, last: int) -> bool:
        """The log holds the ids up to `last`, whoever has sent them; true if that is news."""
        found = [(event_id, b"") for event_id in self._in_flight if event_id <= last]
        self.confirm(found)
        return bool(found)

    def settle(self, last: int) -> int:
        """The log holds the ids up to `last`: those rows need no sending; gives `visible`."""
        self.doubtful = False
        done = [row for row in self._unsent if row[0] <= last]
        self._unsent = self._unsent[len(done) :]
        for event_id, data in done:
            self._in_flight[event_id] = len(data)
        return self.confirm(done)


def _row_id(row: Row) -> int:
    return row[0]
