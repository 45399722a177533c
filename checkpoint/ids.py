"""Ids that sort by time: UUIDv7 texts (RFC 9562), strictly increasing inside a process.

A UUIDv7 is 48 bits of milliseconds, the version, 12 random bits, the variant, 62 random bits.
An `IdSource` draws the 74 random bits once per millisecond and counts the last 62 up for further
ids of the same millisecond; the highest of these bits starts as 0, which leaves room for 2**61.
All texts are lower-case and equally long, so they compare like the numbers that they are.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock

from .errors import InvalidIdError

_LAST_MS = 2**48 - 1
_LAST_TAIL = 2**61 - 1
_VARIANT = 0b10 << 62
_NEVER = -(2**63)
_AHEAD = 50
_FORM = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"  # compiled at its first use


def id_to_bytes(text: str) -> bytes:
    """The 16 bytes of an id.  Raises InvalidIdError for any other text."""
    if re.fullmatch(_FORM, text) is None:
        raise InvalidIdError(
            f"{text!r} is no id: an id is 32 hex digits grouped 8-4-4-4-12; make ids with new_id()"
        )
    return bytes.fromhex(text.replace("-", ""))


def id_from_bytes(data: object) -> str:
    """The id of 16 bytes, as `id_to_bytes` gives them; InvalidIdError for anything else."""
    if not isinstance(data, bytes) or len(data) != 16:
        raise InvalidIdError(f"{data!r} is no id: an id has 16 bytes; make ids with new_id()")
    digits = data.hex()
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


class IdSource:
    """Makes ids, each greater than all it made before, whatever the clock does; thread-safe.

    `clock_ns` gives nanoseconds since the epoch, `random_bytes(n)` gives n random bytes.
    """

    __slots__ = ("_clock_ns", "_head", "_lock", "_ms", "_random_bytes", "_tail")

    def __init__(self, clock_ns: Callable[[], int], random_bytes: Callable[[int], bytes]) -> None:
        self._clock_ns = clock_ns
        self._random_bytes = random_bytes
        self._lock = Lock()
        self._ms = _NEVER
        self._head = ""
        self._tail = 0

    def new(self, after: str | None = None) -> str:
        """The next id, greater than `after` too, even when that came from a clock ahead of ours.

        Raises InvalidIdError when no id can follow `after`.
        """
        with self._lock:
            ms = self._clock_ns() // 1_000_000
            if ms > self._ms:
                self._begin(ms)
            else:
                self._tail += 1
            tail = self._tail
            text = f"{self._head}{tail >> 48 | 0x8000:04x}-{tail & 0xFFFFFFFFFFFF:012x}"
            if after is not None and text <= after:
                self._begin(int.from_bytes(id_to_bytes(after)[:6], "big") + 1)
                text = _text(self._head, self._tail)
            return text

    def forked(self) -> None:
        """Start afresh in a child process, which would otherwise repeat its parent's ids."""
        self._lock = Lock()  # the parent's may be held by a thread that does not exist here
        self._begin(max(self._ms + 1, 0))

    def _begin(self, ms: int) -> None:
        """Draw new random bits for a millisecond that is later than the last one."""
        bits = int.from_bytes(self._random_bytes(10), "big")
        self._head = _head(ms, bits >> 62 & 0xFFF)
        self._tail = bits & _LAST_TAIL
        self._ms = ms


def _head(ms: int, random12: int) -> str:
    if not 0 <= ms <= _LAST_MS:
        raise InvalidIdError(
            f"no id can hold the millisecond {ms}: it has 48 bits for it; mend the clock, "
            "or start a new thread"
        )
    return f"{ms >> 16:08x}-{ms & 0xFFFF:04x}-7{random12:03x}-"


def _text(head: str, tail: int) -> str:
    marked = tail | _VARIANT
    return f"{head}{marked >> 48:04x}-{marked & 0xFFFFFFFFFFFF:012x}"


class Entropy:
    """Random bytes of the system, drawn many at a time: to ask for some is to let another thread
    run, which may be a while.  Used under its source's lock."""

    __slots__ = ("_drawn",)

    def __init__(self) -> None:
        self._drawn = b""

    def __call__(self, size: int) -> bytes:
        """That many random bytes."""
        if len(self._drawn) < size:
            self._drawn = os.urandom(size * _AHEAD)
        taken, self._drawn = self._drawn[:size], self._drawn[size:]
        return taken

    def forget(self) -> None:
        """Draw afresh: in a child process, whose parent has the same bytes."""
        self._drawn = b""


_entropy = Entropy()
_own = IdSource(time.time_ns, _entropy)
_source: IdSource | _Routed = _own


def _forked() -> None:
    _entropy.forget()
    _own.forked()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_forked)


def new_id(after: str | None = None) -> str:
    """A new time-ordered id of this process, greater than `after`.

    child = new_id(after=parent)
    assert child > parent
    """
    return _source.new(after)


_here: ContextVar[IdSource | None] = ContextVar("ids", default=None)


class _Routed:
    """Ids of the source that the context names, else this process's own."""

    @staticmethod
    def new(after: str | None = None) -> str:
        """The next id."""
        return (_here.get() or _own).new(after)


@contextmanager
def ids_from(source: IdSource) -> Generator[None]:
    """Inside the block, `new_id` takes ids from this source: in the block's context and those that
    are copied from it, such as its tasks'.  Everywhere else they stay what they are.

    with ids_from(IdSource(lambda: 5_000_000, Random(7).randbytes)):
        assert new_id().startswith("00000000-0005-7")
    """
    global _source  # noqa: PLW0603 - who never asks for this pays nothing for it
    if isinstance(_source, IdSource):
        _source = _Routed()
    token = _here.set(source)
    try:
        yield
    finally:
        _here.reset(token)
