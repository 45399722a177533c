"""Subscribers: async iterators over a run's log.

Plain objects with a future inside, no async generators: they may be closed from any task or
thread while another one waits for the next chunk, and a cancelled wait loses nothing.
"""

from __future__ import annotations

from asyncio import Future
from collections import deque
from collections.abc import Mapping, Sequence
from threading import get_ident
from types import TracebackType
from typing import Any, Final, Literal, Protocol, Self, get_args

from .chunk import Chunk, Gap, gap_after, shape
from .cursor import END, WAIT, Cursor, Reading
from .errors import (
    SubscriberBusyError,
    SubscriberDisconnectedError,
    SubscriberLagged,
    ValuesMissingError,
)
from .events import Event, Withdrawn
from .modes import SKIP, Skip
from .options import Resolve
from .place import Left, Place
from .view import View

Overflow = Literal["gap", "spill", "disconnect"]
OVERFLOWS: Final[tuple[str, ...]] = get_args(Overflow)


class _Lost:
    """Stands for a gap where chunks may be anything."""

    __slots__ = ("lost",)

    def __init__(self, lost: int) -> None:
        self.lost = lost


_NONE_GONE: Final[Mapping[int, Gap]] = {}


class Source(Left, Protocol):
    """The log that a subscriber reads."""

    resolve: Resolve | None

    @property
    def visible(self) -> int:
        """Highest event id that may be taken."""
        ...

    @property
    def durable(self) -> object | None:
        """Not None if older events can be read with `spill`."""
        ...

    def take(self, cursor: Cursor) -> list[Event] | Reading:
        """The next events, or why there are none."""
        ...

    def show(self, view: View, events: Sequence[Event], after: int) -> Sequence[Any]:
        """The chunks of events; readers who see the same of them are given the same ones."""
        ...

    def park(self, cursor: Cursor) -> Future[None] | None:
        """What to await for more; None if there is something to take."""
        ...

    def unpark(self, cursor: Cursor) -> None:
        """Its reader does not wait any more."""
        ...

    def skip(self, cursor: Cursor) -> int:
        """Move to the oldest event held."""
        ...

    async def spill(self, cursor: Cursor) -> list[Event]:
        """The next events, from the durable log."""
        ...

    def finish(self, cursor: Cursor) -> None:
        """Read what is published by now, then end."""
        ...


