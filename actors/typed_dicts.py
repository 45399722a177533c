"""TypedDicts that pydantic understands: before Python 3.12 it takes typing_extensions' own only."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

import typing_extensions

from .hints import field_hints, is_typed_dict, look_through

_UNKNOWN = sys.version_info < (3, 12)
"""True where pydantic does not know the TypedDict of `typing`."""

_QUALIFIERS: Mapping[bool, Any] = {
    True: typing_extensions.Required,
    False: typing_extensions.NotRequired,
}


def modern(hint: Any) -> Any:
    """A type with every TypedDict of `typing` in it made anew with typing_extensions."""
    return _rebuilt(hint, {}) if _UNKNOWN else hint


def _rebuilt(hint: Any, known: dict[Any, Any]) -> Any:
    if _is_old(hint):
        return _twin(hint, {}, known)
    origin, args = get_origin(hint), get_args(hint)
    if _is_old(origin):
        filled = dict(zip(origin.__parameters__, args, strict=True))
        return _twin(origin, filled, known)
    if origin is Annotated:
        return Annotated[(_rebuilt(args[0], known), *args[1:])]
    rebuilt = tuple(_rebuilt(arg, known) if _is_type(arg) else arg for arg in args)
    if rebuilt == args:
        return hint
    if origin is UnionType:
        origin = Union
    return origin[rebuilt]


def _is_old(cls: Any) -> bool:
    return is_typed_dict(cls) and type(cls).__module__ == "typing"


def _is_type(value: Any) -> bool:
    return isinstance(value, type) or get_origin(value) is not None


def _twin(cls: Any, filled: Mapping[Any, Any], known: dict[Any, Any]) -> Any:
    """The same TypedDict; where it names itself, it is a dict of anything."""
    if cls in known:
        return known[cls]
    known[cls] = dict[str, Any]
    fields: dict[str, Any] = {}
    for name, hint in field_hints(cls).items():
        bare = _rebuilt(_filled(look_through(hint), filled), known)
        fields[name] = _QUALIFIERS[_is_required(cls, name, hint)][bare]
    twin: Any = typing_extensions.TypedDict(cls.__name__, fields)  # pyright: ignore[reportArgumentType]
    twin.__doc__ = cls.__doc__
    del known[cls]
    return twin


def _is_required(cls: Any, name: str, hint: Any) -> bool:
    """What the field's own qualifier says; a class with annotations as text knows nothing of it."""
    qualifier = getattr(get_origin(hint), "_name", None)
    if qualifier == "ReadOnly":
        return _is_required(cls, name, get_args(hint)[0])
    if qualifier in ("Required", "NotRequired"):
        return qualifier == "Required"
    return name in cls.__required_keys__


def _filled(hint: Any, filled: Mapping[Any, Any]) -> Any:
    """The type with its type variables replaced."""
    if hint in filled:
        return filled[hint]
    free = getattr(hint, "__parameters__", ())
    return hint[tuple(filled.get(name, name) for name in free)] if free and filled else hint
