"""The columns of a row as SQLite writes them."""

from __future__ import annotations

import struct
from typing import Any, TypeAlias

from .errors import CorruptDataError

Buffer: TypeAlias = bytes | memoryview

_NUMBERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
"""Bytes of whole numbers, by serial type."""
_FLOAT, _ZERO, _ONE, _BLOB = 7, 8, 9, 12


def unreadable() -> CorruptDataError:
    """The error for what cannot stand there."""
    return CorruptDataError(
        "what stands in a page is no row; it is passed over; restore the file from a backup"
    )


def varint(data: Buffer, at: int) -> tuple[int, int]:
    """A number of one to nine bytes, and where it ends.  Raises IndexError."""
    value = 0
    for index in range(at, at + 8):
        byte = data[index]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, index + 1
    value = value << 8 | data[at + 8]
    return value - (1 << 64) if value >> 63 else value, at + 9


def read_record(data: bytes) -> tuple[Any, ...]:
    """The columns.  Raises CorruptDataError, IndexError or UnicodeDecodeError."""
    head, at = varint(data, 0)
    if not 1 <= head <= len(data):
        raise unreadable()
    values: list[Any] = []
    body = head
    while at < head:
        kind, at = varint(data, at)
        value, body = _value(data, kind, body)
        values.append(value)
    if at != head or body != len(data):
        raise unreadable()
    return tuple(values)


def _value(data: bytes, kind: int, at: int) -> tuple[Any, int]:
    if kind >= _BLOB:
        end = at + (kind - _BLOB) // 2
        if end > len(data):
            raise unreadable()
        part = data[at:end]
        return (part.decode() if kind % 2 else part), end
    if size := _NUMBERS.get(kind):
        return int.from_bytes(data[at : at + size], "big", signed=True), at + size
    if kind == _FLOAT:
        if at + 8 > len(data):
            raise unreadable()
        return struct.unpack_from(">d", data, at)[0], at + 8
    if kind in (0, _ZERO, _ONE):
        return (None, 0, 1)[(0, _ZERO, _ONE).index(kind)], at
    raise unreadable()
