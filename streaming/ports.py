"""What the hub needs of others: a durable place for encoded events, and a way to encode them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .events import Event

Row = tuple[int, bytes]
"""(event id, encoded event)"""


class EventLog(Protocol):
    """Keeps the encoded events of runs.

    `append` is all or nothing, returns when the rows are committed, and refuses an id that is not
    the next one of its run.  Any event loop may call it.
    """

    async def append(self, run_id: str, rows: Sequence[Row]) -> None:
        """Store rows with ids counting on from the last one; returns when committed."""
        ...

    async def read(self, run_id: str, after: int, limit: int) -> Sequence[Row]:
        """Up to `limit` rows with id > after, ascending."""
        ...

    async def last(self, run_id: str) -> int:
        """The highest id stored for the run, 0 when there is none."""
        ...


class EventCodec(Protocol):
    """Turns events into bytes and back."""

    def encode(self, event: Event) -> bytes:
        """The event as bytes; raises a typed error for a value that cannot be encoded."""
        ...

    def decode(self, data: bytes) -> Event:
        """The event that `encode` was given."""
        ...