class Subscriber(Place):
    """A reader with its own place in the log; made by `log.subscribe`.

    Iterating gives Chunk, and Gap where events were lost, or the checkpoint is gone that held the
    state of a step.  `overflow` is about falling behind
    later: what was published before the reader came is read from the durable log if there is one.
    """

    def __init__(
        self, source: Source, cursor: Cursor, view: View, after: int, overflow: Overflow
    ) -> None:
        super().__init__(source, cursor)
        self._source = source
        self.made: deque[Any] = cursor.chunks
        """Chunks that were made already; read-only."""
        self._view = view
        self._after = after
        self._overflow: Overflow = overflow
        self._catching_up = source.durable is not None
        self._busy = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Chunk | Gap:
        chunks = self.made
        while not chunks:
            await self.ready()
        return chunks.popleft()

    def take_nowait(self) -> Chunk | Gap | Literal[Skip.SKIP]:
        """The next chunk if it needs no waiting, so no event loop either; SKIP if it does."""
        chunks = self.made
        return chunks.popleft() if chunks or self._read_nowait() else SKIP

    def _read_nowait(self) -> bool:
        """Make chunks of what lies ready in the log; True if there were any to make."""
        source, cursor = self._source, self._cursor
        view = self._view
        if self._busy:
            return False
        while not self.made:
            if cursor.position >= source.visible:
                return False
            taken = source.take(cursor)
            if isinstance(taken, Reading):
                return False
            if view.lacks_some_values(taken, self._after):
                return False  # `ready` loads them
            self._catching_up = False
            self._show(taken)
        return True

    def park(self) -> Future[None] | None:
        """What to await, right away, until there may be something to take; None: ask `ready`.

        Whoever stops to await it before it is done has to `unpark`.
        """
        if self._busy or self._cursor.waiter is not None:
            return None
        self._catching_up = False
        return self._source.park(self._cursor)

    def unpark(self) -> None:
        """Nothing is awaited that `park` gave."""
        self._source.unpark(self._cursor)

    async def ready(self) -> None:
        """Return when `take_nowait` has something to give.

        Raises what iterating raises: at the end StopAsyncIteration.
        """
        if self._busy or self._cursor.waiter is not None:
            raise SubscriberBusyError(
                f"a subscriber of run {self._source.run_id!r} is being read by another task, and "
                "each chunk goes to one reader; give each task a subscriber of its own"
            )
        self._busy = True
        source, cursor = self._source, self._cursor
        try:
            while not self.made:
                waiter = source.park(cursor)
                if waiter is not None:
                    self._catching_up = False
                    await waiter
                    if self.made:
                        return
                taken = source.take(cursor)
                if isinstance(taken, Reading):
                    await self._go_on(taken)
                    continue
                self._catching_up = False
                gone = await self._add_values(taken) if self._view.shows_state else _NONE_GONE
                self._show(taken, gone)
        except BaseException:
            source.unpark(cursor)
            raise
        finally:
            self._busy = False

    async def _go_on(self, met: Reading) -> None:
        if met is END:
            self._close_at_end()
            raise StopAsyncIteration
        if met is WAIT:  # woken for nothing
            return
        if self._catching_up or self._overflow == "spill":
            events = await self._source.spill(self._cursor)
            gone = await self._add_values(events)
            self._show(events, gone)
        else:
            self._lose()

    def _show(self, events: list[Event], gone: Mapping[int, Gap] = _NONE_GONE) -> None:
        view, after = self._view, self._after
        chunks: list[Any] = []
        if gone:
            for event in events:
                lost = gone.get(event.id)
                chunks += view.chunks((event,), after) if lost is None else (self._mark(lost),)
        if not self._cursor.closed:  # closed while we waited: the chunks are no one's
            self.made.extend(chunks if gone else self._chunks(events))
            self._cursor.position = events[-1].id  # what is published next may now be handed over

    def _chunks(self, events: list[Event]) -> Sequence[Any]:
        """What it sees of events."""
        return self._source.show(self._view, events, self._after)

    def _mark(self, gap: Gap) -> object:
        """What stands for a gap among the chunks made."""
        return gap

    async def _add_values(self, events: list[Event]) -> dict[int, Gap]:
        """Put the state into the events that lack it; gives gaps for those whose state is gone, by
        the event's id."""
        view, gone = self._view, dict[int, Gap]()
        for at, event in enumerate(events):
            if view.lacks_values(event, self._after):
                events[at] = await self._with_values(event)
                if isinstance(events[at], Withdrawn) and (view.where is None or view.where(event)):
                    gone[event.id] = gap_after(event.id, 1)
        return gone

    async def _with_values(self, event: Event) -> Event:
        resolve = self._source.resolve
        if resolve is None:
            raise ValuesMissingError(
                f"the state of step {event.step} of run {self._source.run_id!r} (event {event.id}) "
                "is held by its checkpoint only; open the log with `resolve`, or read other modes"
            )
        return await resolve(event)

    def _lose(self) -> None:
        lost = self._source.skip(self._cursor)
        if self._overflow == "gap":
            if lost:
                self.made.append(self._mark(gap_after(self._cursor.position, lost)))
            return
        self.close()
        raise SubscriberDisconnectedError(
            f"a reader of run {self._source.run_id!r} fell {lost} events behind what its log "
            "holds, and its policy is 'disconnect'; subscribe again after the last chunk it got",
            lost=lost,
        )

    def bare(self, *, single_mode: bool, subgraphs: bool = False) -> BareSubscriber:
        """The same reader, giving what `astream` yields; see `shape`."""
        return BareSubscriber(self, single_mode=single_mode, subgraphs=subgraphs)

    def finish(self) -> None:
        """Read what is published by now, and then end.  Any thread may ask for it."""
        self._source.finish(self._cursor)

    def close(self) -> None:
        """Read no more; a task that waits for the next chunk sees the end.  Any thread may."""
        super().close()
        self.made.clear()

    async def aclose(self) -> None:
        """The same as `close`."""
        self.close()


class OwnerSubscriber(Subscriber):
    """The reader that the run keeps step with; made by `log.own`.  Gives chunks only, as `make`
    made them."""

    async def __anext__(self) -> Any:
        chunks = self.made
        while not chunks:
            await self.ready()
        return self.take_nowait()

    def take_nowait(self) -> Any:
        """The next chunk if it needs no waiting; SKIP if it does.  Raises SubscriberLagged."""
        chunks = self.made
        if not chunks and not self._read_nowait():
            return SKIP
        self._cursor.thread = get_ident()
        chunk = chunks.popleft()
        if type(chunk) is _Lost:
            raise SubscriberLagged(
                f"{chunk.lost} events of run {self._source.run_id!r} are lost: one step published "
                "more than its log holds before they were read, or a step's checkpoint is gone; "
                "use `await writer.drain()` in nodes that write much",
                lost=chunk.lost,
            )
        return chunk

    def _chunks(self, events: list[Event]) -> Sequence[Any]:
        return self._view.chunks(events, self._after)  # its own, in a form of its own

    def _mark(self, gap: Gap) -> object:
        return _Lost(gap.lost)


class BareSubscriber:
    """A subscriber's chunks as `astream` yields them; made by `subscriber.bare`.

    Where events were lost it raises SubscriberLagged once, and goes on after them.
    """

    def __init__(self, chunks: Subscriber, *, single_mode: bool, subgraphs: bool) -> None:
        self._source = chunks
        self._single_mode = single_mode
        self._subgraphs = subgraphs

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        chunk = await self._source.__anext__()
        if isinstance(chunk, Gap):
            raise SubscriberLagged(
                f"{chunk.lost} events were lost: this reader was too slow, or a step's checkpoint "
                "is gone; go on reading after them, or, if it was too slow, subscribe with "
                "overflow='spill' to a durable log",
                lost=chunk.lost,
            )
        return shape(chunk, single_mode=self._single_mode, subgraphs=self._subgraphs)

    async def aclose(self) -> None:
        """Read no more."""
        self._source.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._source.close()
