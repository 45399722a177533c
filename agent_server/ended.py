"""Ended runs without a thread: nothing of them is stored, and who comes late finds them here.

A small one is packed into few bytes: as objects its events take ten times as much.  Large ones stay
as they are, since packing them would hold up everybody else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import streaming
from checkpoint import Serializer
from streaming import Event, RunLog

from .live import LiveRun
from .records import Run
from .run_rows import row_of, run_of

_KINDS: tuple[type[Event], ...] = tuple(
    kind
    for name in streaming.__all__
    if isinstance(kind := getattr(streaming, name), type) and issubclass(kind, Event)
)
_NUMBERS = {kind: number for number, kind in enumerate(_KINDS)}
_FIELDS = {kind: tuple(each.name for each in fields(kind)) for kind in _KINDS}

MAX_ENDED = 10_000
PACKED_EVENTS, PACKED_BYTES = 200, 1 << 18
"""The largest log that is packed."""
_EACH = 600
"""Bytes of an ended run beside what it holds."""


@dataclass(frozen=True, slots=True)
class PastRun:
    """A run that has ended, and is not at hand any more."""

    run: Run
    log: RunLog | None
    """Its events, if it had any and they are still kept."""
    answer: bytes = b""
    """What `wait` was told, of a run that only this process knows."""
    lost: bool = False
    """True: it had events that cannot be read any more."""

    async def begun(self) -> RunLog | None:
        """Its events."""
        return self.log

    async def settled(self) -> Run:
        """The run: nothing more comes."""
        return self.run


@dataclass(frozen=True, slots=True)
class _Packed:
    row: tuple[Any, ...]
    events: bytes
    answer: bytes
    size: int

    @property
    def thread_id(self) -> str:
        return self.row[1]

    def unpacked(self, serializer: Serializer) -> PastRun:
        run = run_of(self.row)
        return PastRun(run, _log_of(run.run_id, _unpacked(self.events, serializer)), self.answer)


@dataclass(frozen=True, slots=True)
class _Loose:
    past: PastRun
    size: int

    @property
    def thread_id(self) -> str:
        return self.past.run.thread_id

    def unpacked(self, _: Serializer) -> PastRun:
        return self.past


@dataclass(frozen=True, slots=True)
class _Kept:
    what: _Packed | _Loose
    until: float


class EndedRuns:
    """Ended runs by id, forgotten `retention` seconds after their end, or earlier when newer ones
    need the room: at most MAX_ENDED of them with about `max_bytes`."""

    def __init__(
        self,
        serializer: Serializer,
        *,
        retention: float,
        max_bytes: int,
        clock: Callable[[], float],
    ) -> None:
        self._serializer = serializer
        self._retention = retention
        self._max_bytes = max_bytes
        self._clock = clock
        self._kept: dict[str, _Kept] = {}  # oldest first
        self.size = 0
        """Bytes of all, about."""

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, run_id: str) -> PastRun | None:
        """The run with its events, if it is known."""
        self._forget_old()
        kept = self._kept.get(run_id)
        return None if kept is None else kept.what.unpacked(self._serializer)

    def on(self, thread_id: str) -> list[PastRun]:
        """The run that has this id instead of a thread's."""
        self._forget_old()
        found = [kept.what for kept in self._kept.values() if kept.what.thread_id == thread_id]
        return [each.unpacked(self._serializer) for each in found]

    def add(self, live: LiveRun) -> None:
        """A run that has ended."""
        kept = _Kept(
            _packed(live, self._serializer) or _loose(live), self._clock() + self._retention
        )
        self.forget(live.run.run_id)
        self._kept[live.run.run_id] = kept
        self.size += kept.what.size + _EACH
        self._forget_old()
        while len(self._kept) > MAX_ENDED or self.size > self._max_bytes:
            self.forget(next(iter(self._kept)))

    def forget(self, run_id: str) -> None:
        """It is not known any more."""
        kept = self._kept.pop(run_id, None)
        if kept is not None:
            self.size -= kept.what.size + _EACH

    def _forget_old(self) -> None:
        now = self._clock()
        while self._kept:
            run_id, oldest = next(iter(self._kept.items()))
            if oldest.until > now:
                return
            self.forget(run_id)


def _packed(live: LiveRun, serializer: Serializer) -> _Packed | None:
    """None if that is too much work, or its events hold what cannot be packed."""
    log = live.log
    if log is None:
        return None
    count, size = log.held
    if count > PACKED_EVENTS or size > PACKED_BYTES:
        return None
    plain = [
        (_NUMBERS[type(event)], [getattr(event, name) for name in _FIELDS[type(event)]])
        for event in log.held_events()
    ]
    try:
        events = serializer.dumps(plain)
    except BaseException:  # noqa: BLE001 - whatever users put there, and whatever its code raises
        return None
    row = row_of(live.run)
    size = len(events) + len(live.answer) + sum(len(each) for each in row if type(each) is str)
    answer = bytes(memoryview(live.answer))  # orjson's bytes hold 4 KiB, however few they are
    return _Packed(row, events, answer, size)


def _unpacked(packed: bytes, serializer: Serializer) -> Sequence[Event]:
    plain: list[tuple[int, list[Any]]] = serializer.loads(packed)
    return [
        _KINDS[number](**dict(zip(_FIELDS[_KINDS[number]], values, strict=True)))
        for number, values in plain
    ]


def _loose(live: LiveRun) -> _Loose:
    held = 0 if live.log is None else live.log.held[1]
    return _Loose(PastRun(live.run, live.log, live.answer), held + len(live.answer))


def _log_of(run_id: str, events: Sequence[Event]) -> RunLog:
    """A closed log with these events; those before them are lost."""
    start = events[0].id - 1 if events else 0
    log = RunLog(run_id, start=start, max_events=max(1, len(events)))
    for event in events:
        log.publish(event)
    log.close()
    return log
