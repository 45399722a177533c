"""A batch of operations, checked and put in order: what is read, what is written, what to embed.

All reads of a batch see the store as it was before the batch; of several puts of one key the last
one counts.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeAlias, TypeVar

from .embedding import NOTHING_EMBEDDED, Embedded, Index, Texts, parse_fields, parse_index
from .errors import InvalidArgumentError
from .store_checks import (
    checked_count,
    checked_key,
    checked_labels,
    checked_listing,
    checked_minutes,
    checked_namespace,
    checked_query,
    json_of,
)
from .store_config import IndexConfig
from .store_filters import Filter, parse_filter
from .store_ops import GetOp, ListNamespacesOp, MatchCondition, Namespace, Op, PutOp, SearchOp
from .value import Value, slotted
from .vectors import Cosines

T = TypeVar("T")


@slotted
class Get(Value):
    """Reads one item."""

    namespace: Namespace
    key: str
    refresh: bool


@slotted
class Search(Value):
    """Reads items below a namespace."""

    prefix: Namespace
    filter: Filter | None
    limit: int
    offset: int
    query: str | None
    """None also when the store has no index."""
    refresh: bool


@slotted
class Put(Value):
    """Writes one item, or deletes it."""

    namespace: Namespace
    key: str
    value: str | None
    """JSON; None: delete."""
    minutes: float | None
    """Time to live."""
    texts: tuple[str, ...]
    """To embed."""


Read: TypeAlias = Get | Search | ListNamespacesOp


@slotted
class Plan(Value):
    """What a batch does."""

    size: int
    """Number of results."""
    reads: tuple[tuple[int, Read], ...]
    """With the places of their results."""
    puts: tuple[Put, ...]

    @property
    def texts(self) -> Texts:
        """What must be embedded first, each text once."""
        documents = dict.fromkeys(text for put in self.puts for text in put.texts)
        searches = [read for _, read in self.reads if isinstance(read, Search)]
        queries = dict.fromkeys(search.query for search in searches if search.query is not None)
        return Texts(tuple(documents), tuple(queries))


class Planner:
    """Plans the batches of a store with this index.  Raises as `parse_index`."""

    def __init__(self, index: IndexConfig | None) -> None:
        self._index = parse_index(index)

    @property
    def cosines(self) -> Cosines | None:
        """What compares vectors; None without an index, when no plan searches by a query."""
        return None if self._index is None else self._index.cosines

    def plan(self, ops: Iterable[Op]) -> Plan:
        """The batch, checked.

        Raises InvalidArgumentError (or one of its children), or SerializationError for a value.
        """
        reads: list[tuple[int, Read]] = []
        puts: dict[tuple[Namespace, str], Put] = {}
        size = 0
        for op in ops:
            step = _step(op, self._index)
            if isinstance(step, Put):
                puts[step.namespace, step.key] = step
            else:
                reads.append((size, step))
            size += 1
        return Plan(size, tuple(reads), tuple(puts.values()))

    def embed(self, plan: Plan) -> Embedded:
        """Vectors of a plan's texts.  Raises EmbeddingError, or what the function raised."""
        if self._index is None or not (texts := plan.texts):
            return NOTHING_EMBEDDED
        return self._index.embed(texts)

    async def aembed(self, plan: Plan) -> Embedded:
        """Vectors of a plan's texts.  Raises EmbeddingError, or what the function raised."""
        if self._index is None or not (texts := plan.texts):
            return NOTHING_EMBEDDED
        return await self._index.aembed(texts)


def _step(op: object, index: Index | None) -> Read | Put:
    match op:
        case GetOp():
            return Get(checked_labels(op.namespace), checked_key(op.key), bool(op.refresh_ttl))
        case SearchOp():
            return _search(op, index)
        case ListNamespacesOp():
            checked_listing(op)
            return op
        case PutOp():
            return _put(op, index)
        case _:
            raise InvalidArgumentError(
                f"{op!r:.200} is no operation of a store; give a GetOp, SearchOp, PutOp or "
                "ListNamespacesOp"
            )


def _search(op: SearchOp, index: Index | None) -> Search:
    checked_count("limit", op.limit)
    checked_count("offset", op.offset)
    return Search(
        checked_labels(op.namespace_prefix),
        parse_filter(op.filter),
        op.limit,
        op.offset,
        checked_query(op.query) if index is not None else None,
        bool(op.refresh_ttl),
    )


def _put(op: PutOp, index: Index | None) -> Put:
    key = checked_key(op.key)
    if op.value is None:
        return Put(checked_labels(op.namespace), key, None, None, ())
    namespace = checked_namespace(op.namespace)
    minutes = checked_minutes("ttl", op.ttl)
    fields = () if op.index is False else None if op.index is None else parse_fields(op.index)
    stored = json_of(op.value)
    if index is None or fields == ():
        return Put(namespace, key, stored, minutes, ())
    value, paths = json.loads(stored), index.fields if fields is None else fields
    texts = dict.fromkeys(text for path in paths for text in path.texts(value))
    return Put(namespace, key, stored, minutes, tuple(texts))


def page(items: Iterable[T], offset: int, limit: int) -> Iterator[T]:
    """`limit` items after the first `offset`, however great these are."""
    return islice(items, min(offset, sys.maxsize), min(offset + limit, sys.maxsize))


def listed_namespaces(op: ListNamespacesOp, ascending: Iterable[Namespace]) -> list[Namespace]:
    """What a ListNamespacesOp gives, of all namespaces in ascending order."""
    return list(page(_cut(op, ascending), op.offset, op.limit))


def _cut(op: ListNamespacesOp, ascending: Iterable[Namespace]) -> Iterator[Namespace]:
    last: Namespace | None = None
    for namespace in ascending:
        if all(_fits(condition, namespace) for condition in op.match_conditions or ()):
            cut = namespace[: op.max_depth]
            if cut != last:  # those that become equal stand side by side
                yield cut
                last = cut


def _fits(condition: MatchCondition, namespace: Namespace) -> bool:
    path = condition.path
    if len(path) > len(namespace):
        return False
    labels = namespace[: len(path)]
    if condition.match_type == "suffix":
        labels = namespace[len(namespace) - len(path) :]
    return all(part in {"*", label} for part, label in zip(path, labels, strict=True))


def literal_prefix(op: ListNamespacesOp) -> Namespace:
    """Labels that every namespace a ListNamespacesOp gives begins with."""
    longest: Namespace = ()
    for condition in op.match_conditions or ():
        if condition.match_type == "prefix":
            path = condition.path
            literal = path[: path.index("*")] if "*" in path else path
            longest = max(longest, literal, key=len)
    return longest
