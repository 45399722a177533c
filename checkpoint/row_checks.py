"""Whether a row of a database file is what was stored, told by its own columns, in the order they
were declared in, the row's number first.

A checkpoint's checksum covers the id of its parent, which stands in another row; of it only the
shape is looked at here (`sieve.py` does the rest).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from .packing import checksum, is_sound
from .places import RUN_TAG

Row: TypeAlias = Sequence[Any]
_ID = 16
"""Bytes of a checkpoint's id."""


def _thread(row: Row) -> bool:
    number, name, epoch, _, crc = row
    return isinstance(name, str | bytes) and checksum(b"", number, name, epoch) == crc


def _scope(row: Row) -> bool:
    number, thread, ns, _, *facts, crc = row
    return isinstance(ns, str) and checksum(b"", number, thread, ns, *facts) == crc


def _run(row: Row) -> bool:
    number, name, last, _, crc = row
    return isinstance(name, str) and checksum(RUN_TAG, number, name, last) == crc


def _checkpoint(row: Row) -> bool:
    _, scope, key, parent, depth, crc, data = row
    numbers = all(isinstance(each, int) for each in (scope, depth, crc))
    above = parent is None or isinstance(parent, int)
    return numbers and above and isinstance(data, bytes) and _is_id(key)


def _pending(row: Row) -> bool:
    checkpoint, task, crc, data = row
    return isinstance(task, str | bytes) and is_sound(data, crc, checkpoint, task)


def _blob(row: Row) -> bool:
    _, scope, key, start, count, crc, data = row
    return is_sound(data, crc, scope, key, start, count)


def _event(row: Row) -> bool:
    number, crc, data = row
    return is_sound(data, crc, number)


def _namespace(row: Row) -> bool:
    number, name, crc = row
    return is_sound(name, crc, number)


def _item(row: Row) -> bool:
    _, *place, crc, value = row
    if not isinstance(value, str):
        return False
    ns, key, *times = place
    floats = [each if each is None else float(each) for each in times]
    return is_sound(value.encode(), crc, ns, key, *floats)


def _vector(row: Row) -> bool:
    item, number, crc, data = row
    return isinstance(number, int) and is_sound(data, crc, item, number)


def _cached(row: Row) -> bool:
    _, ns, key, expires, crc, data = row
    return is_sound(data, crc, ns, key, expires if expires is None else float(expires))


def _is_id(key: object) -> bool:
    return isinstance(key, bytes) and len(key) == _ID


_CHECKS: Mapping[str, tuple[int, Callable[[Row], bool]]] = {
    "thread": (5, _thread),
    "scope": (10, _scope),
    "checkpoint": (7, _checkpoint),
    "pending": (4, _pending),
    "blob": (7, _blob),
    "run": (5, _run),
    "event": (3, _event),
    "store_namespace": (3, _namespace),
    "store_item": (9, _item),
    "store_vector": (4, _vector),
    "cache": (6, _cached),
}

CHECKED = frozenset(_CHECKS)
"""Tables whose rows have checksums."""
BESIDE = ("store_namespace", "store_item", "store_vector", "cache")
"""Those of them that belong to no thread and no run."""


def is_row_of(table: str, row: Row) -> bool:
    """True if the row belongs into this table, and is as it was stored."""
    columns, check = _CHECKS[table]
    try:
        return len(row) == columns and check(row)
    except (TypeError, ValueError):  # damage turns any column into one of another type
        return False


def table_of(row: Row) -> str | None:
    """The table that a row belongs into, told by its checksum; None for damage."""
    return next((table for table in _CHECKS if is_row_of(table, row)), None)
