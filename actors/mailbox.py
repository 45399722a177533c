"""A bounded queue of messages: one reader, many writers, and a stated policy for overflow.

* `"wait"`        `put` waits for room, first come first served; `put_nowait` is refused.
* `"reject"`      both are refused with `MailboxFullError`.
* `"drop_oldest"` both succeed; the oldest message is thrown out, counted and given to `on_drop`.

Cancelling leaves it whole: a cancelled `put` has put nothing, a cancelled `get` has taken
nothing. Room that a reader frees is *reserved* for the writer it wakes, and handed on to the
next one if that writer was cancelled in the same turn of the loop.
Closing hands the remaining messages to whoever closes; waiting writers and the reader get
`MailboxClosedError`.
"""

from __future__ import annotations

import asyncio
import reprlib
from collections import deque
from collections.abc import Callable
from typing import Generic, Literal, NamedTuple, TypeVar, get_args

from .errors import (
    ConfigError,
    MailboxClosedError,
    MailboxEmptyError,
    MailboxFullError,
    MailboxReaderError,
)

T = TypeVar("T")

Overflow = Literal["wait", "reject", "drop_oldest"]
OVERFLOWS: tuple[str, ...] = get_args(Overflow)
DEFAULT_CAPACITY = 1024


class MailboxStats(NamedTuple):
    """What a mailbox has seen; in messages, but for `size`."""

    capacity: int
    length: int
    """Waiting now."""
    received: int
    """Let in since the start."""
    dropped: int
    """Let in, then thrown out to make room ("drop_oldest")."""
    refused: int
    """Not let in: the mailbox was full."""
    high_water: int
    """The most that ever waited at once."""
    size: int = 0
    """Bytes that wait now, about; 0 without a budget of bytes."""


