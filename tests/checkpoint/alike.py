"""Equality as a round trip must keep it: of type and value, down to the last part."""

from __future__ import annotations

import dataclasses
import struct
from collections.abc import Callable
from datetime import datetime, time
from typing import Any

import numpy as np


def alike(one: Any, other: Any) -> bool:
    """True if both have the same type and the same parts in the same order."""
    if type(one) is not type(other):
        return False
    for kinds, parts in _PARTS:
        if isinstance(one, kinds):
            return _all_alike(parts(one), parts(other))
    if dataclasses.is_dataclass(one):
        return _all_alike(_dataclass(one), _dataclass(other))
    return bool(one == other)


def _all_alike(some: Any, others: Any) -> bool:
    return len(some) == len(others) and all(map(alike, some, others))


def _array(value: Any) -> list[Any]:
    return [value.dtype.str, value.shape, value.tobytes()]


def _set(value: Any) -> list[Any]:
    return [len(value), *sorted(repr((type(item).__qualname__, item)) for item in value)]


def _dataclass(value: Any) -> list[Any]:
    names = [field.name for field in dataclasses.fields(value)]
    return [(name, getattr(value, name)) for name in names if hasattr(value, name)]


_PARTS: list[tuple[Any, Callable[[Any], list[Any]]]] = [
    (float | complex, lambda value: [struct.pack(">dd", value.real, value.imag)]),
    (dict, lambda value: [*value.items()]),
    (list | tuple, list),
    (set | frozenset, _set),
    (BaseException, lambda value: [list(value.args), vars(value)]),
    (np.ndarray, _array),
    (datetime | time, lambda value: [repr(value), value.utcoffset()]),
]
"""What has to be alike, for types whose `==` is not enough."""
