"""The items of a store in memory; their owner locks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from .embedding import Embedded
from .store_ops import Item, ListNamespacesOp, Namespace, Result, SearchItem
from .store_plan import Get, Plan, Put, Read, Search, listed_namespaces, page
from .vectors import Cosines, best_first


@dataclass(slots=True, eq=False, repr=False)
class _Stored:
    namespace: Namespace
    key: str
    value: dict[str, Any]
    created: float
    updated: float
    seconds: float | None
    """Time to live."""
    expires: float | None
    vectors: tuple[bytes, ...]

    def expired(self, now: float) -> bool:
        return self.expires is not None and self.expires <= now


class MemoryItems:
    """Items by namespace and key; `cosines` compares vectors."""

    def __init__(self, cosines: Cosines | None) -> None:
        self._cosines = cosines
        self._items: dict[Namespace, dict[str, _Stored]] = {}
        """A namespace without items is not in it."""

    def run(self, asked: Plan, embedded: Embedded, now: float) -> list[Result]:
        """Read, then put."""
        results: list[Result] = [None] * asked.size
        for place, read in asked.reads:
            results[place] = self._answer(read, embedded, now)
        for put in asked.puts:
            self._put_item(put, embedded, now)
        return results

    def sweep(self, now: float) -> int:
        """Delete what has expired; gives the number of items."""
        all_items = [item for items in self._items.values() for item in items.values()]
        expired = [item for item in all_items if item.expired(now)]
        for item in expired:
            self._delete(item.namespace, item.key)
        return len(expired)

    def _answer(self, read: Read, embedded: Embedded, now: float) -> Result:
        match read:
            case Get():
                item = self._items.get(read.namespace, {}).get(read.key)
                if item is None or item.expired(now):
                    return None
                _refresh(item, now, wanted=read.refresh)
                return _item(item)
            case Search():
                found = self._found(read, embedded, now)
                for item, _ in found:
                    _refresh(item, now, wanted=read.refresh)
                return [_search_item(item, score) for item, score in found]
            case ListNamespacesOp():
                return listed_namespaces(read, sorted(self._namespaces(now)))

    def _found(
        self, search: Search, embedded: Embedded, now: float
    ) -> list[tuple[_Stored, float | None]]:
        items = self._below(search, now)
        if search.query is None or self._cosines is None:
            return [(item, None) for item in page(items, search.offset, search.limit)]
        candidates = ((item, vector) for item in items for vector in item.vectors or (None,))
        query = embedded.queries[search.query]
        stop = search.offset + search.limit
        return best_first(candidates, query, self._cosines, stop)[search.offset :]

    def _below(self, search: Search, now: float) -> Iterator[_Stored]:
        length = len(search.prefix)
        for namespace, items in self._items.items():
            if namespace[:length] == search.prefix:
                for item in items.values():
                    if item.expired(now):
                        continue
                    if search.filter is None or search.filter.matches(item.value):
                        yield item

    def _namespaces(self, now: float) -> Iterator[Namespace]:
        for namespace, items in self._items.items():
            if any(not item.expired(now) for item in items.values()):
                yield namespace

    def _put_item(self, put: Put, embedded: Embedded, now: float) -> None:
        if put.value is None:
            self._delete(put.namespace, put.key)
            return
        items = self._items.setdefault(put.namespace, {})
        former = items.get(put.key)
        created = now if former is None or former.expired(now) else former.created
        seconds = None if put.minutes is None else put.minutes * 60
        items[put.key] = _Stored(
            put.namespace,
            put.key,
            json.loads(put.value),
            created,
            now,
            seconds,
            None if seconds is None else now + seconds,
            tuple(embedded.documents[text] for text in put.texts),
        )

    def _delete(self, namespace: Namespace, key: str) -> None:
        items = self._items.get(namespace, {})
        if items.pop(key, None) is not None and not items:
            del self._items[namespace]


def _refresh(item: _Stored, now: float, *, wanted: bool) -> None:
    if wanted and item.seconds is not None:
        item.expires = now + item.seconds


def _item(item: _Stored) -> Item:
    return Item(
        value=_copied(item.value),
        key=item.key,
        namespace=item.namespace,
        created_at=datetime.fromtimestamp(item.created, UTC),
        updated_at=datetime.fromtimestamp(item.updated, UTC),
    )


def _search_item(item: _Stored, score: float | None) -> SearchItem:
    return SearchItem(
        value=_copied(item.value),
        key=item.key,
        namespace=item.namespace,
        created_at=datetime.fromtimestamp(item.created, UTC),
        updated_at=datetime.fromtimestamp(item.updated, UTC),
        score=score,
    )


def _copied(value: Any) -> Any:
    """A JSON value of its own."""
    if isinstance(value, dict):
        fields = cast(Mapping[str, Any], value)
        return {key: _copied(field) for key, field in fields.items()}
    if isinstance(value, list):
        return [_copied(item) for item in cast(list[Any], value)]
    return value
