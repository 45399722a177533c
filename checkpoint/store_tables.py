"""Units of work that write a store's tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .embedding import Embedded
from .packing import checksum
from .store_ops import Namespace
from .store_plan import Put

if TYPE_CHECKING:
    import sqlite3

_NAMESPACE = "SELECT id FROM store_namespace WHERE name=?"
_ADD_NAMESPACE = "INSERT INTO store_namespace (name) VALUES (?) RETURNING id"
_DROP_NAMESPACE = (
    "DELETE FROM store_namespace WHERE id=?"
    " AND NOT EXISTS (SELECT 1 FROM store_item WHERE ns=store_namespace.id)"
)
_PUT = (
    "INSERT INTO store_item (ns, key, created, updated, ttl, expires, crc, value)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (ns, key) DO UPDATE SET"
    " created=iif(expires<=excluded.updated, excluded.created, created),"
    " updated=excluded.updated, ttl=excluded.ttl, expires=excluded.expires,"
    " crc=excluded.crc, value=excluded.value RETURNING id"
)
_DELETE = "DELETE FROM store_item WHERE ns=? AND key=? RETURNING id"
_DROP_VECTORS = "DELETE FROM store_vector WHERE item=?"
_ADD_VECTOR = "INSERT INTO store_vector (item, number, crc, data) VALUES (?, ?, ?, ?)"
_REFRESH = (
    "UPDATE store_item SET expires=?+ttl WHERE id=? AND updated=? AND ttl IS NOT NULL AND expires>?"
)
_EXPIRED = "SELECT id, ns FROM store_item WHERE expires<=? LIMIT ?"
_DELETE_ID = "DELETE FROM store_item WHERE id=?"

SWEPT = 1000
"""Items that one unit deletes at most, so that others can write in between."""


def pack_namespace(namespace: Namespace) -> bytes:
    """The name of a namespace."""
    return "\0".join(namespace).encode()


def unpack_namespace(name: bytes) -> Namespace:
    """The namespace of a name."""
    return tuple(name.decode().split("\0"))


@dataclass(frozen=True, slots=True)
class Seen:
    """An item that was read: its row, and when it had been put."""

    row: int
    updated: float


@dataclass(frozen=True, slots=True)
class WriteItems:
    """Begins times to live anew, then puts and deletes."""

    puts: Sequence[Put]
    refreshed: Sequence[Seen]
    embedded: Embedded
    now: float

    def apply(self, connection: sqlite3.Connection) -> None:
        """An item that was put again or swept since it was read is not refreshed."""
        connection.executemany(
            _REFRESH, [(self.now, seen.row, seen.updated, self.now) for seen in self.refreshed]
        )
        for put in self.puts:
            if put.value is None:
                self._delete(connection, put)
            else:
                self._put(connection, put, put.value)

    def _put(self, connection: sqlite3.Connection, put: Put, value: str) -> None:
        name = pack_namespace(put.namespace)
        found = connection.execute(_NAMESPACE, (name,)).fetchone()
        (ns,) = found or connection.execute(_ADD_NAMESPACE, (name,)).fetchone()
        seconds = None if put.minutes is None else put.minutes * 60
        expires = None if seconds is None else self.now + seconds
        crc = checksum(value.encode())
        row = (ns, put.key, self.now, self.now, seconds, expires, crc, value)
        (item,) = connection.execute(_PUT, row).fetchone()
        connection.execute(_DROP_VECTORS, (item,))
        vectors = enumerate(self.embedded.documents[text] for text in put.texts)
        connection.executemany(_ADD_VECTOR, [(item, n, checksum(v), v) for n, v in vectors])

    def _delete(self, connection: sqlite3.Connection, put: Put) -> None:
        ns = connection.execute(_NAMESPACE, (pack_namespace(put.namespace),)).fetchone()
        gone = connection.execute(_DELETE, (*ns, put.key)).fetchone() if ns else None
        if gone:
            connection.execute(_DROP_VECTORS, gone)
            connection.execute(_DROP_NAMESPACE, ns)


@dataclass(frozen=True, slots=True)
class SweepItems:
    """Deletes items that have expired, SWEPT of them at most; gives their number."""

    now: float

    def apply(self, connection: sqlite3.Connection) -> int:
        """Fewer than SWEPT: there were no more."""
        expired = connection.execute(_EXPIRED, (self.now, SWEPT)).fetchall()
        rows = [(item,) for item, _ in expired]
        connection.executemany(_DELETE_ID, rows)
        connection.executemany(_DROP_VECTORS, rows)
        connection.executemany(_DROP_NAMESPACE, [(ns,) for ns in {ns for _, ns in expired}])
        return len(expired)
