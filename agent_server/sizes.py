"""About how much memory a value takes, told quickly; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from collections.abc import Set as AbstractSet
from itertools import islice
from typing import Any, cast

_EACH = 60
"""Bytes of a small object, and of a place in a container."""
_SAMPLE = 20
"""Parts of a container that are looked at; the others are taken to be like them."""
_DEPTH = 6


def about_bytes(value: Any, depth: int = _DEPTH) -> int:
    """An estimate from a sample: strings by their length, containers by some of their parts."""
    if isinstance(value, str | bytes | bytearray):
        return _EACH + len(value)
    if depth == 0:
        return _EACH
    if isinstance(value, Mapping):
        parts = cast("Mapping[Any, Any]", value).values()
        return _EACH + _scaled(parts, len(cast("Sized", value)), depth)
    if isinstance(value, list | tuple | AbstractSet):
        return _EACH + _scaled(cast("Iterable[Any]", value), len(cast("Sized", value)), depth)
    inside: Any = getattr(value, "__dict__", None)
    return _EACH if not inside else about_bytes(inside, depth - 1)


def _scaled(parts: Iterable[Any], count: int, depth: int) -> int:
    sample = [about_bytes(part, depth - 1) for part in islice(parts, _SAMPLE)]
    return 0 if not sample else _EACH * count + sum(sample) * count // len(sample)
