"""Types of state keys: whether a value is of one, as far as can be known, and their texts; pure.

`fits` is for values of keys that a graph's schema has changed since they were stored.  What cannot
be known (a type variable, a protocol, a forward reference) fits; None stands for "nothing yet" and
fits everywhere; a whole number fits where a float or a complex one belongs.
"""

from __future__ import annotations

import collections.abc
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, NewType, Union, cast, get_args, get_origin

from .channels import Channel, LastValue, Topic
from .hints import is_typed_dict, look_through

_WIDER: dict[Any, tuple[type, ...]] = {float: (int, float), complex: (int, float, complex)}


def fits(value: Any, typ: Any) -> bool:
    """False if the value is certainly not of the type."""
    typ = look_through(typ)
    if value is None or typ is Any:
        return True
    origin, args = get_origin(typ), get_args(typ)
    if origin is Annotated:
        return fits(value, args[0])
    if origin in (Union, types.UnionType):
        return any(fits(value, each) for each in args if each is not type(None))
    if origin is Literal:
        return any(value == each and type(value) is type(each) for each in args)
    if isinstance(typ, NewType):
        return fits(value, typ.__supertype__)
    if is_typed_dict(typ):
        return isinstance(value, dict)
    if origin is None:
        return _is_a(value, typ)
    return _is_a(value, origin) and _parts_fit(value, origin, args)


def type_text(typ: Any) -> str:
    """How a type is told in stored descriptions and errors."""
    if isinstance(typ, type) and get_origin(typ) is None:
        return typ.__qualname__ if typ.__module__ == "builtins" else _full_name(typ)
    return repr(typ).replace("typing.", "")


def held_type(channel: Channel) -> Any:
    """The type of what a channel holds."""
    typ: Any = getattr(channel, "typ", Any)
    return list[typ] if isinstance(channel, Topic) else typ


def channel_text(channel: Channel) -> str:
    """How a state key's channel and type are told."""
    text = type_text(getattr(channel, "typ", Any))
    return text if type(channel) is LastValue else f"{type(channel).__name__}[{text}]"


def _full_name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _is_a(value: Any, typ: Any) -> bool:
    if not isinstance(typ, type):
        return True
    try:
        return isinstance(value, _WIDER.get(typ, typ))
    except TypeError:  # a protocol that is not for looking at values
        return True


def _parts_fit(value: Any, origin: Any, args: tuple[Any, ...]) -> bool:
    """Whether the items of a collection are what its type says."""
    check = next((check for kind, check in _CHECKS if _derives(origin, kind)), None)
    return check is None or not args or check(value, args)


def _derives(cls: Any, base: type) -> bool:
    return isinstance(cls, type) and issubclass(cls, base)


def _tuple_fits(value: Any, args: tuple[Any, ...]) -> bool:
    if len(args) == 2 and args[1] is Ellipsis:
        return _items_fit(value, args)
    parts = args if args != ((),) else ()
    return len(value) == len(parts) and all(map(fits, value, parts))


def _mapping_fits(value: Any, args: tuple[Any, ...]) -> bool:
    if len(args) != 2:
        return True
    pairs = cast("Mapping[Any, Any]", value).items()
    return all(fits(key, args[0]) and fits(item, args[1]) for key, item in pairs)


def _items_fit(value: Any, args: tuple[Any, ...]) -> bool:
    return all(fits(item, args[0]) for item in cast("Iterable[Any]", value))


_CHECKS: tuple[tuple[type, Callable[[Any, tuple[Any, ...]], bool]], ...] = (
    (tuple, _tuple_fits),
    (collections.abc.Mapping, _mapping_fits),
    (collections.abc.Sequence, _items_fit),
    (collections.abc.Set, _items_fit),
)
