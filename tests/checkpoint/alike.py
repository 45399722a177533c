"""Equality as a round trip must keep it: of type and value, down to the last part."""

from __future__ import annotations

import dataclasses
import struct
from collections import deque
from collections.abc import Callable
from datetime import datetime, time
from typing import Any

import numpy as np
import pydantic


def alike(one: Any, other: Any) -> bool:
    """True if both have the same type and the same parts in the same order."""
    if type(one) is not type(other):
        return False
    if isinstance(one, set | frozenset):
        return one == other and _kinds(one) == _kinds(other)
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


def _kinds(items: Any) -> list[str]:
    return sorted(type(item).__qualname__ for item in items)


def _model(value: Any) -> list[Any]:
    return [vars(value), value.model_extra, value.model_fields_set, value.__pydantic_private__]


def _dataclass(value: Any) -> list[Any]:
    names = [field.name for field in dataclasses.fields(value)]
    return [(name, getattr(value, name)) for name in names if hasattr(value, name)]


_PARTS: list[tuple[Any, Callable[[Any], list[Any]]]] = [
    (float | complex, lambda value: [struct.pack(">dd", value.real, value.imag)]),
    (dict, lambda value: [*value.items()]),
    (list | tuple, list),
    (deque, lambda value: [value.maxlen, *value]),
    (BaseException, lambda value: [list(value.args), vars(value)]),
    (np.ndarray, _array),
    (pydantic.BaseModel, _model),
    (datetime | time, lambda value: [repr(value), value.utcoffset()]),
]
"""What has to be alike, for types whose `==` is not enough."""
