"""Reads of a store's tables, for the pool: every row that is given back is checked."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias, cast

from .embedding import Embedded
from .errors import CorruptDataError
from .packing import is_sound
from .store_ops import Item, ListNamespacesOp, Namespace, Result, SearchItem
from .store_plan import Get, Plan, Read, Search, listed_namespaces, literal_prefix, page
from .store_tables import (
    Seen,
    checked_namespace_id,
    damaged_item,
    pack_namespace,
    unpack_namespace,
)
from .value import Value, slotted
from .vectors import Cosines, best_first

_COLUMNS = "store_item.id, key, created, updated, ttl, store_item.crc, value, ns, expires"
_GET = f"SELECT {_COLUMNS} FROM store_item WHERE ns=? AND key=?"  # noqa: S608
_NAMESPACE = "SELECT id, crc FROM store_namespace WHERE name=?"
_BY_ID = f"SELECT {_COLUMNS} FROM store_item WHERE id=?"  # noqa: S608
_NAMESPACES = "SELECT id, name, crc FROM store_namespace ORDER BY id"
_BELOW = (
    "SELECT id, name, crc FROM store_namespace WHERE name=?"
    " UNION ALL SELECT id, name, crc FROM store_namespace WHERE name>? AND name<? ORDER BY id"
)
_FROM = "SELECT id, name, crc FROM store_namespace WHERE name>=? ORDER BY name"
_IN_NAMESPACE = " FROM store_item WHERE ns=?"
_ITEMS = f"SELECT {_COLUMNS}{_IN_NAMESPACE}"
_VECTORS = (
    "SELECT store_item.id, key, expires<=?, store_vector.crc, data, number FROM store_item"
    " LEFT JOIN store_vector ON item=store_item.id WHERE ns=? ORDER BY store_item.id"
)
_OF_ITEM = "SELECT crc, data, number FROM store_vector WHERE item=?"
_IN_ORDER = " ORDER BY id"

_Place: TypeAlias = tuple[int, Namespace, int]
"""Of an item: the number of its namespace, that itself, and its own number."""
_Row: TypeAlias = tuple[int, str, float, float, float | None, int, str, int, float | None]
"""What is in the columns; no condition leaves rows out before they are checked, for damage is to be
told of, and not to make them be left out."""


@slotted
class Answers(Value):
    """What the reads of a batch gave."""

    results: list[Result]
    refreshed: list[Seen]
    """Items whose times to live are to begin anew."""


@slotted
class ReadItems(Value):
    """The reads of a batch."""

    asked: Plan
    embedded: Embedded
    cosines: Cosines | None
    """None without an index; then nothing is searched by a query."""
    now: float

    def read(self, connection: sqlite3.Connection) -> Answers:
        """Raises CorruptDataError."""
        tables = _Tables(connection, self.embedded, self.cosines, self.now)
        results: list[Result] = [None] * self.asked.size
        for place, read in self.asked.reads:
            results[place] = tables.answer(read)
        return Answers(results, tables.refreshed)


@slotted
class _Found(Value):
    namespace: Namespace
    row: _Row
    value: dict[str, Any]


@dataclass(slots=True)
class _Tables:
    """The tables, during one read."""

    connection: sqlite3.Connection
    embedded: Embedded
    cosines: Cosines | None
    now: float
    refreshed: list[Seen] = field(default_factory=list[Seen])

    def answer(self, read: Read) -> Result:
        match read:
            case Get():
                return self._get(read)
            case Search():
                return self._search(read)
            case ListNamespacesOp():
                return listed_namespaces(read, self._holding(literal_prefix(read)))

    def _get(self, get: Get) -> Item | None:
        name = pack_namespace(get.namespace)
        ns = self.connection.execute(_NAMESPACE, (name,)).fetchone()
        if ns is None:
            return None
        where = (checked_namespace_id(name, *ns), get.key)
        row = self.connection.execute(_GET, where).fetchone()
        if row is None:
            return None
        _check(get.namespace, where[0], row)
        if row[1] != get.key:  # an index led to another one
            raise damaged_item(get.namespace, get.key)
        if self._is_over(row[8]):
            return None
        found = _found(get.namespace, row)
        self._refresh(found, wanted=get.refresh)
        return Item(**_facts(found))

    def _search(self, search: Search) -> list[SearchItem]:
        items: list[SearchItem] = []
        for found, score in self._found(search):
            self._refresh(found, wanted=search.refresh)
            items.append(SearchItem(**_facts(found), score=score))
        return items

    def _found(self, search: Search) -> Iterator[tuple[_Found, float | None]]:
        if search.query is None or self.cosines is None:
            for found in page(self._matching(search), search.offset, search.limit):
                yield found, None
            return
        query = self.embedded.queries[search.query]
        stop = search.offset + search.limit
        best = best_first(self._candidates(search), query, self.cosines, stop)
        for (ns, namespace, item), score in best[search.offset :]:
            yield _found(namespace, self._checked(namespace, ns, item)), score

    def _matching(self, search: Search) -> Iterator[_Found]:
        """What passes the filter, in order."""
        conditions = search.filter.conditions() if search.filter else []
        passes = " AND ".join(f"({part.sql})" for part in conditions) or "1"
        sql = f"SELECT {_COLUMNS}, {passes}{_IN_NAMESPACE}{_IN_ORDER}"
        parameters = [parameter for part in conditions for parameter in part.parameters]
        for ns, namespace in self._below(search.prefix):
            for *row, may_pass in self._rows(sql, (*parameters, ns), namespace):
                _check(namespace, ns, row)
                if not may_pass or self._is_over(row[8]):
                    continue
                found = _found(namespace, row)
                if search.filter is None or search.filter.matches(found.value):
                    yield found

    def _rows(self, sql: str, bound: tuple[Any, ...], namespace: Namespace) -> Iterator[Any]:
        """Rows of a namespace's items, which comes last in `bound`.  Raises CorruptDataError where
        SQLite can make nothing of a value, whose item is found by its checksum."""
        try:
            yield from self.connection.execute(sql, bound)
        except sqlite3.OperationalError:
            for row in self.connection.execute(_ITEMS, bound[-1:]):
                _check(namespace, bound[-1], row)
            raise

    def _candidates(self, search: Search) -> Iterator[tuple[_Place, bytes | None]]:
        """The vectors of what passes the filter; values are read only if there is one."""
        if search.filter is not None:
            for found in self._matching(search):
                item, key = found.row[:2]
                rows = self.connection.execute(_OF_ITEM, (item,)).fetchall()
                for vector in rows or [(None, None, 0)]:
                    place = (found.row[7], found.namespace, item)
                    yield place, _sound(found.namespace, key, item, *vector)
            return
        for ns, namespace in self._below(search.prefix):
            for item, key, over, *vector in self.connection.execute(_VECTORS, (self.now, ns)):
                if over:
                    self._checked(namespace, ns, item)
                    continue
                yield (ns, namespace, item), _sound(namespace, key, item, *vector)

    def _below(self, prefix: Namespace) -> Iterator[tuple[int, Namespace]]:
        name = pack_namespace(prefix)
        if prefix:
            rows = self.connection.execute(_BELOW, (name, name + b"\0", name + b"\1"))
        else:
            rows = self.connection.execute(_NAMESPACES)
        for ns, found, crc in rows:
            yield checked_namespace_id(found, ns, crc), _namespace(found)

    def _holding(self, prefix: Namespace) -> Iterator[Namespace]:
        """Namespaces that hold items, ascending; none before the prefix, and none behind it."""
        for ns, name, crc in self.connection.execute(_FROM, (pack_namespace(prefix),)):
            checked_namespace_id(name, ns, crc)
            namespace = _namespace(name)
            if namespace[: len(prefix)] != prefix:
                return
            if self._has_items(ns, namespace):
                yield namespace

    def _has_items(self, ns: int, namespace: Namespace) -> bool:
        """True if one of a namespace's items is alive."""
        for row in self.connection.execute(_ITEMS, (ns,)):
            _check(namespace, ns, row)
            if not self._is_over(row[8]):
                return True
        return False

    def _checked(self, namespace: Namespace, ns: int, item: int) -> Sequence[Any]:
        """The row of an item that an index led to."""
        row = self.connection.execute(_BY_ID, (item,)).fetchone()
        if row is None:
            raise CorruptDataError(
                f"item number {item} of namespace {namespace!r} is in an index, and not in the "
                "table; restore the file from a backup"
            )
        _check(namespace, ns, row)
        return row

    def _is_over(self, expires: float | None) -> bool:
        return expires is not None and expires <= self.now

    def _refresh(self, found: _Found, *, wanted: bool) -> None:
        item, _, _, updated, ttl, *_ = found.row
        if wanted and ttl is not None:
            self.refreshed.append(Seen(item, updated))


