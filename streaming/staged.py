"""Events on their way into a transaction of the publisher's own."""

from __future__ import annotations

from collections.abc import Iterator

from .events import Event
from .ports import Row


class Staged:
    """Iterate it for the (id, data) rows to commit; then release, unstage or withdraw it.

    It also carries rows that were unsent before.  Without a durable log it holds no rows.
    True while there is anything to release.
    """

    __slots__ = ("events", "rows")

    def __init__(self, events: tuple[Event, ...], rows: tuple[Row, ...]) -> None:
        self.events = events
        """The events staged by this call."""
        self.rows = rows
        """Rows in id order: those unsent before, then those of `events`."""

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __bool__(self) -> bool:
        return bool(self.events or self.rows)
