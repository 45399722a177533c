"""A mailbox with a budget of bytes on top of its capacity.

It is full once the messages in it take `max_bytes`, so the one that fills it may go over: what it
holds is less than the budget and one message.  What then happens says its policy, as with a
capacity that is used up.  A message is weighed once, when it is let in; `about_bytes` looks at a
few parts of it, so a long list costs what a short one does.  A mailbox without a budget weighs
nothing.

Room is handed to one waiting writer at a time: nobody knows how much that one brings.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeVar

from streaming import about_bytes

from .errors import ConfigError
from .mailbox import DEFAULT_CAPACITY, Mailbox, MailboxStats, Overflow

T = TypeVar("T")


class SizedMailbox(Mailbox[T]):
    """A `Mailbox` that also counts bytes; `size_of` says how many a message takes.

    Raises ConfigError for a budget below 1, too.

        box = SizedMailbox[bytes](100, "reject", max_bytes=1 << 20, size_of=len)
    """

    __slots__ = ("_offer", "_size", "_size_of", "_sizes", "max_bytes")

    def __init__(
        self,
        capacity: int = DEFAULT_CAPACITY,
        overflow: Overflow = "wait",
        *,
        max_bytes: int,
        size_of: Callable[[T], int] = about_bytes,
        name: str = "mailbox",
        on_arrival: Callable[[], None] | None = None,
        take: Callable[[T], bool] | None = None,
        on_drop: Callable[[T], None] | None = None,
    ) -> None:
        super().__init__(capacity, overflow, name=name, on_arrival=on_arrival, on_drop=on_drop)
        if max_bytes < 1:
            raise ConfigError(
                f"max_bytes={max_bytes!r} of mailbox {name!r} leaves room for no message;"
                " give a number of bytes, 1 or more, or None for no budget"
            )
        self.max_bytes = max_bytes
        self._size_of = size_of
        self._sizes: deque[int] = deque()
        self._size = 0
        self._offer = take  # not the base's: a message that is taken at once is not weighed

    @property
    def full(self) -> bool:
        """True if no message is let in now; also while a woken writer is on its way."""
        return (
            self._size >= self.max_bytes or self._reserved > 0 or len(self._items) >= self.capacity
        )

    def put_nowait(self, item: T) -> None:
        """Put without waiting. Raises MailboxFullError, MailboxClosedError."""
        while self.full and not self._closed:
            self._make_room(item)
        if self._closed:
            raise self._closed_error(item)
        if self._offer is not None and not self._items and self._offer(item):
            self._received += 1
            return
        size = self._size_of(item)
        self._sizes.append(size)
        self._size += size
        super().put_nowait(item)

    async def put(self, item: T) -> None:
        """Put; with the policy "wait", wait for room. Raises as `put_nowait` does."""
        try:
            await super().put(item)
        finally:
            self._wake_writers()  # it held the door

    def get_nowait(self) -> T:
        """Take the oldest message. Raises MailboxEmptyError."""
        if self._sizes:
            self._size -= self._sizes.popleft()
        return super().get_nowait()

    def put_back(self, item: T) -> None:
        """Put a message that was taken but not handled back in front; it may go over the bound.

        Raises MailboxClosedError.
        """
        size = self._size_of(item)
        super().put_back(item)
        self._sizes.appendleft(size)
        self._size += size

    def close(self) -> list[T]:
        """Let nothing in any more and hand over what waits, oldest first; [] the second time."""
        self._offer = None
        self._sizes.clear()
        self._size = 0
        return super().close()

    def stats(self) -> MailboxStats:
        """A snapshot of its counters."""
        return super().stats()._replace(size=self._size)

    def _room(self) -> str:
        if len(self._items) >= self.capacity:
            return super()._room()
        return f"its messages take {self._size} bytes of {self.max_bytes}"
