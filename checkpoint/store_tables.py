"""Units of work that write a store's tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .embedding import Embedded
from .errors import CorruptDataError
from .packing import checksum, is_sound
from .store_ops import Namespace
from .store_plan import Put
from .value import Value, slotted

if TYPE_CHECKING:
    import sqlite3

_NAMESPACE = "SELECT id, crc FROM store_namespace WHERE name=?"
_ADD_NAMESPACE = "INSERT INTO store_namespace (name, crc) VALUES (?, 0) RETURNING id"
_SEAL_NAMESPACE = "UPDATE store_namespace SET crc=? WHERE id=?"
_DROP_NAMESPACE = (
    "DELETE FROM store_namespace WHERE id=?"
    " AND NOT EXISTS (SELECT 1 FROM store_item WHERE ns=store_namespace.id)"
)
_CREATED = "iif(expires<=excluded.updated, excluded.created, created)"
_PUT = (
    "INSERT INTO store_item (ns, key, created, updated, ttl, expires, crc, value)"  # noqa: S608
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (ns, key) DO UPDATE SET"
    f" created={_CREATED}, updated=excluded.updated, ttl=excluded.ttl, expires=excluded.expires,"
    f" crc=checksum(CAST(excluded.value AS BLOB), ns, key, {_CREATED}, excluded.updated,"
    " excluded.ttl, excluded.expires), value=excluded.value"
    " WHERE ns=excluded.ns AND key=excluded.key"
    " AND crc=checksum(CAST(value AS BLOB), ns, key, created, updated, ttl, expires) RETURNING id"
)
"""Gives no row for an item that is damaged, some of which would be sealed anew, and for another one
that a damaged index leads to."""
_DELETE = "DELETE FROM store_item WHERE ns=? AND key=? RETURNING id, ns, key"
_DROP_VECTORS = "DELETE FROM store_vector WHERE item=?"
_ADD_VECTOR = "INSERT INTO store_vector (item, number, crc, data) VALUES (?, ?, ?, ?)"
_REFRESH = (
    "UPDATE store_item SET expires=?1+ttl,"
    " crc=checksum(CAST(value AS BLOB), ns, key, created, updated, ttl, ?1+ttl)"
    " WHERE id=?2 AND updated=?3 AND ttl IS NOT NULL AND expires>?1"
)
_EXPIRED = (
    "SELECT id, ns, CAST(key AS BLOB), created, updated, ttl, expires, crc, CAST(value AS BLOB)"
    " FROM store_item WHERE expires<=? ORDER BY expires, id LIMIT ? OFFSET ?"
)
_DELETE_ID = "DELETE FROM store_item WHERE id=?"

SWEPT = 1000
"""Items that one unit deletes at most, so that others can write in between."""


def pack_namespace(namespace: Namespace) -> bytes:
    """The name of a namespace."""
    return "\0".join(namespace).encode()


def unpack_namespace(name: bytes) -> Namespace:
    """The namespace of a name."""
    return tuple(name.decode().split("\0"))


@slotted
class Seen(Value):
    """An item that was read: its row, and when it had been put."""

    row: int
    updated: float


@slotted
class WriteItems(Value):
    """Begins times to live anew, then puts and deletes."""

    puts: Sequence[Put]
    refreshed: Sequence[Seen]
    embedded: Embedded
    now: float

    def apply(self, connection: sqlite3.Connection) -> None:
        """An item that was put again or swept since it was read is not refreshed."""
        connection.executemany(
            _REFRESH, [(self.now, seen.row, seen.updated) for seen in self.refreshed]
        )
        for put in self.puts:
            if put.value is None:
                self._delete(connection, put)
            else:
                self._put(connection, put, put.value)

    def _put(self, connection: sqlite3.Connection, put: Put, value: str) -> None:
        name = pack_namespace(put.namespace)
        ns = _find_namespace(connection, name) or _add_namespace(connection, name)
        now = float(self.now)
        seconds = None if put.minutes is None else float(put.minutes * 60)
        expires = None if seconds is None else now + seconds
        place = (ns, put.key, now, now, seconds, expires)
        row = (*place, checksum(value.encode(), *place), value)
        written = connection.execute(_PUT, row).fetchone()
        if written is None:
            raise damaged_item(put.namespace, put.key)
        (item,) = written
        connection.execute(_DROP_VECTORS, (item,))
        vectors = enumerate(self.embedded.documents[text] for text in put.texts)
        rows = [(item, n, checksum(v, item, n), v) for n, v in vectors]
        connection.executemany(_ADD_VECTOR, rows)

    def _delete(self, connection: sqlite3.Connection, put: Put) -> None:
        ns = _find_namespace(connection, pack_namespace(put.namespace))
        gone = connection.execute(_DELETE, (ns, put.key)).fetchone() if ns else None
        if gone:
            item, *place = gone
            if place != [ns, put.key]:  # an index led to another one
                raise damaged_item(put.namespace, put.key)
            connection.execute(_DROP_VECTORS, (item,))
            connection.execute(_DROP_NAMESPACE, (ns,))


def _find_namespace(connection: sqlite3.Connection, name: bytes) -> int | None:
    found = connection.execute(_NAMESPACE, (name,)).fetchone()
    return None if found is None else checked_namespace_id(name, *found)


def _add_namespace(connection: sqlite3.Connection, name: bytes) -> int:
    (ns,) = connection.execute(_ADD_NAMESPACE, (name,)).fetchone()
    connection.execute(_SEAL_NAMESPACE, (checksum(name, ns), ns))
    return ns


def checked_namespace_id(name: bytes, number: int, crc: int) -> int:
    """The number of a namespace.  Raises CorruptDataError for a row, or an index, that is not
    that of the name."""
    if not is_sound(name, crc, number):
        raise CorruptDataError(
            f"the row of namespace {name!r} does not match its checksum; restore the file from a "
            "backup"
        )
    return number


@slotted
class SweepItems(Value):
    """Deletes items that have expired, SWEPT of them at most.

    One that is damaged stays: its end may not be what it was.
    """

    now: float
    left: int = 0
    """Damaged ones that sweeps before this one came to: they come first, and are left again."""

    def apply(self, connection: sqlite3.Connection) -> Swept:
        """What it deleted, and what is to go on."""
        found = connection.execute(_EXPIRED, (self.now, SWEPT, self.left)).fetchall()
        expired = [(item, ns) for item, ns, *row in found if self._is_over(ns, *row)]
        rows = [(item,) for item, _ in expired]
        connection.executemany(_DELETE_ID, rows)
        connection.executemany(_DROP_VECTORS, rows)
        connection.executemany(_DROP_NAMESPACE, [(ns,) for ns in {ns for _, ns in expired}])
        if len(found) < SWEPT:
            return Swept(len(expired), None)
        return Swept(len(expired), SweepItems(self.now, self.left + len(found) - len(expired)))

    def _is_over(self, ns: int, key: bytes, *stored: Any) -> bool:
        """True for an item that was stored so, and not led to by a damaged index."""
        *times, expires, crc, value = stored
        try:
            sound = is_sound(value, crc, ns, key.decode(), *times, expires)
        except (AttributeError, UnicodeDecodeError):  # of a key that no item has
            return False
        return sound and expires <= self.now


@slotted
class Swept(Value):
    """What a sweep has done."""

    count: int
    """Items that it deleted."""
    rest: SweepItems | None
    """What goes on; None: there were no more."""


def damaged_item(namespace: Namespace, key: str) -> CorruptDataError:
    """The error for an item that is not what was stored."""
    return CorruptDataError(
        f"the stored item {key!r} of namespace {namespace!r} does not match its checksum; restore "
        "the file from a backup, or delete the item"
    )
