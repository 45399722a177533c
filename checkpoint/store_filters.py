"""Filters of a search: what the stored values must hold.

    {"color": "red"}                      equal
    {"size": {"$gte": 3, "$ne": 5}}       operators, all of them
    {"owner": {"name": "ann"}}            a dict must hold these, and may hold more
    {"tags": ["a", {"$ne": "b"}]}         a list must match item by item

Numbers are compared with numbers (a boolean counts as 0 or 1) and texts with texts; `$gt` and its
like never match anything else.  A key that is missing counts as None.

`matches` decides.  `conditions` are what a database can check before, in SQL: they hold for every
value that matches, and for some others.  Keys and values are always bound as parameters.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from .errors import InvalidFilterError
from .store_config import MAX_DEPTH
from .value import Value, slotted

Comparison: TypeAlias = Callable[[Any, Any], bool]

_EQUALITY: Mapping[str, Comparison] = {"$eq": operator.eq, "$ne": operator.ne}
_ORDER: Mapping[str, Comparison] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}


@slotted
class Condition(Value):
    """An SQL expression about the column `value`, and its parameters."""

    sql: str
    parameters: tuple[str | float, ...]


@slotted
class Filter(Value):
    """A filter that was checked."""

    wanted: Mapping[str, Any]

    def matches(self, value: Mapping[str, Any]) -> bool:
        """True if a stored value holds all that is wanted."""
        return all(_holds(value.get(key), wanted) for key, wanted in self.wanted.items())

    def conditions(self) -> list[Condition]:
        """What SQL can check before `matches` decides."""
        found = [_condition(key, wanted) for key, wanted in self.wanted.items()]
        return [condition for condition in found if condition is not None]


def parse_filter(wanted: object) -> Filter | None:
    """The filter, None when it lets everything pass.  Raises InvalidFilterError."""
    if wanted is None or wanted == {}:
        return None
    if not isinstance(wanted, Mapping):
        raise InvalidFilterError(
            f"{wanted!r:.200} is no filter: a filter is a dict; give the keys that values must "
            'have, such as {"color": "red"}'
        )
    checked: dict[str, Any] = {}
    for key, what in cast(Mapping[object, object], wanted).items():
        if not isinstance(key, str) or key.startswith("$"):
            raise InvalidFilterError(
                f"{key!r} cannot be a key of the filter {wanted!r:.200}: at its top stand keys of "
                'values, which are texts without "$"; put operators below one: {"size": {"$gt": 3}}'
            )
        _check(what, 1)
        checked[key] = what
    return Filter(checked)


def _check(wanted: object, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise InvalidFilterError(
            f"a filter that is nested more than {MAX_DEPTH} deep fits no value, for none is stored "
            "that is; does it contain itself? give a flatter one"
        )
    if isinstance(wanted, Mapping):
        parts = cast(Mapping[object, object], wanted)
        if any(isinstance(key, str) and key.startswith("$") for key in parts):
            for key, operand in parts.items():
                _check_operator(key, operand)
        else:
            for part in parts.values():
                _check(part, depth + 1)
    elif isinstance(wanted, list | tuple):
        for part in cast(Sequence[object], wanted):
            _check(part, depth + 1)


def _check_operator(name: object, operand: object) -> None:
    if name in _ORDER:
        if not isinstance(operand, int | float | str):
            raise InvalidFilterError(
                f"{operand!r:.200} cannot be compared by {name}: it is neither a number nor a "
                "text; give one of these, or use $eq or $ne"
            )
    elif name not in _EQUALITY:
        raise InvalidFilterError(
            f"{name!r} is no operator of a filter: there are "
            f"{', '.join([*_EQUALITY, *_ORDER])}; use one of them, and leave keys of values out "
            "of a dict of operators"
        )


def _holds(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        parts = cast(Mapping[str, Any], wanted)
        if _is_operators(parts):
            return all(_compare(value, name, operand) for name, operand in parts.items())
        if not isinstance(value, dict):
            return False
        held = cast(dict[str, Any], value)
        return all(_holds(held.get(key), part) for key, part in parts.items())
    if isinstance(wanted, list | tuple):
        items = cast(Sequence[Any], wanted)
        if not isinstance(value, list) or len(cast(list[Any], value)) != len(items):
            return False
        return all(map(_holds, cast(list[Any], value), items))
    return bool(value == wanted)


def _is_operators(parts: Mapping[str, Any]) -> bool:
    return any(isinstance(key, str) and key.startswith("$") for key in parts)  # pyright: ignore[reportUnnecessaryIsInstance]


def _compare(value: Any, name: str, operand: Any) -> bool:
    equality = _EQUALITY.get(name)
    if equality is not None:
        return bool(equality(value, [*operand] if isinstance(operand, tuple) else operand))
    if isinstance(operand, str) is not isinstance(value, str):
        return False
    return isinstance(value, str | int | float) and _ORDER[name](value, operand)


# What SQL checks.  SQLite of many versions reads the same JSON, some of them with the last digits
# of a number wrong, or with an escaped key not found: so numbers are compared with a margin, and
# only keys that are never escaped are looked up.

_PLAIN_KEY = "[A-Za-z0-9_ -]+"
_MARGIN = 1e-9
_TINY = 1e-300


def _condition(key: str, wanted: object) -> Condition | None:
    if not re.fullmatch(_PLAIN_KEY, key):
        return None
    path = f'$."{key}"'
    if not isinstance(wanted, Mapping):
        return _equal(path, wanted)
    parts = cast(Mapping[str, Any], wanted)
    found = [
        condition
        for name, operand in parts.items()
        if name.startswith("$") and (condition := _operator(path, name, operand)) is not None
    ]
    if not found:
        return None
    sql = " AND ".join(condition.sql for condition in found)
    return Condition(sql, tuple(p for condition in found for p in condition.parameters))


def _operator(path: str, name: str, operand: object) -> Condition | None:
    bounds = _bounds(operand)
    match name:
        case "$eq":
            return _equal(path, operand)
        case "$gt" | "$gte" if bounds is not None:
            return Condition("json_extract(value, ?) >= ?", (path, bounds[0]))
        case "$lt" | "$lte" if bounds is not None:
            return Condition("json_extract(value, ?) <= ?", (path, bounds[1]))
        case _:
            return None


def _equal(path: str, operand: object) -> Condition | None:
    if operand is None:
        return Condition("json_extract(value, ?) IS NULL", (path,))
    bounds = _bounds(operand)
    if bounds is None:
        return None
    return Condition("json_extract(value, ?) BETWEEN ? AND ?", (path, *bounds))


def _bounds(operand: object) -> tuple[str, str] | tuple[float, float] | None:
    """What lies around a text or number; None for what SQL may see differently."""
    if isinstance(operand, str):
        fine = "\0" not in operand and not re.search("[\ud800-\udfff]", operand)
        return (operand, operand) if fine else None
    if not isinstance(operand, int | float):
        return None
    try:
        number = float(operand)
    except OverflowError:
        return None
    margin = abs(number) * _MARGIN + _TINY
    low, high = number - margin, number + margin
    return (low, high) if math.isfinite(low) and math.isfinite(high) else None
