"""Sealed bytes: what an encrypting serializer makes of encoded values, told from plain ones.

The same value sealed twice gives different bytes, so what tells changes by comparing bytes has to
compare plain ones: the encoder of a scope encodes with `plain_of` and seals what is to be stored, a
whole row of items at once.

Sealed bytes are one msgpack value, an extension, so that several can stand one after the other like
the encoded items they hold.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

from .codes import SEALED
from .errors import CorruptDataError, KeyRequiredError, SerializationError
from .serde import Serializer

if TYPE_CHECKING:
    import sqlite3

_MARK = "SELECT mark FROM seal"
_ADD_MARK = "INSERT INTO seal (id, mark) VALUES (0, ?)"
_TEXT = b"sealed by understudy"

_EXT8, _EXT16, _EXT32 = 0xC7, 0xC8, 0xC9
_HEADS = {_EXT8: 3, _EXT16: 4, _EXT32: 6}
"""Length of the extension's head, whose last byte is the code."""
_CODE = SEALED & 0xFF


class Sealing(Protocol):
    """A serializer whose bytes are sealed."""

    @property
    def plain(self) -> Serializer:
        """What makes the bytes that are sealed."""
        ...

    def seal(self, data: bytes) -> bytes:
        """Encoded values, sealed."""
        ...

    def unseal(self, data: bytes) -> bytes:
        """Encoded values again; plain bytes as they are.  Raises WrongKeyError."""
        ...


class _Open:
    """In place of a seal for a serializer that has none."""

    def __init__(self, serializer: Serializer) -> None:
        self.plain = serializer

    def seal(self, data: bytes) -> bytes:
        return data

    unseal = seal


def sealing_of(serializer: Serializer) -> Sealing:
    """The serializer's seal, or one that leaves bytes as they are."""
    return serializer if _seals(serializer) else _Open(serializer)


def _seals(serializer: Serializer | Sealing) -> TypeGuard[Sealing]:
    """True for a serializer with a seal.  Asked in each run: `isinstance` with a protocol takes a
    hundred times as long."""
    return hasattr(serializer, "seal") and hasattr(serializer, "unseal")


def envelope(payload: bytes) -> bytes:
    """A payload as sealed bytes."""
    size = len(payload)
    if size < 1 << 8:
        head = struct.pack(">BBb", _EXT8, size, SEALED)
    elif size < 1 << 16:
        head = struct.pack(">BHb", _EXT16, size, SEALED)
    elif size < 1 << 32:
        head = struct.pack(">BIb", _EXT32, size, SEALED)
    else:
        raise SerializationError(
            f"{size} bytes cannot be encrypted as one value; store large data elsewhere and a "
            "reference to it"
        )
    return head + payload


def payload_of(data: bytes) -> bytes | None:
    """The payload of sealed bytes; None if they are not sealed."""
    return data[_HEADS[data[0]] :] if is_sealed(data) else None


def is_sealed(data: bytes) -> bool:
    """True for what `envelope` gave, and for several of these one after the other."""
    head = _HEADS.get(data[0], 0) if data else 0
    return head > 0 and data[head - 1 : head] == bytes((_CODE,))


def check_mark(connection: sqlite3.Connection, serializer: Serializer, database: str) -> None:
    """Refuse a database that was sealed with another key, or that is to be read without one; mark
    it, if it is sealed from now on.  Part of a transaction.

    Raises WrongKeyError, KeyRequiredError or CorruptDataError.
    """
    found = check_key(connection, serializer, database)
    if _seals(serializer) and not found:
        connection.execute(_ADD_MARK, (serializer.seal(_TEXT),))


def check_key(connection: sqlite3.Connection, serializer: Serializer, database: str) -> bool:
    """The same without a mark for a database that has none; True if it has one."""
    found: Any = connection.execute(_MARK).fetchone()
    if not found:
        return False
    if not isinstance(found[0], bytes) or payload_of(found[0]) is None:
        raise _no_mark(database)
    if not _seals(serializer):
        raise KeyRequiredError(
            f"{database!r} is encrypted, and its saver has no key; nothing was changed; give "
            "it serializer=EncryptedSerializer() with the key that it was made with"
        )
    if serializer.unseal(found[0]) != _TEXT:
        raise _no_mark(database)
    return True


def _no_mark(database: str) -> CorruptDataError:
    return CorruptDataError(
        f"{database!r} cannot be opened: the mark that tells whose key it needs is damaged; "
        "nothing was changed; restore it from a backup"
    )
