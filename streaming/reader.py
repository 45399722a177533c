"""Events of a run as they are, many at once: for those who make a form of their own of them."""

from __future__ import annotations

from asyncio import Future
from types import TracebackType
from typing import Protocol, Self

from .chunk import Gap, gap_after
from .committer import DurableRun
from .cursor import BEHIND, END, WAIT, Cursor, Reading
from .errors import LogFailedError, SubscriberBusyError
from .events import Event


class EventSource(Protocol):
    """The log that a reader of events reads."""

    run_id: str

    @property
    def error(self) -> BaseException | None:
        """What broke the log, if something did."""
        ...

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

    def leave(self, cursor: Cursor) -> None:
        """Read no more."""
        ...


class EventReader:
    """A reader of all events of a run, whatever graph they come from; made by `log.read`.

    One that falls behind the ring reads on from the durable log; where there is none it gets a
    Gap.  The state of a step may be missing from its event (`log.resolve` gives it).
    """

    def __init__(self, source: EventSource, cursor: Cursor) -> None:
        self._source = source
        self._cursor = cursor
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
                return self._end()
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

    def _end(self) -> list[Event]:
        broken = None if self._cursor.closed else self._source.error
        self.close()
        if broken is None:
            return []
        raise LogFailedError(
            f"the log of run {self._source.run_id!r} broke ({broken!r}), so events may be "
            "missing; mend the cause and read the run again from its durable log"
        ) from broken

    def close(self) -> None:
        """Read no more; a task that waits for the next events gets none.  Any thread may."""
        self._source.leave(self._cursor)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # The log must not keep events for a reader that is gone.
        cursor: Cursor | None = getattr(self, "_cursor", None)
        if cursor is not None and not cursor.closed:
            self._source.leave(cursor)
