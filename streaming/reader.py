"""Events of a run as they are, many at once: for those who make a form of their own of them."""

from __future__ import annotations

from asyncio import Future
from typing import Protocol

from .chunk import Gap, gap_after
from .committer import DurableRun
from .cursor import BEHIND, END, WAIT, Cursor, Reading
from .errors import SubscriberBusyError
from .events import Event
from .place import Left, Place


class EventSource(Left, Protocol):
    """The log that a reader of events reads."""

    @property
    def durable(self) -> DurableRun | None:
        """Where older events are, if anywhere."""
        ...

    @property
    def visible(self) -> int:
        """Highest event id that readers may see."""
        ...

    def take(self, cursor: Cursor) -> list[Event] | Reading:
        """The next events, or why there are none."""
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


class EventReader(Place):
    """A reader of all events of a run, whatever graph they come from; made by `log.read`.

    One that falls behind the ring reads on from the durable log; where there is none it gets a
    Gap.  The state of a step may be missing from its event (`log.resolve` gives it).
    """

    def __init__(self, source: EventSource, cursor: Cursor) -> None:
        super().__init__(source, cursor)
        self._source = source
        self._busy = False
        self.limit = 128
        """Events read from the durable log at once; may be changed at any time."""

    async def batch(self) -> list[Event] | Gap:
        """The next events, at least one, waiting for them; [] at the end of the log.

        A cancelled wait loses nothing.  Raises LogFailedError when the log broke,
        EventsMissingError when rows are missing, SubscriberBusyError.
        """
        if self._busy:
            raise SubscriberBusyError(
                f"a reader of run {self._source.run_id!r} is being read by another task, and each "
                "event goes to one reader; give each task a reader of its own"
            )
        self._busy = True
        try:
            taken = await self._take()
            if taken is END:
                self._close_at_end()
                return []
            if taken is BEHIND:
                return await self._behind()
            return [] if isinstance(taken, Reading) else self._move(taken)
        finally:
            self._busy = False

    async def _take(self) -> list[Event] | Reading:
        source, cursor = self._source, self._cursor
        while (taken := source.take(cursor)) is WAIT:
            waiter = source.park(cursor)
            if waiter is None:
                continue
            try:
                await waiter
            except BaseException:
                source.unpark(cursor)
                raise
        return taken

    async def _behind(self) -> list[Event] | Gap:
        source, cursor = self._source, self._cursor
        if (durable := source.durable) is None:
            lost = source.skip(cursor)
            return gap_after(cursor.position, lost)
        return self._move(await durable.read(cursor.position, source.visible, self.limit))

    def _move(self, events: list[Event]) -> list[Event]:
        if self._cursor.closed:  # while we waited: the events are no one's
            return []
        self._cursor.position = events[-1].id
        return events
