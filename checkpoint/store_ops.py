"""What a store is asked, in named tuples as in LangGraph, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from .registry import register_type

Namespace: TypeAlias = tuple[str, ...]
JsonObject: TypeAlias = dict[str, Any]


class NotGiven(Enum):
    """The type of NOT_GIVEN, which stands for an argument that was left out."""

    NOT_GIVEN = "NOT_GIVEN"


NOT_GIVEN: Final = NotGiven.NOT_GIVEN


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Item:
    """A stored value with its place and its times (in UTC).

    `value` is the caller's own copy.  Equal to an item with the same place, times and value.
    """

    value: JsonObject
    key: str
    namespace: Namespace
    created_at: datetime
    """When the key was first put."""
    updated_at: datetime
    """When it was put last."""

    def dict(self) -> JsonObject:
        """The item as JSON-able values."""
        return {
            "namespace": [*self.namespace],
            "key": self.key,
            "value": self.value,
            "created_at": self.created_at.isoformat(),
            "updated_at": self.updated_at.isoformat(),
        }

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Item) and _facts(self) == _facts(other)

    def __hash__(self) -> int:
        return hash((self.namespace, self.key))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SearchItem(Item):
    """A stored value that a search found."""

    score: float | None = None
    """How near it is to the query, 1.0 at most; None when it was not compared."""

    def dict(self) -> JsonObject:
        """The item as JSON-able values."""
        return {**Item.dict(self), "score": self.score}


def _facts(item: Item) -> tuple[Any, ...]:
    return item.namespace, item.key, item.value, item.created_at, item.updated_at


class GetOp(NamedTuple):
    """Asks for one item; answered by an Item or None."""

    namespace: Namespace
    key: str
    refresh_ttl: bool = True
    """Begin the item's time to live anew, if it has one."""


class SearchOp(NamedTuple):
    """Asks for items below a namespace; answered by a list of SearchItems."""

    namespace_prefix: Namespace
    """() is everything."""
    filter: Mapping[str, Any] | None = None
    """What values must hold: {"color": "red", "size": {"$gte": 3}}."""
    limit: int = 10
    offset: int = 0
    query: str | None = None
    """Sort by nearness to this text, if the store has an index."""
    refresh_ttl: bool = True
    """Begin anew the times to live of what is found."""


class MatchCondition(NamedTuple):
    """What a namespace must begin or end with; "*" is any label."""

    match_type: Literal["prefix", "suffix"]
    path: Namespace


class ListNamespacesOp(NamedTuple):
    """Asks which namespaces hold items; answered by a sorted list of namespaces."""

    match_conditions: tuple[MatchCondition, ...] | None = None
    max_depth: int | None = None
    """Cut longer namespaces to so many labels, and list each result once."""
    limit: int = 100
    offset: int = 0


class PutOp(NamedTuple):
    """Puts a value, or deletes it when it is None; answered by None."""

    namespace: Namespace
    key: str
    value: Mapping[str, Any] | None
    index: Literal[False] | list[str] | None = None  # pyright: ignore[reportIncompatibleMethodOverride]
    """Paths of the texts to index; None: those of the store's `index`; False: none."""
    ttl: float | None = None
    """Minutes that the item lives; None: for ever."""


Op: TypeAlias = GetOp | SearchOp | PutOp | ListNamespacesOp
Result: TypeAlias = Item | list[Item] | list[SearchItem] | list[Namespace] | None

register_type(Item)  # a graph's state may hold what it found in a store
register_type(SearchItem)
