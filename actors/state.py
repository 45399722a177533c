"""State schemas: what keys a graph's state has and which channel stands behind each.

    T                                last value
    Annotated[T, reducer]            reduced: reducer(held, written)
    Annotated[T, Channel or class]   that channel
    Annotated[T, ManagedValue class] no channel: filled in when a node reads it
    Required, NotRequired, ReadOnly  looked through

A schema that is no class with fields, like `Annotated[list, operator.add]`, makes a state of one
unnamed value.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, cast, get_args, get_origin

from .channels import BinaryOperatorAggregate, Channel, LastValue
from .commands import BELOW, ERROR, FAILURE, INTERRUPT, RESUME
from .errors import GraphBuildError
from .hints import field_hints, is_schema_class, look_through, types_in
from .instances import Coerce, coercer, input_reader, refuse_control
from .managed import Managed, ManagedValue
from .spec import MIGRATED, RETURN, ROOT, SCHEMA
from .values import END, START

RESERVED_KEYS = frozenset(
    {START, END, ROOT, RETURN, SCHEMA, MIGRATED, ERROR, FAILURE, INTERRUPT, RESUME, BELOW}
    | {"__metadata__"}
)
RESERVED_PREFIXES = ("__pregel_", "branch:", "join:")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Schema:
    """One schema, read: of the state, the input, the output, or what a node reads."""

    source: Any
    """The class or type as given."""
    channels: Mapping[str, Channel]
    """Prototypes by state key, in the order of the schema."""
    coerce: Coerce | None
    """Makes what nodes get from the dict of keys that hold a value; None: they get the dict."""
    types: tuple[type, ...]
    """Classes whose instances the state may hold."""
    managed: Managed = field(default_factory=dict[str, type[ManagedValue[Any]]])
    """Keys that are filled in when a node reads them; no channel stands behind them."""

    @property
    def keys(self) -> tuple[str, ...]:
        """State keys, in the order of the schema."""
        return tuple(self.channels)

    def read_input(self, known: Iterable[str] = ()) -> Callable[[Any], Mapping[str, Any]]:
        """What turns a run's input into a dict of updates; it raises before anything changes.

        `known`: the graph's other keys.
        """
        if self.keys == (ROOT,):
            return _whole_input
        plain = {key for key, channel in self.channels.items() if type(channel) is LastValue}
        return input_reader(self.source, frozenset(plain), frozenset({*self.keys, *known}))


def _whole_input(value: Any) -> Mapping[str, Any]:
    refuse_control(value)
    return {ROOT: value}


def schema_of(source: Any, role: str) -> Schema:
    """Read a schema; `role` says in errors what it was given as, like "state_schema".

    Raises GraphBuildError when it is none, or names what cannot be a key, a channel or a reducer.
    """
    if _is_single_value(source):
        channels: dict[str, Channel] = {ROOT: channel_of(source, role).named(ROOT)}
        return Schema(source, channels, _only_value, types_in([source]))
    hints = _keys_of(source, role)
    for key in hints:
        _check_key(key, source)
    found = {key: _manager_of(hint) for key, hint in hints.items()}
    managed = {key: manager for key, manager in found.items() if manager is not None}
    channels = {
        key: channel_of(hint, f"{source.__name__}.{key}").named(key)
        for key, hint in hints.items()
        if key not in managed
    }
    types = types_in([source, *hints.values()])
    return Schema(source, channels, coercer(source), types, managed)


def _is_single_value(source: Any) -> bool:
    """True for list, list[int], Annotated[…], a union: types that name no keys."""
    if is_schema_class(source) or is_schema_class(get_origin(source)):
        return False
    return get_origin(source) is not None or (
        isinstance(source, type) and source.__module__ == "builtins" and source is not object
    )


def _only_value(values: Mapping[str, Any]) -> Any:
    return values.get(ROOT)


def _keys_of(source: Any, role: str) -> dict[str, Any]:
    origin = get_origin(source) or source
    hints = field_hints(origin) if isinstance(origin, type) else {}
    if hints or is_schema_class(origin):
        return hints
    raise GraphBuildError(
        f"{source!r} cannot be a {role}: it names no keys. Give a TypedDict, a dataclass, a "
        "pydantic model or a msgspec.Struct; or, for a state of one value, a type like "
        "Annotated[list, operator.add]"
    )


def _check_key(key: str, source: Any) -> None:
    if key in RESERVED_KEYS or key.startswith(RESERVED_PREFIXES):
        raise GraphBuildError(
            f"{source.__name__} has a key {key!r}, which is reserved for the engine's own "
            "channels and chunks. Give the key another name"
        )
    check_text(key, f"{source.__name__} cannot have a key")


def check_text(name: str, what: str) -> None:
    """Raise GraphBuildError if a name could not be stored."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise GraphBuildError(
            f"{what} {name!r}: it holds half a surrogate pair, which cannot be stored as text. "
            "Give a proper string"
        ) from None


def _manager_of(hint: Any) -> type[ManagedValue[Any]] | None:
    """The managed value that a field's type asks for, if it does."""
    hint = look_through(hint)
    for item in get_args(hint)[1:] if get_origin(hint) is Annotated else ():
        if isinstance(item, type) and issubclass(item, ManagedValue):
            return cast("type[ManagedValue[Any]]", item)
    return None


def channel_of(hint: Any, where: str) -> Channel:
    """The channel that a field's type asks for; `where` names the field in errors."""
    hint = look_through(hint)
    if get_origin(hint) is not Annotated:
        return LastValue(hint)
    typ, *metadata = get_args(hint)
    typ = look_through(typ)
    for item in reversed(metadata):
        if isinstance(item, Channel):
            return cast("Channel", item).fresh()
        if isinstance(item, type) and issubclass(item, Channel):
            return _constructed(item, typ, where)
    for item in reversed(metadata):
        if callable(item) and not isinstance(item, type):
            if _takes_two(item):
                return BinaryOperatorAggregate(typ, item)
            if item is metadata[-1]:
                raise _bad_reducer(item, where)
    return LastValue(typ)


def _constructed(cls: Any, typ: Any, where: str) -> Channel:
    try:
        return cls(typ)
    except TypeError as error:
        raise GraphBuildError(
            f"{where} names the channel class {cls.__name__}, which a type alone does not make "
            f"({error}). Give an instance: Annotated[…, {cls.__name__}(…)]"
        ) from error


def _takes_two(call: Callable[..., Any]) -> bool:
    try:
        inspect.signature(call).bind(None, None)
    except ValueError:  # a builtin like max tells nothing of its parameters
        return True
    except TypeError:
        return False
    return True


def _bad_reducer(call: Callable[..., Any], where: str) -> GraphBuildError:
    return GraphBuildError(
        f"Invalid reducer signature. Expected (a, b) -> c. Got {inspect.signature(call)} from "
        f"{call!r} at {where}. Give a function of the value held and the value written"
    )
