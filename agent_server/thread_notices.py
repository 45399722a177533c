"""A thread's notices, from its first run on, numbered; for the protocol of `threads.stream`.

The numbers count all notices of the thread, whatever a reader filters out, so that a number tells
every reader the same place.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Self

from streaming import Event, EventReader, Gap, RunFailed, RunFinished, RunLog, StepCommitted

from .jsontext import to_json
from .live import LiveRun
from .protocol import Filter, Narrator
from .readers import FEWEST, MOST, PastRun
from .records import Run
from .stories import Story

if TYPE_CHECKING:
    from .services import Services


class ThreadNotices:
    """An async iterator of numbered notices; ends when the server stops.

    `filter` may be changed at any time.
    """

    def __init__(self, services: Services, thread_id: str, filter: Filter) -> None:  # noqa: A002
        self.filter = filter
        self.seq = 0
        """Number of the last notice, shown or not."""
        self._story = Story(services, thread_id, since=0)
        self._begun = False
        self._source: LiveRun | PastRun | None = None
        self._narrator: Narrator | None = None
        self._log: RunLog | None = None
        self._events: EventReader | None = None
        self._ready: deque[dict[str, Any]] = deque()
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> dict[str, Any]:
        if not self._begun:
            self._begun = True
            await self._story.begin()
        while not self._closed:
            if self._ready:
                return self._ready.popleft()
            if self._events is not None:
                await self._read(self._events)
            elif not await self._next_run():
                break
        raise StopAsyncIteration

    async def _next_run(self) -> bool:
        """Go on to the thread's next run; False when the server stops."""
        thing = await self._story.next()
        if isinstance(thing, LiveRun | PastRun):
            self._source = thing
            self._narrator = Narrator(thing.run.run_id, thing.run.graph_id)
            self._log = await thing.begun()
            if self._log is None:
                await self._tell_failure(await thing.settled())
            elif not self._closed:
                self._events = self._log.read()
                self._events.limit = FEWEST
        return thing is not None

    async def _tell_failure(self, run: Run) -> None:
        """Of a run that could not begin, or whose events are forgotten, there is only its end."""
        if run.error is not None:
            await self._tell(RunFailed(error=run.error["error"], message=run.error["message"]))

    async def _read(self, events: EventReader) -> None:
        batch = await events.batch()
        events.limit = min(MOST, 2 * events.limit)
        if isinstance(batch, Gap):
            return
        if not batch:
            self._events = None
            await self._settled()
        for event in batch:
            if isinstance(event, RunFinished | RunFailed):
                await self._settled()  # who hears of the end finds it in the thread's row
            await self._tell(event)

    async def _settled(self) -> None:
        if self._source is not None:
            await self._source.settled()

    async def _tell(self, event: Event) -> None:
        resolve = None if self._log is None else self._log.resolve
        bare_step = isinstance(event, StepCommitted) and event.values is None and not event.bare
        if bare_step and resolve is not None:
            event = await resolve(event)
        for notice in () if self._narrator is None else self._narrator.tell(event):
            self.seq += 1
            if self.seq > self.filter.since and self.filter.wants(notice):
                self._ready.append(notice.numbered(self.seq))

    def close(self) -> None:
        """Nobody reads any more; who waits for the next notice sees the end."""
        self._closed = True
        self._story.close()
        if self._events is not None:
            self._events.close()


class NoticePieces:
    """Notices as server-sent events."""

    def __init__(self, notices: ThreadNotices) -> None:
        self._notices = notices
        self.whole = True
        """False once they have ended, since only the server's stop ends them."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            notice = await anext(self._notices)
        except StopAsyncIteration:
            self.whole = False
            raise
        return b"event: %s\r\ndata: %s\r\nid: %d\r\n\r\n" % (
            notice["method"].encode(),
            to_json(notice),
            notice["seq"],
        )

    def close(self) -> None:
        """Nobody reads any more."""
        self._notices.close()
