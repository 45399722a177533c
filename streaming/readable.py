"""The reading side of a run's log: subscribers' cursors, who waits, how far the owner is."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Unpack

from .chunk import MODES_PER_EVENT, Chunk, Make, event_id_of
from .committer import Committer, DurableRun
from .cursor import BATCH, BEHIND, END, WAIT, Cursor, Reading
from .errors import CursorError, OverflowPolicyError, OwnerPresentError
from .events import Event
from .modes import MODES, ORDINALS, OutputKeys, StreamMode, parse_modes
from .options import LogOptions, LogStats, check_bounds
from .reader import EventReader
from .ring import Ring
from .shared import LastShown
from .subscriber import OVERFLOWS, Overflow, OwnerSubscriber, Subscriber
from .view import View
from .waiting import Gate, Room, finish, is_held


class ReadableLog:
    """What subscribers need of a run's log; `RunLog` adds publishing."""

    def __init__(self, run_id: str, **options: Unpack[LogOptions]) -> None:
        start = options.get("start", 0)
        max_events, max_bytes = options.get("max_events", 65_536), options.get("max_bytes", 1 << 26)
        self.run_id = run_id
        self.keep = options.get("keep", True)
        self.high_water = options.get("high_water", 1_024)
        self.low_water = options.get("low_water", 256)
        self.resolve = options.get("resolve")
        self._shown = LastShown()
        self._faults = options.get("faults")
        check_bounds(start, max_events, max_bytes, self.low_water, self.high_water)
        # Reentrant: a subscriber may be collected, and so leave, at any point of our own code.
        self._lock = threading.RLock()
        self._most = max_events
        self._hands = min(max_events, self.high_water)
        self._ring = Ring(start + 1, max_events, max_bytes)
        self._start = self._last = self._visible = start
        self._cursors: tuple[Cursor, ...] = ()
        self._owner: Cursor | None = None
        self._alone: Cursor | None = None  # the owner, if what is said need only be handed to it
        self._parked: list[Cursor] = []
        self._wanted: frozenset[str] = frozenset(MODES if self.keep else ())
        self._refused = 0
        self._closed = False
        self._error: BaseException | None = None
        self._committer: Committer | None = None
        self._lockstep = Gate(self._lock)
        self._room = Room(self._lock)

    # --- what the log is ------------------------------------------------------------------------

    @property
    def last(self) -> int:
        """Id of the last event published."""
        return self._last

    @property
    def visible(self) -> int:
        """Highest event id that readers may see."""
        return self._visible

    @property
    def closed(self) -> bool:
        """True after `close`."""
        return self._closed

    @property
    def error(self) -> BaseException | None:
        """What broke the log, if something did."""
        return self._error

    @property
    def durable(self) -> DurableRun | None:
        """Where its rows go, if anywhere."""
        return None if self._committer is None else self._committer.durable

    @property
    def held(self) -> tuple[int, int]:
        """(events, bytes) in the ring; see `LogOptions.max_bytes` for what bytes are."""
        return self._ring.end - self._ring.first, self._ring.size

    def held_events(self) -> Sequence[Event]:
        """The visible events in the ring, the oldest first."""
        with self._lock:
            before = self._ring.first - 1
            return self._ring.between(before, max(before, min(self._visible, self._ring.end - 1)))

    @property
    def watched(self) -> bool:
        """True if anyone could see an event published now."""
        return self.keep or bool(self._cursors)

    def wants(self, mode: StreamMode) -> bool:
        """True if anyone could see what this mode shows of an event published now."""
        return mode in self._wanted

    def stats(self) -> LogStats:
        """Counts, at this moment."""
        with self._lock:
            slowest = min((c.position for c in self._cursors), default=self._visible)
            return LogStats(
                published=self._last - self._start,
                dropped=self._ring.dropped,
                refused=self._refused,
                subscribers=len(self._cursors),
                lag=max(0, self._visible - slowest),
                unsent=0 if self._committer is None else self._committer.outbox.count,
            )

    # --- subscribing ----------------------------------------------------------------------------

    def subscribe(
        self,
        modes: str | Sequence[str],
        *,
        after: int | None = None,
        overflow: Overflow = "gap",
        subgraphs: bool = False,
        where: Callable[[Event], bool] | None = None,
        output_keys: OutputKeys = None,
    ) -> Subscriber:
        """A reader of its own: an async iterator of Chunk (and Gap, where events were lost).

        `after` is the id of the last chunk seen.  None reads a kept log from its beginning (what
        the ring has dropped comes from the durable log, or is a Gap), another one from now on.
        `overflow` says what happens when the reader falls behind the ring: "gap" marks the loss
        and goes on, "spill" reads on from the durable log, "disconnect" ends the reader.

            async with log.subscribe(["updates", "custom"], after=last_seen) as chunks:
                async for chunk in chunks:
                    last_seen = chunk.id

        Raises UnknownStreamModeError, OverflowPolicyError, CursorError.
        """
        if overflow not in OVERFLOWS:
            raise OverflowPolicyError(
                f"overflow={overflow!r} is no policy; use one of {', '.join(OVERFLOWS)}"
            )
        if overflow == "spill" and self._committer is None:
            raise OverflowPolicyError(
                f"overflow='spill' cannot be: the log of run {self.run_id!r} has no durable log "
                "to read on from; use 'gap' or 'disconnect', or open it with `event_log`"
            )
        view = View(parse_modes(modes), subgraphs, where, output_keys)
        cursor = self._join(view, after, owner=False)
        return Subscriber(self, cursor, view, after or 0, overflow)

    def own(
        self,
        modes: str | Sequence[str],
        *,
        subgraphs: bool = False,
        where: Callable[[Event], bool] | None = None,
        output_keys: OutputKeys = None,
        make: Make = Chunk,
    ) -> OwnerSubscriber:
        """The reader that the run keeps step with (`caught_up`, `drain`); one at a time.

        It never loses silently: it reads on from the durable log, or raises SubscriberLagged.
        `make` makes of (chunk id, namespace, mode, data) what it gives.
        """
        return self.own_as(View(parse_modes(modes), subgraphs, where, output_keys, make))

    def own_as(self, view: View) -> OwnerSubscriber:
        """The same with a view, which several logs may share."""
        cursor = self._join(view, None, owner=True)
        return OwnerSubscriber(self, cursor, view, 0, "gap" if self._committer is None else "spill")

    def read(self, after: int = 0) -> EventReader:
        """A reader of the events themselves, those with an id greater than `after`, in batches.

        It never loses silently: it reads on from the durable log, or gets a Gap.

        async with log.read() as events:
            while batch := await events.batch(): ...

        Raises CursorError.
        """
        last_of_it = (after + 1) * MODES_PER_EVENT - 1
        return EventReader(self, self._join(View(MODES), last_of_it, owner=False))

    def _join(self, view: View, after: int | None, *, owner: bool) -> Cursor:
        with self._lock:
            cursor = Cursor(self._position(after, view.modes), view, self._hands if owner else 0)
            if owner:
                if self._owner is not None:
                    raise OwnerPresentError(
                        f"run {self.run_id!r} has an owner already, and can keep step with one "
                        "reader only; use `subscribe`, or close the owner first"
                    )
                self._owner = cursor
            if not self.keep and not self._cursors and self._ring.first <= self._last:
                self._ring.clear(self._last + 1)
            self._cursors = (*self._cursors, cursor)
            self._wanted = self._wanted.union(view.modes)
            self._find_alone()
        return cursor

    def _find_alone(self) -> None:
        owner = self._owner
        if self._closed or self.keep or self._committer is not None or len(self._cursors) > 1:
            owner = None
        if self._faults is not None:  # each event is to pass its points
            owner = None
        self._alone = owner if owner is not None and owner.view.where is None else None

    def _may_hand_more(self, owner: Cursor) -> bool:
        """True on the reader's own thread, which cannot wait for it: as many as the ring holds."""
        more = owner.room > 0 and len(owner.chunks) < self._most
        return more and owner.thread == threading.get_ident()

    def _position(self, after: int | None, modes: Sequence[StreamMode]) -> int:
        """Id of the last event that a reader who continues after a chunk does not need."""
        if after is None:
            if not self.keep:
                return self._visible
            return self._start if self._committer is None else 0
        if not isinstance(after, int):  # pyright: ignore[reportUnnecessaryIsInstance] - Last-Event-ID
            raise CursorError(
                f"after={after!r} is no id of a chunk, which is a whole number; give "
                "int(last_event_id), or None"
            )
        event_id = event_id_of(after)
        if after < 0 or event_id > self._last:
            raise CursorError(
                f"after={after!r} is not in the log of run {self.run_id!r}, whose last chunk has "
                f"an id below {(self._last + 1) * MODES_PER_EVENT}; give the id of a chunk of "
                "this run, or None"
            )
        more_of_it = any(ORDINALS[mode] > after % MODES_PER_EVENT for mode in modes)
        return max(0, event_id - 1) if more_of_it else event_id

    # --- reading (called by subscribers) --------------------------------------------------------

    def take(self, cursor: Cursor) -> list[Event] | Reading:
        """The next visible events after the cursor, or why there are none.

        The cursor moves when its reader sets `position`.
        """
        with self._lock:
            position, upto = cursor.position, self._upto(cursor)
            if position >= upto:
                return END if self._is_over(cursor) else WAIT
            if position + 1 < self._ring.first:
                return BEHIND
            taken = self._ring.between(position, min(upto, position + BATCH))
        if self._faults is not None:
            self._faults("delivered")
        if cursor is self._owner:
            self._pulse_room()
        return taken

    def show(self, view: View, events: Sequence[Event], after: int) -> Sequence[Any]:
        """The chunks of events; readers who see the same of them are given the same ones."""
        return self._shown.chunks(view, events, after, len(self._cursors))

    def _upto(self, cursor: Cursor) -> int:
        """The last event that a reader may take."""
        return self._visible if cursor.until is None else min(self._visible, cursor.until)

    def _is_over(self, cursor: Cursor) -> bool:
        """True for a reader, who has taken what it may, if nothing can come."""
        position, until = cursor.position, cursor.until
        if self._closed and (self._error is not None or position >= self._last):
            return True
        return until is not None and position >= until

    def _forget_what_all_have(self) -> None:
        """Clear the ring if all readers wait for more."""
        if len(self._parked) == len(self._cursors) and self._visible == self._last:
            self._ring.clear(self._last + 1)

    def park(self, cursor: Cursor) -> asyncio.Future[None] | None:
        """What a reader on the running loop is to await; None if there is something to `take`."""
        cursor.loop = asyncio.get_running_loop()
        waiter = cursor.loop.create_future()
        with self._lock:
            if cursor.chunks or cursor.position < self._visible:
                return None
            if (self._closed or cursor.until is not None) and self._is_over(cursor):
                return None
            cursor.waiter = waiter
            self._parked.append(cursor)
            if self._ring.first < self._ring.end and not self.keep:
                self._forget_what_all_have()
        if cursor is self._owner:
            cursor.thread = threading.get_ident()
            if self._lockstep.waiters:
                self._lockstep.pulse()
            if self._room.waiters:
                self._pulse_room()
        return waiter

    def unpark(self, cursor: Cursor) -> None:
        """A parked cursor's reader does not wait any more."""
        with self._lock:
            if cursor.waiter is not None:
                cursor.waiter = None
                self._parked.remove(cursor)

    def _unpark_all(self) -> list[asyncio.Future[None]]:
        parked, self._parked = self._parked, []
        waiters: list[asyncio.Future[None]] = []
        for cursor in parked:
            if cursor.waiter is not None:
                waiters.append(cursor.waiter)
                cursor.waiter = None
        return waiters

    def skip(self, cursor: Cursor) -> int:
        """Move a cursor that is behind to the oldest event held; gives how many it lost."""
        with self._lock:
            target = min(self._ring.first - 1, self._upto(cursor))
            lost = max(0, target - cursor.position)
            cursor.position += lost
        return lost

    async def spill(self, cursor: Cursor) -> list[Event]:
        """The next events after a cursor that is behind, from the durable log."""
        durable = self.durable
        if durable is None:
            return []
        return await durable.read(cursor.position, self._upto(cursor), BATCH)

    def finish(self, cursor: Cursor) -> None:
        """A reader is to read what is published by now, and then end."""
        with self._lock:
            cursor.until = self._last
            cursor.room = 0
            waiter, cursor.waiter = cursor.waiter, None
            if waiter is not None:
                self._parked.remove(cursor)
        if waiter is not None:
            finish(waiter)

    def leave(self, cursor: Cursor) -> None:
        """A reader is gone: nothing is kept for it, no one waits for it."""
        with self._lock:
            cursor.closed = True
            cursor.until = cursor.room = 0
            self._cursors = tuple(c for c in self._cursors if c is not cursor)
            if not self.keep:
                self._wanted = frozenset[str]().union(*[c.view.modes for c in self._cursors])
            if self._owner is cursor:
                self._owner = None
            self._find_alone()
            self._shown.clear()
            waiter, cursor.waiter = cursor.waiter, None
            if waiter is not None:
                self._parked.remove(cursor)
        if waiter is not None:
            finish(waiter)
        self._lockstep.pulse()
        self._room.pulse()

    # --- keeping step ---------------------------------------------------------------------------

    def caught_up(self) -> Coroutine[Any, Any, None]:
        """Return when the owner has taken all that is visible and asks for more, or is gone."""
        return self._lockstep.until(self._owner_asks)

    def _owner_asks(self) -> bool:
        owner = self._owner
        return owner is None or (owner.waiter is not None and owner.position >= self._visible)

    def backlog(self) -> int:
        """Events the owner has not taken yet, or that wait for the durable log; the larger."""
        owner, committer = self._owner, self._committer
        lag = 0 if owner is None else self._last - owner.position + len(owner.chunks)
        return lag if committer is None else max(lag, committer.outbox.count)

    async def drained(self, gives_up: Callable[[], bool]) -> None:
        """Return when the backlog is at the low-water mark, the log closed, or `gives_up()`; at
        once where the owner cannot read before who asks has ended (see `waiting.py`)."""
        await self._room.until(lambda: self._has_room() or gives_up())

    def block_until_drained(self, gives_up: Callable[[], bool]) -> None:
        """The same, blocking the calling thread; not in the owner's own thread."""
        owner = self._owner
        if owner is not None and owner.thread == threading.get_ident():
            return
        self._room.block_until(lambda: self._has_room() or gives_up())

    def _has_room(self) -> bool:
        if self._closed or self.backlog() <= self.low_water:
            return True
        owner, committer = self._owner, self._committer
        return is_held(owner and owner.loop) or is_held(committer and committer.loop)

    def _pulse_room(self) -> None:
        if self._room.waiters and self._has_room():
            self._room.pulse()
