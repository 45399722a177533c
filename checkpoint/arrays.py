"""numpy arrays and scalars as stored values; numpy is used where it is loaded, never imported.

Stored are the dtype's text, the shape, the memory order and the raw items.  Object arrays and
structured dtypes are refused: the former hold references, the latter can hide them.
"""

from __future__ import annotations

import re
import sys
from typing import Any, cast

from .errors import DeserializationError, SerializationError
from .wording import named

# Kinds with items of a fixed size, and the unit of datetimes; nothing that numpy would interpret.
_DTYPE = r"[<>|=][biufcSUVmM][0-9]{1,9}(\[[0-9]{0,9}[a-zA-Zμ]{1,7}\])?"

_EMPTY_ITEMS = 1 << 16


def array_kind(cls: type[Any]) -> str | None:
    """ "array" or "scalar" for numpy's own classes, None for all others."""
    if not loaded():
        return None
    numpy: Any = sys.modules["numpy"]
    if cls is numpy.ndarray:
        return "array"
    return "scalar" if issubclass(cls, numpy.generic) and cls.__module__ == "numpy" else None


def loaded() -> bool:
    """True if this process has imported numpy."""
    return hasattr(sys.modules.get("numpy"), "ndarray")


def array_to(array: Any) -> list[Any]:
    """The array's dtype, shape, order and items."""
    order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
    return [_dtype_to(array), list(array.shape), order, array.tobytes(order)]


def array_from(stored: Any) -> Any:
    """The array, in memory of its own."""
    dtype, shape, order, data = stored
    numpy: Any = sys.modules["numpy"]
    view = numpy.ndarray(_shape_from(shape), _dtype_from(dtype), data, order=order)
    if view.size > max(len(data), _EMPTY_ITEMS):  # items of no size cost time all the same
        raise DeserializationError(
            f"{len(data)} bytes are stored for an array of {view.size} items: the bytes are "
            "damaged; restore them from a backup"
        )
    array = view.copy(order)
    if array.nbytes != len(data):
        raise DeserializationError(
            f"{len(data)} bytes are stored for an array of {array.nbytes}: the bytes are damaged; "
            "restore them from a backup"
        )
    return array


def scalar_to(scalar: Any) -> list[Any]:
    """The scalar's dtype and bytes."""
    return [_dtype_to(scalar), scalar.tobytes()]


def scalar_from(stored: Any) -> Any:
    """The scalar."""
    dtype, data = stored
    return array_from([dtype, [], "C", data])[()]


def _dtype_to(value: Any) -> str:
    text: str = value.dtype.str
    if re.fullmatch(_DTYPE, text) is None or value.dtype.names or value.dtype.metadata:
        raise SerializationError(
            f"a numpy value of dtype {value.dtype!r:.200} cannot be stored: only numbers, "
            "booleans, fixed-size strings, bytes and times are; convert it with astype()"
        )
    return text


def _shape_from(shape: Any) -> list[int]:
    """As it was stored.  Fewer than no items are more than numpy can take: it divides by
    their size, which may be none, and that is the end of the process."""
    lengths: list[Any] = cast(list[Any], shape) if isinstance(shape, list) else [None]
    if not all(type(length) is int and length >= 0 for length in lengths):
        raise DeserializationError(
            f"{named(shape)} is no shape of a stored array: the bytes are damaged; restore them "
            "from a backup"
        )
    return lengths


def _dtype_from(text: Any) -> Any:
    if not isinstance(text, str) or re.fullmatch(_DTYPE, text) is None:
        raise DeserializationError(
            f"{named(text)} is no dtype of a stored array: the bytes are damaged; "
            "restore them from a backup"
        )
    numpy: Any = sys.modules["numpy"]
    return numpy.dtype(text)
