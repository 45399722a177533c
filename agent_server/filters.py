"""What a JSON column must contain, as SQL; what users give goes in as bound parameters only.

A wanted object is contained in an object that has its keys with values that contain its values; a
wanted array in one that has, for each wanted element, an element that contains it; anything else
in what equals it.  {} is contained in everything, also in a column that is NULL.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from .errors import InvalidError

MAX_PARTS = 200
"""Keys and elements of a filter, on all levels."""
MAX_DEPTH = 8
_UNSTORED = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Condition:
    """A part of a WHERE clause and its parameters, in order."""

    sql: str
    values: tuple[Any, ...] = ()


def contains(column: str, wanted: Mapping[str, Any]) -> Condition:
    """The condition that the JSON in a column contains `wanted`.

    `column` is SQL of ours.  Raises InvalidError for a filter with too many parts or levels.
    """
    builder = _Builder()
    return Condition(builder.object(column, wanted, 0), tuple(builder.values))


def equals(column: str, value: Any) -> Condition:
    """The condition that a column equals a value."""
    return Condition(f"{column} = ?", (value,))


def one_of(column: str, values: Sequence[Any]) -> Condition:
    """The condition that a column equals one of the values."""
    return Condition(f"{column} IN ({', '.join('?' * len(values))})", tuple(values))


def both(conditions: Iterable[Condition]) -> Condition:
    """The condition that all of them hold."""
    parts = [each for each in conditions if each.sql]
    sql = " AND ".join(each.sql for each in parts)
    return Condition(sql or "1", tuple(value for each in parts for value in each.values))


def either(conditions: Iterable[Condition]) -> Condition:
    """The condition that one of them holds."""
    parts = [Condition(each.sql or "1", each.values) for each in conditions]
    sql = " OR ".join(f"({each.sql})" for each in parts)
    return Condition(f"({sql})" if sql else "0", tuple(v for each in parts for v in each.values))


class _Builder:
    """Writes the SQL from outside to inside, and the parameters in the same order; the SQL is all
    ours, names of rows included."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._parts = 0

    def object(self, json: str, wanted: Mapping[str, Any], depth: int) -> str:
        return " AND ".join(self._entry(json, key, part, depth) for key, part in wanted.items())

    def _entry(self, json: str, key: str | None, wanted: Any, depth: int) -> str:
        """One element of the object or array `json` (under the key) contains what is wanted."""
        self._parts += 1
        if self._parts > MAX_PARTS or depth >= MAX_DEPTH:
            raise InvalidError(
                f"a filter of more than {MAX_PARTS} parts or {MAX_DEPTH} levels cannot be searched "
                "for; ask for fewer keys"
            )
        row = f"e{self._parts}"
        named = "" if key is None else f"{row}.key = ? AND "
        if key is not None:
            self.values.append(_text(key))
        inner = self._match(row, wanted, depth + 1)
        return f"EXISTS (SELECT 1 FROM json_each({json}) AS {row} WHERE {named}{inner})"  # noqa: S608

    def _match(self, row: str, wanted: Any, depth: int) -> str:
        match wanted:
            case None:
                return f"{row}.type = 'null'"
            case bool():
                return f"{row}.type = '{'true' if wanted else 'false'}'"
            case str():
                return self._atom(f"{row}.type = 'text'", row, _text(wanted))
            case int() | float():
                return self._atom(f"{row}.type IN ('integer', 'real')", row, _number(wanted))
            case dict():
                inner = self.object(f"{row}.value", cast("dict[str, Any]", wanted), depth)
                return f"{row}.type = 'object'" + (inner and f" AND {inner}")
            case _:
                parts = [
                    self._entry(f"{row}.value", None, part, depth)
                    for part in cast("list[Any]", wanted)
                ]
                return " AND ".join([f"{row}.type = 'array'", *parts])

    def _atom(self, typed: str, row: str, value: Any) -> str:
        self.values.append(value)
        return f"{typed} AND {row}.atom = ?"


def _number(value: float) -> float:
    """A number as SQLite reads it from JSON: beyond 64 bits it is a float."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        try:
            return float(value)
        except OverflowError:
            return float("inf") if value > 0 else float("-inf")
    return value


def _text(value: str) -> str:
    """The text, if SQLite can hold it: its JSON functions end at a NUL."""
    if _UNSTORED.search(value):
        raise InvalidError(
            f"a filter with {value!r} cannot be searched for: NUL characters and lone surrogates "
            "end a text in the database; leave them out"
        )
    return value
