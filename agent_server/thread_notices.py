"""A thread's notices, from its first run on, numbered; for the protocol of `threads.stream`.

A number is the notice's time in microseconds, or one more than the one before: so it tells every
reader the same place, whatever it filters out and whatever is forgotten meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from streaming import (
    Event,
    EventReader,
    Gap,
    RunFailed,
    RunFinished,
    RunLog,
    StepCommitted,
    StreamingError,
)

from .ended import PastRun
from .errors import UnshowableError
from .failures import error_json
from .feeds import Gone, Missed
from .jsontext import to_json
from .live import LiveRun
from .protocol import Narrator, Notice
from .readers import FEWEST, MOST
from .records import Run
from .stories import Story

if TYPE_CHECKING:
    from .services import Services


class ThreadNotices:
    """An async iterator of numbered notices; ends when the server stops or the thread is deleted.

    `wants` says of each notice and its number whether this reader is told.
    """

    def __init__(
        self, services: Services, thread_id: str, wants: Callable[[Notice, int], bool]
    ) -> None:
        self.told = 0
        """Number of the last notice that the reader was given, or did not want."""
        self.ended = False
        """True once the server has stopped, or the thread has gone."""
        self.gone = False
        """True once the thread has been deleted."""
        self._wants = wants
        self._seq = 0
        self._output_keys = services.graphs.output_keys
        self._story = Story(services, thread_id, since=0)
        self._begun = False
        self._source: LiveRun | PastRun | None = None
        self._narrator = Narrator("", "")
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
                notice = self._ready.popleft()
                self.told = notice["seq"]
                return notice
            self.told = self._seq
            if self._events is not None and self._source is not None:
                await self._read(self._events, self._source)
            elif not await self._next_run():
                break
        raise StopAsyncIteration

    async def _next_run(self) -> bool:
        """Go on to the thread's next run; False when there will be none."""
        thing = await self._story.next()
        if isinstance(thing, Missed):
            self._tell_gap(thing.count)
        if isinstance(thing, LiveRun | PastRun):
            self._source = thing
            self._log = await thing.begun()
            run = thing.run
            self._narrator = Narrator(run.run_id, run.graph_id, self._output_keys(run.graph_id))
            if self._log is None:
                lost = isinstance(thing, PastRun) and thing.lost
                await self._tell_end(await thing.settled(), lost=lost)
            elif not self._closed:
                self._events = self._log.read()
                self._events.limit = FEWEST
        self.gone = isinstance(thing, Gone)
        self.ended = self.gone or (thing is None and not self._closed)
        return not self.ended and thing is not None

    async def _tell_end(self, run: Run, *, lost: bool) -> None:
        """Of a run that could not begin, or whose events are lost, there is only its end."""
        if lost:
            self._tell_gap(None, run.updated_at)
        if run.error is not None:
            error = RunFailed(**run.error, time=run.updated_at)
            await self._tell(error)
        elif run.ended:
            status = "success" if run.status == "success" else "cancelled"
            await self._tell(RunFinished(status=status, time=run.updated_at))

    async def _read(self, events: EventReader, source: LiveRun | PastRun) -> None:
        try:
            batch = await events.batch()
        except StreamingError:  # the log broke, or its rows are gone
            self._events = None
            await self._tell_end(await source.settled(), lost=True)
            return
        events.limit = min(MOST, 2 * events.limit)
        if isinstance(batch, Gap):
            self._tell_gap(batch.lost)
            return
        if not batch:
            self._events = None
            await source.settled()
        for event in batch:
            if isinstance(event, RunFinished | RunFailed):
                await source.settled()  # who hears of the end finds it in the thread's row
            await self._tell(event)

    async def _tell(self, event: Event) -> None:
        resolve = None if self._log is None else self._log.resolve
        bare_step = isinstance(event, StepCommitted) and event.values is None and not event.bare
        if bare_step and resolve is not None:
            event = await resolve(event)
        if isinstance(event, Gap):  # its checkpoint is gone
            self._tell_gap(event.lost)
            return
        for notice in self._narrator.tell(event):
            self._add(notice)

    def _tell_gap(self, lost: int | None, time: float = 0.0) -> None:
        self._add(self._narrator.tell_gap(time, lost))

    def _add(self, notice: Notice) -> None:
        """Number a notice, and keep it for a reader that wants it."""
        self._seq = max(self._seq + 1, int(notice.time * 1_000_000))
        if self._wants(notice, self._seq):
            self._ready.append(notice.numbered(self._seq))

    def close(self) -> None:
        """Nobody reads any more; who waits for the next notice sees the end."""
        self._closed = True
        self._story.close()
        if self._events is not None:
            self._events.close()


def notice_json(notice: dict[str, Any]) -> bytes:
    """A numbered notice as JSON; if its data cannot be shown, with that error in their place."""
    try:
        return to_json(notice)
    except UnshowableError as error:
        told = {**notice.get("params", {}), "data": error_json(error)}
        return to_json({**notice, "params": told})


class NoticePieces:
    """Notices as server-sent events."""

    def __init__(self, notices: ThreadNotices) -> None:
        self._notices = notices
        self.whole = True
        """False once the server's stop has ended them."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            notice = await anext(self._notices)
        except StopAsyncIteration:
            self.whole = self._notices.gone
            raise
        return b"event: %s\r\ndata: %s\r\nid: %d\r\n\r\n" % (
            notice["method"].encode(),
            notice_json(notice),
            notice["seq"],
        )

    def close(self) -> None:
        """Nobody reads any more."""
        self._notices.close()
