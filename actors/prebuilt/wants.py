"""Which parameters of a tool are filled in by the node that runs it, and with what; pure."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, cast, get_args, get_origin

from actors.hints import function_of, parameter_hint

from .errors import ToolDefinitionError, ToolInjectionError
from .injected import ToolRuntime
from .turns import field_of

_MARKERS = {
    "InjectedState": "state",
    "InjectedStore": "store",
    "InjectedToolCallId": "tool_call_id",
    "InjectedToolArg": "hidden",
}
_CLASSES = {
    "ToolRuntime": "runtime",
    "RunnableConfig": "config",
    "StreamWriter": "writer",
    "_DirectlyInjectedToolArg": "hidden",
}
_MISSING: Any = object()


@dataclass(frozen=True, slots=True)
class Want:
    """What one parameter gets."""

    kind: str
    """state, store, tool_call_id, runtime, config, writer; hidden: nothing, and none of the
    model's business."""
    field: str | None = None
    """The state's key; None: all of it."""
    optional: bool = False
    """It has a default, for a state without that key."""
    like: Any = None
    """Another library's class of runtimes, which this one is to be."""


Wants = Mapping[str, Want]
"""Parameter -> what it gets."""


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Parameters and their annotations; Any where there is none, or none that can be resolved."""
    plain = function_of(function)
    hints: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        hint = parameter_hint(plain, parameter.annotation, {})
        hints[parameter.name] = Any if hint is None else hint
    return hints


def wants_of(hints: Mapping[str, Any], optional: Callable[[str], bool]) -> dict[str, Want]:
    """What parameters with these annotations get; `optional` tells which have a default.

    Raises ToolDefinitionError for a parameter that is marked twice.
    """
    found: dict[str, Want] = {}
    for name, hint in hints.items():
        want = _want(name, hint, optional=optional(name))
        if want is not None:
            found[name] = want
    return found


def _want(name: str, hint: Any, *, optional: bool) -> Want | None:
    marks = [(kind, mark) for mark in _metadata(hint) if (kind := _marked(mark)) is not None]
    if len(marks) > 1:
        raise ToolDefinitionError(
            f"Parameter {name!r} is annotated with {[mark for _, mark in marks]}, and can get one "
            "thing only. A tool argument should not be annotated with more than one of them: "
            "leave one"
        )
    if marks:
        ((kind, mark),) = marks
        return Want(kind, getattr(mark, "field", None) if kind == "state" else None, optional)
    for cls in _classes(hint):
        kind = next(filter(None, map(_CLASSES.get, _names(cls))), None)
        if kind is not None:
            foreign = kind == "runtime" and not issubclass(cls, ToolRuntime)
            return Want(kind, optional=optional, like=cls if foreign else None)
    return Want("runtime", optional=optional) if name == "runtime" else None


def _metadata(hint: Any) -> list[Any]:
    """What stands beside the type in Annotated, inside of unions too."""
    args = get_args(hint)
    if get_origin(hint) is Annotated:
        return [*_metadata(args[0]), *args[1:]]
    return [mark for arg in args if get_origin(arg) is Annotated for mark in _metadata(arg)]


def _marked(mark: Any) -> str | None:
    names = _names(mark if isinstance(mark, type) else type(mark))
    return next((kind for name in names if (kind := _MARKERS.get(name)) is not None), None)


def _names(cls: type) -> list[str]:
    return [base.__name__ for base in cls.__mro__]


def _classes(hint: Any) -> list[type]:
    """The class that a type is, or the classes that a union has."""
    origin = get_origin(hint)
    bare = origin or hint
    if isinstance(bare, type) and origin is not Annotated:
        if bare.__module__ == "types":  # X | Y
            return [cls for arg in get_args(hint) for cls in _classes(arg)]
        return [bare]
    return [cls for arg in get_args(hint) if arg is not hint for cls in _classes(arg)]


def filled_in(wants: Wants, tool: str, runtime: ToolRuntime, messages_key: str) -> dict[str, Any]:
    """The values for the parameters.

    Raises ToolInjectionError for a state key, or a store, that is not there.
    """
    values: dict[str, Any] = {}
    for name, want in wants.items():
        match want.kind:
            case "state":
                _put_state(values, name, want, tool, runtime.state, messages_key)
            case "store":
                values[name] = _store(tool, runtime)
            case "runtime":
                values[name] = runtime if want.like is None else want.like(**vars(runtime))
            case "tool_call_id":
                values[name] = runtime.tool_call_id
            case "config":
                values[name] = runtime.config
            case "writer":
                values[name] = runtime.stream_writer
            case _:
                pass
    return values


def _put_state(
    values: dict[str, Any], name: str, want: Want, tool: str, state: Any, messages_key: str
) -> None:
    if isinstance(state, list):  # a graph whose whole state is its messages
        state = {messages_key: cast("list[Any]", state)}
    if want.field is None:
        values[name] = state
        return
    value = field_of(state, want.field, _MISSING)
    if value is not _MISSING:
        values[name] = value
    elif not want.optional:
        raise ToolInjectionError(
            f"Invalid input to ToolNode. Tool {tool} requires graph state dict as input. State "
            f"should contain fields {want.field}, for its parameter {name!r}, and has none of that "
            "name: give the key a value before the tool is called, or the parameter a default"
        )


def _store(tool: str, runtime: ToolRuntime) -> Any:
    if runtime.store is None:
        raise ToolInjectionError(
            "Cannot inject store into tools with InjectedStore annotations - please compile your "
            f"graph with a store: tool {tool} asks for one, and there is none"
        )
    return runtime.store
