"""What a cache in a database file does there: reads and writes to run inside one transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .cache import CacheEntry, CacheKey
from .errors import CorruptDataError
from .packing import checksum, is_sound
from .serde import Serializer

if TYPE_CHECKING:
    import sqlite3

_GET = "SELECT expires, crc, data FROM cache WHERE ns=? AND key=?"
_SET = "INSERT OR REPLACE INTO cache (ns, key, expires, crc, data) VALUES (?, ?, ?, ?, ?)"
_DROP = "DELETE FROM cache WHERE id IN (SELECT id FROM cache WHERE expires<=? LIMIT 100)"
_DELETE = "DELETE FROM cache WHERE ns=?"
_DELETE_ALL = "DELETE FROM cache"


class CacheUnits:
    """The units of a cache with this serializer."""

    def __init__(self, serializer: Serializer) -> None:
        self._serializer = serializer

    def read(
        self, keys: Sequence[CacheKey], now: float, connection: sqlite3.Connection
    ) -> dict[CacheKey, Any]:
        """The values that are there and not expired.  Raises CorruptDataError."""
        found: dict[CacheKey, Any] = {}
        for key in keys:
            row = connection.execute(_GET, _packed(key)).fetchone()
            if row is None:
                continue
            if not is_sound(row[2], row[1], *_packed(key), row[0]):
                raise CorruptDataError(
                    f"the cached value of {key!r} does not match its checksum; clear its "
                    "namespace, and check the file: others may be damaged too"
                )
            if not CacheEntry(row[2], row[0]).expired(now):
                found[key] = self._serializer.loads(row[2])
        return found

    def write(
        self, entries: Mapping[CacheKey, CacheEntry], now: float, connection: sqlite3.Connection
    ) -> None:
        """Keep the entries, and drop some that have expired."""
        connection.execute(_DROP, (now,))
        connection.executemany(_SET, [_row(key, entry) for key, entry in entries.items()])

    def clear(
        self, namespaces: Sequence[tuple[str, ...]] | None, connection: sqlite3.Connection
    ) -> None:
        """Forget the values of namespaces, or of all."""
        if namespaces is None:
            connection.execute(_DELETE_ALL)
        else:
            connection.executemany(_DELETE, [(_packed_ns(ns),) for ns in namespaces])


def _row(key: CacheKey, entry: CacheEntry) -> tuple[bytes, bytes, float | None, int, bytes]:
    expires = None if entry.expires is None else float(entry.expires)
    place = (*_packed(key), expires)
    return (*place, checksum(entry.data, *place), entry.data)


def _packed(key: CacheKey) -> tuple[bytes, bytes]:
    return _packed_ns(key[0]), key[1].encode("utf-8", "surrogatepass")


def _packed_ns(namespace: tuple[str, ...]) -> bytes:
    return json.dumps(namespace).encode()
