"""What stands in a write-ahead log, read without SQLite: the pages of its committed transactions.

A frame is a page with its number; a commit says how long the file is then.  Frames are chained by
checksums, and the log ends where one does not fit, as it does for SQLite.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

_HEAD, _FRAME = 32, 24
_LITTLE, _BIG = 0x377F0682, 0x377F0683
"""What a log begins with; it says in which order the bytes are for the checksums."""


@dataclass(frozen=True, slots=True)
class LogPages:
    """What a log does to its file."""

    size: int = 0
    """Bytes of a page."""
    length: int = 0
    """Pages of the file then; 0: nothing is in the log."""
    places: dict[int, int] = field(default_factory=dict[int, int])
    """Where in the log the newest content of a page stands, by the page's number."""


def read_log(log: bytes) -> LogPages:
    """The pages of the transactions that a log holds; none for what is no log."""
    if len(log) < _HEAD:
        return LogPages()
    magic, _, size, _, *salts, first, second = struct.unpack_from(">8I", log)
    if magic not in (_LITTLE, _BIG) or size < 512 or size & (size - 1):
        return LogPages()
    order = "<" if magic == _LITTLE else ">"
    sums = _sums(order, log[: _HEAD - 8], 0, 0)
    if sums != (first, second):
        return LogPages()
    length, places, open_ = 0, dict[int, int](), dict[int, int]()
    for at in range(_HEAD, len(log) - _FRAME - size + 1, _FRAME + size):
        number, commit, *rest = struct.unpack_from(">6I", log, at)
        sums = _sums(order, log[at : at + 8], *sums)
        sums = _sums(order, log[at + _FRAME : at + _FRAME + size], *sums)
        if rest != [*salts, *sums]:
            break
        open_[number] = at + _FRAME
        if commit:
            length = commit
            places.update(open_)
            open_.clear()
    return LogPages(size, length, places)


def _sums(order: str, data: bytes, first: int, second: int) -> tuple[int, int]:
    for one, two in struct.iter_unpack(f"{order}2I", data):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + two + first) & 0xFFFFFFFF
    return first, second