def _namespace(name: bytes) -> Namespace:
    try:
        return unpack_namespace(name)
    except UnicodeDecodeError as error:
        raise CorruptDataError(
            f"{name!r} is no name of a stored namespace; restore the file from a backup"
        ) from error


def _check(namespace: Namespace, ns: int, row: Sequence[Any]) -> None:
    """Raise CorruptDataError for an item that is not what was stored in this namespace."""
    _, key, created, updated, ttl, crc, value, stored, expires = row
    place = (stored, key, created, updated, ttl, expires)
    sound = isinstance(value, str) and is_sound(value.encode(), crc, *place)
    if not sound or stored != ns:
        raise damaged_item(namespace, key)


def _found(namespace: Namespace, row: Sequence[Any]) -> _Found:
    """An item of a row that was checked."""
    return _Found(namespace, cast(_Row, row), json.loads(row[6]))


def _sound(
    namespace: Namespace, key: str, item: int, crc: int | None, data: bytes | None, number: int
) -> bytes | None:
    """The vector, if there is one."""
    if data is not None and not is_sound(data, crc, item, number):
        raise damaged_item(namespace, key)
    return data


def _facts(found: _Found) -> dict[str, Any]:
    _, key, created, updated, *_ = found.row
    try:
        times = [datetime.fromtimestamp(each, UTC) for each in (created, updated)]
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise CorruptDataError(
            f"the stored item {key!r} of namespace {found.namespace!r} has times that cannot be, "
            f"{created!r} and {updated!r}; restore the file from a backup, or delete the item"
        ) from error
    return {
        "namespace": found.namespace,
        "key": key,
        "value": found.value,
        "created_at": times[0],
        "updated_at": times[1],
    }