class Mailbox(Generic[T]):
    """A bounded queue with one reader; belongs to one event loop.

    `on_arrival` is called in place after each message, instead of waking a `get`. `take` is offered
    each message that has none in front of it: True says that it was taken, and need not wait here.
    `on_drop` gets what "drop_oldest" throws out. Raises ConfigError for a capacity below 1 or an
    unknown policy.

        box = Mailbox[str](100, "drop_oldest")
        box.put_nowait("hello")
        assert await box.get() == "hello"
    """

    __slots__ = (
        "_closed",
        "_dropped",
        "_high_water",
        "_items",
        "_on_arrival",
        "_on_drop",
        "_reader",
        "_received",
        "_refused",
        "_reserved",
        "_take",
        "_writers",
        "capacity",
        "name",
        "overflow",
    )

    def __init__(
        self,
        capacity: int = DEFAULT_CAPACITY,
        overflow: Overflow = "wait",
        *,
        name: str = "mailbox",
        on_arrival: Callable[[], None] | None = None,
        take: Callable[[T], bool] | None = None,
        on_drop: Callable[[T], None] | None = None,
    ) -> None:
        if capacity < 1:
            raise ConfigError(
                f"capacity={capacity!r} of mailbox {name!r} leaves room for no message;"
                " give a number of messages, 1 or more"
            )
        if overflow not in OVERFLOWS:
            raise ConfigError(
                f"overflow={overflow!r} of mailbox {name!r} is no policy;"
                f" give one of {', '.join(map(repr, OVERFLOWS))}"
            )
        self.capacity = capacity
        self.overflow: Overflow = overflow
        self.name = name
        self._items: deque[T] | tuple[()] = ()  # no deque before one waits: 0.3 µs
        self._writers: deque[asyncio.Future[None]] | None = None  # few mailboxes are ever full
        self._reader: asyncio.Future[None] | None = None
        self._on_arrival = on_arrival
        self._take = take
        self._on_drop = on_drop
        self._reserved = 0
        self._closed = False
        self._received = self._dropped = self._refused = self._high_water = 0

    def __len__(self) -> int:
        """Messages that wait now."""
        return len(self._items)

    @property
    def closed(self) -> bool:
        """True once `close` was called; nothing comes in any more."""
        return self._closed

    @property
    def idle(self) -> bool:
        """True if its reader waits, and nothing is there for it."""
        return self._reader is not None and not self._items

    @property
    def full(self) -> bool:
        """True if no message fits in now; room reserved for a woken writer is taken."""
        return len(self._items) + self._reserved >= self.capacity

    def put_nowait(self, item: T) -> None:
        """Put without waiting. Raises MailboxFullError, MailboxClosedError."""
        if self._closed:
            raise self._closed_error(item)
        items = self._items
        if len(items) + self._reserved >= self.capacity:
            self._make_room(item)
        self._received += 1
        if self._take is not None and not items and self._take(item):
            return  # 0.3 µs less than in at one end and out at the other
        if not isinstance(items, deque):
            items = self._items = deque()
        items.append(item)
        if len(items) > self._high_water:  # noqa: PLR1730  # a call of max() costs 60 ns more
            self._high_water = len(items)
        if self._on_arrival is not None:
            self._on_arrival()
        elif self._reader is not None:
            self._wake_reader()

    async def put(self, item: T) -> None:
        """Put; with the policy "wait", wait for room. Raises as `put_nowait` does."""
        while self.overflow == "wait" and not self._closed and self.full:
            await self._wait_for_room()
            self._reserved -= 1
        self.put_nowait(item)

    def get_nowait(self) -> T:
        """Take the oldest message. Raises MailboxEmptyError."""
        if not self._items:
            raise MailboxEmptyError(f"mailbox {self.name!r} holds no message; wait with `get`")
        item = self._items.popleft()
        if self._writers:
            self._wake_writers()
        return item

    async def get(self) -> T:
        """Wait for the oldest message and take it.

        Raises MailboxClosedError once closed, MailboxReaderError if another task waits here.
        """
        while not self._items:
            if self._closed:
                raise MailboxClosedError(
                    f"mailbox {self.name!r} is closed and gives no more messages;"
                    " its remaining ones were handed to the caller of `close`"
                )
            await self._wait_for_message()
        return self.get_nowait()

    def put_back(self, item: T) -> None:
        """Put a message that was taken but not handled back in front; it may go over the bound.

        Raises MailboxClosedError.
        """
        if self._closed:
            raise self._closed_error(item)
        self._items = deque((item, *self._items))
        self._wake_reader()

    def close(self) -> list[T]:
        """Let nothing in any more and hand over what waits, oldest first; [] the second time."""
        self._closed = True
        self._on_arrival = self._take = self._on_drop = None  # whose owner mostly owns this too
        left, self._items = list(self._items), ()
        self._wake_reader()
        while self._writers:
            self._give_room(self._writers.popleft())
        return left

    def stats(self) -> MailboxStats:
        """A snapshot of its counters."""
        return MailboxStats(
            capacity=self.capacity,
            length=len(self._items),
            received=self._received,
            dropped=self._dropped,
            refused=self._refused,
            high_water=self._high_water,
        )

    def _make_room(self, item: T) -> None:
        if self.overflow != "drop_oldest":
            self._refused += 1
            raise MailboxFullError(
                f"{reprlib.repr(item)} does not fit into mailbox {self.name!r}: {self._room()};"
                ' wait for room with the policy "wait" and `tell`, or raise its capacity'
            )
        oldest = self.get_nowait()
        self._dropped += 1
        if self._on_drop is not None:
            self._on_drop(oldest)
        if self._closed:  # by whoever was told
            raise self._closed_error(item)

    def _room(self) -> str:
        """Why it is full."""
        return f"all {self.capacity} places are taken"

    def _closed_error(self, item: T) -> MailboxClosedError:
        return MailboxClosedError(
            f"{reprlib.repr(item)} cannot go into mailbox {self.name!r}: it is closed,"
            " its actor has stopped; start a new actor and send to that"
        )

    async def _wait_for_message(self) -> None:
        if self._reader is not None:
            raise MailboxReaderError(
                f"mailbox {self.name!r} is read by another task already and has one reader;"
                " give each reader a mailbox of its own"
            )
        self._reader = reader = asyncio.get_running_loop().create_future()
        try:
            await reader
        finally:
            if self._reader is reader:
                self._reader = None

    def _wake_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None and not reader.done():
            reader.set_result(None)

    async def _wait_for_room(self) -> None:
        """Returns holding one reserved place."""
        room = asyncio.get_running_loop().create_future()
        if self._writers is None:
            self._writers = deque()
        self._writers.append(room)
        try:
            await room
        except BaseException:
            if room.cancelled():
                self._forget(room)
            else:
                self._reserved -= 1
                self._wake_writers()
            raise

    def _forget(self, room: asyncio.Future[None]) -> None:
        if self._writers and room in self._writers:
            self._writers.remove(room)

    def _wake_writers(self) -> None:
        while self._writers and not self.full:
            self._give_room(self._writers.popleft())

    def _give_room(self, room: asyncio.Future[None]) -> None:
        if not room.done():
            self._reserved += 1
            room.set_result(None)
