"""A reader of one run: its events as bytes, ready for the wire, many at once.

It goes to the end of the run's log, waits until the run's row says how it ended, and tells the
error if it failed; so who reads the row after the stream finds what the stream said.  It holds one
batch of events and one piece of bytes, however far behind it is: what it has not come to stands in
the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Self
from weakref import WeakKeyDictionary

from streaming import Event, EventReader, Gap, RunLog, StepCommitted, StreamingError

from .ended import PastRun
from .failures import failure_json
from .frames import FrameCache, Frames, encode, encode_gap, metadata_of
from .live import LiveRun
from .records import WireMode

PIECE = 1 << 18
"""Bytes after which a piece is sent; a single event may be longer."""
FEWEST, MOST = 4, 128
"""Bounds of the events that are read from the durable log at once."""
_BEGINNING = 8
"""The id under which a run that has no log is announced: the first event's, as of any other run."""
STOPPING = b": the server is stopping; the run goes on with its next start\r\n"
"""A comment: what a reader gets last when the server stops before the run has ended; then the
connection is cut."""

_caches: WeakKeyDictionary[RunLog, FrameCache] = WeakKeyDictionary()


def _all_keys(_: str) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Look:
    """What a reader wants to see of a run."""

    modes: Sequence[WireMode]
    subgraphs: bool = False
    after: int | None = None
    """Id of the last event seen; None: `from_now` says where to begin."""
    from_now: bool = False
    """True: of a run that has begun, only what comes from now on."""
    metadata: bool = True
    """Whether the beginning of the run is announced."""
    output_keys: Callable[[str], Sequence[str] | None] = _all_keys
    """Graph's name -> keys of its state that it gives (None: all); asked when the run has begun."""


class RunReader:
    """An async iterator of bytes, each some whole server-sent events; for one task."""

    def __init__(self, source: LiveRun | PastRun, look: Look) -> None:
        self._source = source
        self._look = look
        self._after = look.after
        if look.after is None and look.from_now and source.log is not None:
            self._after = _last_of(source.log.visible)
        self._log: RunLog | None = None
        self._events: EventReader | None = None
        self._frames: Frames | None = None
        self._waiting: Iterator[Event] = iter(())
        self._state = "new"
        self.whole = True
        """False once it has ended before the run, because the server stops."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._state == "new":
            await self._open()
        while self._state == "open":
            if piece := await self._piece():
                return piece
        if self._state == "read":
            self._state = "closed"
            if last := await self._last_words():
                return last
        raise StopAsyncIteration

    async def _open(self) -> None:
        log = self._log = await self._source.begun()
        self._state = "read" if self._state == "new" else self._state
        if log is None or self._state == "closed":
            return
        after = min(self._after or 0, _last_of(log.last))
        self._frames = Frames(
            self._source.run.run_id,
            self._look.modes,
            _cache_of(log),
            subgraphs=self._look.subgraphs,
            after=after,
            metadata=self._look.metadata,
            output_keys=self._look.output_keys(self._source.run.graph_id),
        )
        first = 0 if self._frames.from_the_start else max(0, (after + 1) // 8 - 1)
        self._events = log.read(after=first)
        self._events.limit = FEWEST
        self._state = "open"

    async def _piece(self) -> bytes:
        """The next bytes; b"" when there are none in what was at hand."""
        events, frames = self._events, self._frames
        if events is None or frames is None:
            return b""
        if piece := await self._encoded(frames, events):
            return piece
        await asyncio.sleep(0)  # others' turn: a long log may show this reader nothing
        try:
            batch = await events.batch()
        except StreamingError as error:  # the log broke, or its rows are gone
            return self._break(error)
        if isinstance(batch, Gap):
            return encode_gap(batch)
        if not batch and self._state == "open":
            self._state = "read"
        self._waiting = iter(batch)
        return b""

    async def _encoded(self, frames: Frames, events: EventReader) -> bytes:
        """Frames of the events at hand, up to the length of a piece."""
        parts: list[bytes] = []
        seen = size = 0
        for event in self._waiting:
            if type(event) is StepCommitted and frames.lacks_values(event):
                part = await self._with_values(frames, event)
            else:
                part = frames.of(event)
            seen += 1
            if part:
                parts.append(part)
                size += len(part)
                if size > PIECE:
                    break
        if size:  # of events as long as these, so many make a piece
            events.limit = min(MOST, 2 * events.limit, max(FEWEST, seen * PIECE // size))
        return b"".join(parts)

    async def _with_values(self, frames: Frames, event: StepCommitted) -> bytes:
        """The frames of a step whose state its checkpoint holds, if that is still there."""
        resolve = None if self._log is None else self._log.resolve
        whole = event if resolve is None else await resolve(event)
        if type(whole) is StepCommitted:
            return frames.of(whole)
        return encode_gap(Gap(_last_of(event.id), 1))

    def _break(self, error: StreamingError) -> bytes:
        """End without the rest, and say so unless the run's own error does."""
        run = self._source.run
        self._state = "read"
        if run.error is not None or not run.ended:
            return b""
        return encode("error", failure_json(type(error).__name__, str(error)))

    async def _last_words(self) -> bytes:
        run = await self._source.settled()
        self.close()
        if not run.ended:
            self.whole = False
            return STOPPING
        if run.error is None or run.status not in ("error", "timeout"):
            return b""
        first = b""
        if self._log is None and self._look.metadata and not self._look.from_now:
            first = self._last(_BEGINNING, "metadata", metadata_of(run.run_id, 1))
        end = (_BEGINNING if self._log is None else self._log.last * 8) + 8
        return first + self._last(end, "error", run.error)

    def _last(self, number: int, name: str, data: object) -> bytes:
        """What the run's log does not say, for who has not seen it."""
        seen = self._look.after is not None and self._look.after >= number
        return b"" if seen else encode(name, data, number)

    def close(self) -> None:
        """Read no more; a task that waits for the log's next events sees the end."""
        self._state = "closed"
        if self._events is not None:
            self._events.close()


def _last_of(event_id: int) -> int:
    """The highest id that a chunk of the event can have."""
    return event_id * 8 + 7


def _cache_of(log: RunLog) -> FrameCache:
    """The frames of a run, for all its readers, as long as its log is there."""
    found = _caches.get(log)
    if found is None:
        found = _caches[log] = FrameCache()
    return found
