"""The store: values under namespaces and keys, for what outlives a thread.

Guarantees an implementation gives (checked by `checkpoint.testing_store`):

* The puts of a batch are all or nothing, and survive the death of the process when it returned (if
  the store is one that outlives the process).  Of several puts of one key the last one counts.
* The reads of a batch see one state of the store, that before its puts.
* What is given back is the caller's own copy.
* An expired item is never shown, swept or not.
* Bad input raises before anything is changed.
* A store is bound to no event loop: any loop in any thread may call it, at the same time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, Literal, cast

from .store_ops import (
    NOT_GIVEN,
    GetOp,
    Item,
    ListNamespacesOp,
    MatchCondition,
    Namespace,
    NotGiven,
    Op,
    PutOp,
    Result,
    SearchItem,
    SearchOp,
)


class Store(ABC):
    """What a graph and its nodes ask of a store; implement `batch` and `abatch`.

    A namespace is a tuple of labels, a value a dict of JSON-able values::

        store.put(("users", "ann"), "diet", {"likes": "soup"})
        store.get(("users", "ann"), "diet").value          # {"likes": "soup"}
        store.search(("users",), filter={"likes": "soup"})  # below ("users",), at any depth

    All methods raise InvalidArgumentError (or its children InvalidNamespaceError and
    InvalidFilterError) for arguments that cannot be.
    """

    default_ttl: float | None = None
    """Minutes that an item lives when `put` is not told."""
    refresh_on_read: bool = True
    """Whether reading begins a time to live anew when `get` or `search` is not told."""

    @abstractmethod
    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """The results of several operations, in their order; reads see the state before puts."""

    @abstractmethod
    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """The results of several operations, in their order; reads see the state before puts."""

    def get(
        self, namespace: Namespace, key: str, *, refresh_ttl: bool | None = None
    ) -> Item | None:
        """The item, or None.  `refresh_ttl`: begin its time to live anew."""
        return _item(self.batch([self._get(namespace, key, refresh_ttl)]))

    async def aget(
        self, namespace: Namespace, key: str, *, refresh_ttl: bool | None = None
    ) -> Item | None:
        """The item, or None.  `refresh_ttl`: begin its time to live anew."""
        return _item(await self.abatch([self._get(namespace, key, refresh_ttl)]))

    def search(
        self,
        namespace_prefix: Namespace,
        /,
        *,
        query: str | None = None,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the name that users know
        limit: int = 10,
        offset: int = 0,
        refresh_ttl: bool | None = None,
    ) -> list[SearchItem]:
        """Items below a namespace that pass the filter, `limit` of them after the first `offset`.

        With a `query`, and an index, the nearest ones come first; otherwise items come in the
        order in which their namespaces, and in these their keys, were first put.
        `filter`: {"color": "red", "size": {"$gte": 3}} with $eq, $ne, $gt, $gte, $lt, $lte.
        """
        op = self._search(namespace_prefix, query, filter, limit, offset, refresh_ttl)
        return _items(self.batch([op]))

    async def asearch(
        self,
        namespace_prefix: Namespace,
        /,
        *,
        query: str | None = None,
        filter: Mapping[str, Any] | None = None,  # noqa: A002 - the name that users know
        limit: int = 10,
        offset: int = 0,
        refresh_ttl: bool | None = None,
    ) -> list[SearchItem]:
        """`search`, for async code."""
        op = self._search(namespace_prefix, query, filter, limit, offset, refresh_ttl)
        return _items(await self.abatch([op]))

    def put(
        self,
        namespace: Namespace,
        key: str,
        value: Mapping[str, Any],
        index: Literal[False] | list[str] | None = None,
        *,
        ttl: float | NotGiven | None = NOT_GIVEN,
    ) -> None:
        """Store a value, in place of the one that was there.

        `index`: paths of the texts to embed, False for none; by default the index's `fields`.
        `ttl`: minutes to live, None for ever.  Raises SerializationError for what is not JSON.
        """
        self.batch([self._put(namespace, key, value, index, ttl)])

    async def aput(
        self,
        namespace: Namespace,
        key: str,
        value: Mapping[str, Any],
        index: Literal[False] | list[str] | None = None,
        *,
        ttl: float | NotGiven | None = NOT_GIVEN,
    ) -> None:
        """`put`, for async code."""
        await self.abatch([self._put(namespace, key, value, index, ttl)])

    def delete(self, namespace: Namespace, key: str) -> None:
        """Delete an item; harmless when there is none."""
        self.batch([PutOp(namespace, str(key), None)])

    async def adelete(self, namespace: Namespace, key: str) -> None:
        """Delete an item; harmless when there is none."""
        await self.abatch([PutOp(namespace, str(key), None)])

    def list_namespaces(
        self,
        *,
        prefix: Namespace | None = None,
        suffix: Namespace | None = None,
        max_depth: int | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[Namespace]:
        """Namespaces that hold items, sorted; "*" in prefix or suffix is any label.

        `max_depth`: cut longer ones to so many labels, and list each result once.
        """
        return _namespaces(self.batch([_listing(prefix, suffix, max_depth, limit, offset)]))

    async def alist_namespaces(
        self,
        *,
        prefix: Namespace | None = None,
        suffix: Namespace | None = None,
        max_depth: int | None = None,
        limit: int = 100,
        offset: int = 0,
    ) -> list[Namespace]:
        """`list_namespaces`, for async code."""
        return _namespaces(await self.abatch([_listing(prefix, suffix, max_depth, limit, offset)]))

    def _get(self, namespace: Namespace, key: str, refresh_ttl: bool | None) -> GetOp:
        return GetOp(namespace, str(key), self._refresh(refresh_ttl))

    def _search(
        self,
        prefix: Namespace,
        query: str | None,
        wanted: Mapping[str, Any] | None,
        limit: int,
        offset: int,
        refresh_ttl: bool | None,
    ) -> SearchOp:
        return SearchOp(prefix, wanted, limit, offset, query, self._refresh(refresh_ttl))

    def _put(
        self,
        namespace: Namespace,
        key: str,
        value: Mapping[str, Any],
        index: Literal[False] | list[str] | None,
        ttl: float | NotGiven | None,
    ) -> PutOp:
        minutes = self.default_ttl if isinstance(ttl, NotGiven) else ttl
        return PutOp(namespace, str(key), value, index, minutes)

    def _refresh(self, refresh_ttl: bool | None) -> bool:
        return self.refresh_on_read if refresh_ttl is None else refresh_ttl


def _listing(
    prefix: Namespace | None,
    suffix: Namespace | None,
    max_depth: int | None,
    limit: int,
    offset: int,
) -> ListNamespacesOp:
    conditions = [MatchCondition("prefix", prefix)] if prefix else []
    if suffix:
        conditions.append(MatchCondition("suffix", suffix))
    return ListNamespacesOp(tuple(conditions), max_depth, limit, offset)


def _item(results: list[Result]) -> Item | None:
    return cast("Item | None", results[0])


def _items(results: list[Result]) -> list[SearchItem]:
    return cast(list[SearchItem], results[0])


def _namespaces(results: list[Result]) -> list[Namespace]:
    return cast(list[Namespace], results[0])
