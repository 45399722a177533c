"""Finds what the C packer would store as the wrong type: bytearray and memoryview.

It writes both as bytes and asks nobody.  Only values whose encoded form holds the mark of a
bytes object somewhere have to be looked at, and these by container, not by item.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any, cast

from .errors import SerializationError

BIN8, BIN16, BIN32 = 0xC4, 0xC5, 0xC6
"""Msgpack's marks of bytes objects, as numbers: looking for those is five times as fast."""

_CONTAINERS: frozenset[type[Any]] = frozenset({dict, list})
_values: Callable[[Any], Iterable[Any]] = dict[Any, Any].values


def may_hold_buffers(data: bytes) -> bool:
    """True if msgpack's marks of bytes objects are among the bytes (or others that look alike)."""
    return BIN8 in data or BIN16 in data or BIN32 in data


def replace_bytearrays(value: Any, replace: Callable[[bytearray], Any]) -> Any:
    """The value itself, or, if plain containers in it hold a bytearray, a copy with replacements.

    Raises SerializationError for a memoryview.
    """
    if not _holds_buffers(value):
        return value
    holder = [value]
    pending: list[Any] = [holder]
    while pending:
        node = pending.pop()
        for key in _keys(node):
            item = node[key]
            if type(item) in _CONTAINERS:
                node[key] = copy = item.copy()
                pending.append(copy)
            elif type(item) is bytearray:
                node[key] = replace(item)
    return holder[0]


def _keys(node: Any) -> list[Any]:
    return [*node] if isinstance(node, dict) else [*range(len(node))]


def _holds_buffers(value: Any) -> bool:
    """Looks layer by layer, with C loops over the items.

    Keys are left out, as a bytearray cannot be one.
    """
    found = False
    layer = [value]
    kinds: set[type[Any]] = {type(value)}
    while not kinds.isdisjoint(_CONTAINERS):
        values = chain.from_iterable(map(_values, _of_kind(dict, layer, kinds)))
        layer = [*chain.from_iterable(_of_kind(list, layer, kinds)), *values]
        kinds = set(map(type, layer))
        found = found or bytearray in kinds
        if memoryview in kinds:
            break
    if memoryview in kinds:
        raise SerializationError(
            "a memoryview cannot be stored: it is a view of memory that others may change; "
            "store bytes(view)"
        )
    return found or type(value) is bytearray


def _of_kind(kind: type[Any], layer: list[Any], kinds: set[type[Any]]) -> list[Any]:
    if kind not in kinds:
        return []
    return layer if len(kinds) == 1 else [node for node in layer if type(node) is kind]


def nests_deeper(value: Any, limit: int) -> bool:
    """True if plain containers stand more than `limit` deep inside each other."""
    layer: dict[int, Any] = {id(value): value} if type(value) in _CONTAINERS else {}
    for _ in range(limit):
        if not layer:
            return False
        # By identity: a container that stands in many places is looked at once for each depth.
        layer = {
            id(item): item
            for node in layer.values()
            for item in (cast(Any, node).values() if type(node) is dict else node)
            if type(item) in _CONTAINERS
        }
    return bool(layer)
