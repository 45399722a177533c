"""A whole thread as one stream: its runs one after another, and what is written to its state.

An id is `<microseconds>-<number>`: when the run came, and the id of the event in the run's own
stream.  So it tells where to read on in the thread, whoever wrote there meanwhile.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, Self, TypeAlias, get_args

from .ended import PastRun
from .errors import InvalidError
from .feeds import Gone, Missed, StateWritten
from .finding import began
from .frames import encode
from .jsontext import json_or_error
from .live import LiveRun
from .readers import STOPPING, Look, RunReader
from .stories import Chapter, Story

if TYPE_CHECKING:
    from .services import Services

ThreadMode: TypeAlias = Literal["run_modes", "lifecycle", "state_update"]
THREAD_MODES: Final[tuple[ThreadMode, ...]] = get_args(ThreadMode)
_PLACE = re.compile(r"([0-9]{1,18})-([0-9]{1,18})")
_ID = b"\r\nid: "


@dataclass(frozen=True, slots=True)
class ThreadPlace:
    """A place in a thread's stream: behind an event of a run."""

    moment: int
    number: int


def thread_place(given: str | None) -> ThreadPlace | None:
    """Where a Last-Event-ID says to read on; None when it says nothing.  Raises InvalidError."""
    text = (given or "").strip()
    if not text:
        return None
    if text in ("-", "0", "-1"):
        return ThreadPlace(0, 0)
    found = _PLACE.fullmatch(text)
    if found is None:
        raise InvalidError(
            f"Last-Event-ID: {text[:80]!r} is no id of an event of a thread; send the last one "
            "that came with the stream, or 0-0 for all"
        )
    return ThreadPlace(int(found[1]), int(found[2]))


class ThreadReader:
    """An async iterator of bytes, each some whole server-sent events; ends when the server stops,
    or the thread is deleted.

    `after`: None for what comes from now on.
    """

    def __init__(
        self,
        services: Services,
        thread_id: str,
        modes: Collection[ThreadMode],
        after: ThreadPlace | None,
    ) -> None:
        self._thread_id = thread_id
        self._output_keys = services.graphs.output_keys
        self._modes = modes
        self._after = after
        self._story = Story(services, thread_id, None if after is None else after.moment)
        self._source: LiveRun | PastRun | None = None
        self._run: RunReader | None = None
        self._closed = False
        self.whole = True
        """False once the server's stop has ended it."""

    async def begin(self) -> Self:
        """Take the thread as it is now for where to begin; needed once, first."""
        await self._story.begin()
        return self

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        while not self._closed:
            if self._source is not None and self._run is not None:
                if piece := await self._of_run(self._source, self._run):
                    return piece
                continue
            thing = await self._story.next()
            if thing is None:
                self._closed = True
                self.whole = False
                return STOPPING
            if piece := self._told(thing):
                return piece
        raise StopAsyncIteration

    def _told(self, thing: Chapter) -> bytes:
        match thing:
            case LiveRun() | PastRun():
                self._open(thing)
                return b""
            case StateWritten():
                return self._written(thing) if "state_update" in self._modes else b""
            case Missed(count):
                return encode("gap", {"lost": count})
            case Gone():
                self._closed = True
                return b""

    def _open(self, source: LiveRun | PastRun) -> None:
        """Read the run next, if runs are followed."""
        run, after = source.run, self._after
        if "run_modes" not in self._modes and "lifecycle" not in self._modes:
            return
        number = self._story.place_in(run.run_id)
        if after is not None and began(run) == after.moment:
            number = after.number
        look = Look(
            modes=run.order.stream_mode if "run_modes" in self._modes else (),
            subgraphs=run.order.stream_subgraphs,
            after=number,
            output_keys=self._output_keys,
        )
        self._source, self._run = source, RunReader(source, look)

    async def _of_run(self, source: LiveRun | PastRun, reader: RunReader) -> bytes:
        """The run's next events, with the thread's ids; its end last."""
        moment = began(source.run)
        piece = await anext(reader, None)
        if piece is not None:
            return piece.replace(_ID, b"%s%d-" % (_ID, moment))  # data has no bare line breaks
        self._source = self._run = None
        if not reader.whole:  # the server stops, and the run's reader has said so
            self._closed, self.whole = True, False
        if not source.run.ended or self._closed:
            return b""
        log = source.log
        number = (3 if log is None else log.last + 2) * 8
        if self._after is not None and (moment, number) <= (self._after.moment, self._after.number):
            return b""
        return self._event(
            "metadata", {"status": "run_done", "run_id": source.run.run_id}, moment, number
        )

    def _written(self, thing: StateWritten) -> bytes:
        data = {"state": thing.state, "thread_id": self._thread_id}
        return self._event("state_update", data, int(thing.time * 1_000_000), 0)

    def _event(self, name: str, data: object, moment: int, number: int) -> bytes:
        return b"event: %s\r\ndata: %s%s%d-%d\r\n\r\n" % (
            name.encode(),
            json_or_error(data),
            _ID,
            moment,
            number,
        )

    def close(self) -> None:
        """Read no more; a task that waits for the next event sees the end."""
        self._closed = True
        self._story.close()
        if self._run is not None:
            self._run.close()
