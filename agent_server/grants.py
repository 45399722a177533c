"""What an authorization handler lets its caller have: a filter on metadata.

    {"owner": "me"}                        the value is this
    {"owner": {"$eq": "me"}}               the same
    {"members": {"$contains": "me"}}       a list that has it
    {"members": {"$contains": ["a", "b"]}}   a list that has all of them
    {"$or": [filter, filter]}              one of them holds
    {"$and": [filter, filter]}             all of them do

All keys of one filter must hold.  What says nothing (an empty `$or`, a null, an empty list) is
refused: it comes from a handler that knows less of its user than it thinks, and would show either
nothing or everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast

from .errors import HandlerError, InvalidError
from .filters import Condition, both, contains, either
from .records import Json

MAX_LEVELS = 4
"""Of `$or` and `$and` in each other."""
MAX_PARTS = 500
"""Keys, values and operators of a filter, on all levels."""

Atom: TypeAlias = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Is:
    """The key has the value."""

    key: str
    value: Atom

    def allows(self, metadata: Json) -> bool:
        """True if it holds for the metadata."""
        return self.key in metadata and _same(metadata[self.key], self.value)

    def condition(self, column: str) -> Condition:
        """The same of a column of JSON."""
        return contains(column, {self.key: self.value})

    def stamp(self, metadata: Json) -> dict[str, Any]:
        """Metadata with what it takes for it to hold."""
        return {**metadata, self.key: self.value}


@dataclass(frozen=True, slots=True)
class Has:
    """The key has a list with all the values in it."""

    key: str
    values: Sequence[Atom]

    def allows(self, metadata: Json) -> bool:
        """True if it holds for the metadata."""
        there = self._listed(metadata)
        return all(any(_same(each, value) for each in there) for value in self.values)

    def condition(self, column: str) -> Condition:
        """The same of a column of JSON."""
        return contains(column, {self.key: list(self.values)})

    def stamp(self, metadata: Json) -> dict[str, Any]:
        """Metadata with what it takes for it to hold."""
        there = self._listed(metadata)
        missing = [v for v in self.values if not any(_same(each, v) for each in there)]
        return {**metadata, self.key: [*there, *missing]}

    def _listed(self, metadata: Json) -> list[Any]:
        there: Any = metadata.get(self.key)
        return cast("list[Any]", there) if isinstance(there, list) else []


@dataclass(frozen=True, slots=True)
class AnyOf:
    """One of the parts holds."""

    parts: Sequence[Grant]

    def allows(self, metadata: Json) -> bool:
        """True if it holds for the metadata."""
        return any(part.allows(metadata) for part in self.parts)

    def condition(self, column: str) -> Condition:
        """The same of a column of JSON."""
        return either(part.condition(column) for part in self.parts)

    def stamp(self, metadata: Json) -> dict[str, Any]:
        """Metadata with what it takes for it to hold: the first part, unless one does already."""
        return dict(metadata) if self.allows(metadata) else self.parts[0].stamp(metadata)


@dataclass(frozen=True, slots=True)
class AllOf:
    """All of the parts hold."""

    parts: Sequence[Grant]

    def allows(self, metadata: Json) -> bool:
        """True if it holds for the metadata."""
        return all(part.allows(metadata) for part in self.parts)

    def condition(self, column: str) -> Condition:
        """The same of a column of JSON."""
        return both(part.condition(column) for part in self.parts)

    def stamp(self, metadata: Json) -> dict[str, Any]:
        """Metadata with what it takes for it to hold."""
        stamped = dict(metadata)
        for part in self.parts:
            stamped = part.stamp(stamped)
        return stamped


Grant: TypeAlias = Is | Has | AnyOf | AllOf


def grant_of(filter_: Json) -> Grant:
    """The filter, checked.  Raises HandlerError, which names what of it cannot be."""
    grant = _Reader().all_of(filter_, 0)
    try:
        grant.condition("metadata")
    except InvalidError as error:  # a text that the database cannot look for
        raise HandlerError(str(error)) from None
    return grant


class _Reader:
    """Reads one filter, and counts its parts."""

    def __init__(self) -> None:
        self._parts = 0

    def all_of(self, given: Any, level: int) -> Grant:
        if not isinstance(given, Mapping):
            raise HandlerError(f"a filter is {given!r:.80}; give a dict of keys and values")
        parts = [
            self._part(key, value, level) for key, value in cast("Mapping[Any, Any]", given).items()
        ]
        return parts[0] if len(parts) == 1 else AllOf(tuple(parts))

    def _part(self, key: Any, value: Any, level: int) -> Grant:
        self._count(1)
        if not isinstance(key, str):
            raise HandlerError(f"a filter has the key {key!r:.80}; give keys that are texts")
        if key in ("$or", "$and"):
            parts = tuple(self._alternatives(key, value, level + 1))
            return AnyOf(parts) if key == "$or" else AllOf(parts)
        if key.startswith("$"):
            raise HandlerError(f"a filter has the operator {key!r}; there are $or and $and")
        return self._compared(key, value)

    def _alternatives(self, key: str, given: Any, level: int) -> Iterator[Grant]:
        if level > MAX_LEVELS:
            raise HandlerError(
                f"a filter has operators in more than {MAX_LEVELS} levels; write it flatter"
            )
        if not isinstance(given, list | tuple) or not given:
            raise HandlerError(f"a filter has {key}: {given!r:.80}; give a list of filters")
        for each in cast("Sequence[Any]", given):
            if not each:
                raise HandlerError(f"a filter has an empty filter in {key}; take it out")
            yield self.all_of(each, level)

    def _compared(self, key: str, given: Any) -> Grant:
        if not isinstance(given, Mapping):
            return Is(key, self._atom(key, given))
        operators = cast("Mapping[Any, Any]", given)
        match dict(operators):
            case {"$eq": value, **rest} if not rest:
                return Is(key, self._atom(key, value))
            case {"$contains": values, **rest} if not rest:
                listed = cast(
                    "Sequence[Any]", values if isinstance(values, list | tuple) else (values,)
                )
                if not listed:
                    raise HandlerError(
                        f"a filter asks that {key!r} contains nothing, which every list does; "
                        "refuse the user instead"
                    )
                return Has(key, tuple(self._atom(key, each) for each in listed))
            case _:
                raise HandlerError(
                    f"a filter has {key!r}: {given!r:.80}; give a value, or one of $eq and "
                    "$contains with one"
                )

    def _atom(self, key: str, value: Any) -> Atom:
        self._count(1)
        if isinstance(value, str | bool | int) or (isinstance(value, float) and value - value == 0):
            return value
        raise HandlerError(
            f"a filter has {value!r:.80} for {key!r}; give a text, a number, true or false"
        )

    def _count(self, more: int) -> None:
        self._parts += more
        if self._parts > MAX_PARTS:
            raise HandlerError(f"a filter has more than {MAX_PARTS} parts; write a shorter one")


def _same(there: Any, value: Atom) -> bool:
    """Equal as JSON: true is no 1."""
    return isinstance(there, bool) is isinstance(value, bool) and there == value
