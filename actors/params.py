"""User code, inspected once when it is added: how to call it and which parameters it asks for.

A node or path takes the state, and may ask for more, by a parameter's name (config, writer, store,
runtime, previous) or by the name of its annotation's class.  The class is known by name, so that
`RunnableConfig` counts whichever package it comes from and none is imported to compare.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from functools import partial
from inspect import Parameter
from types import UnionType
from typing import Annotated, Any, NamedTuple, Union, cast, get_args, get_origin

from .errors import GraphBuildError
from .hints import function_of, parameter_hint
from .spec import GraphSpec

KINDS = frozenset({"config", "writer", "store", "runtime", "previous"})
HANDLER_KINDS = KINDS | {"error"}
"""What an error handler may ask for."""
_KIND_OF_CLASS = {
    "RunnableConfig": "config",
    "StreamWriter": "writer",
    "Runtime": "runtime",
    "BaseStore": "store",
    "Store": "store",
    "InMemoryStore": "store",
    "MemoryStore": "store",
    "SqliteStore": "store",
    "NodeError": "error",
}
_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_VARIADIC = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


class Callee(NamedTuple):
    """A piece of user code, ready to be called as `call(state, **injected)`."""

    call: Any
    is_async: bool
    name: str | None
    """Its own name; None for a lambda or a partial."""
    params: Mapping[str, str]
    """Injected parameters: parameter name -> kind."""
    reads: Any = None
    """What the state parameter is annotated with, if it is and can be resolved."""
    returns: Any = None
    """What the result is annotated with, likewise."""


def callee_of(
    code: Any, role: str, known: Mapping[str, Any], kinds: AbstractSet[str] = KINDS
) -> Callee:
    """Inspect user code.  `role` says in errors what it is, `known` resolves names in annotations,
    `kinds` is what it may ask for.

    Raises GraphBuildError when it cannot be called with a state, or needs more than can be given.
    """
    if isinstance(getattr(code, "spec", None), GraphSpec):
        return Callee(code, is_async=True, name=code.spec.name, params={})
    if not isinstance(code, type) and (hasattr(code, "ainvoke") or hasattr(code, "invoke")):
        return _runnable(code)
    if not callable(code):
        raise GraphBuildError(
            f"{role} is {code!r}, which cannot be called. Give a function, an async function, a "
            "callable object or a compiled graph"
        )
    return _function(code, role, known, kinds)


def _runnable(code: Any) -> Callee:
    name = getattr(code, "name", None) or type(code).__name__
    if not hasattr(code, "ainvoke"):
        return Callee(code.invoke, is_async=False, name=name, params={"config": "config"})

    async def run(state: Any, config: Any) -> Any:
        return await code.ainvoke(state, config)

    setattr(run, _RUNNABLE, code)
    return Callee(run, is_async=True, name=name, params={"config": "config"})


def is_runnable(call: Any) -> bool:
    """True if `callee_of` was given an object with `invoke`, which may trace itself, for it."""
    return hasattr(call, _RUNNABLE) or hasattr(getattr(call, "__self__", None), "invoke")


def runnable_of(call: Any) -> Any:
    """The object with `ainvoke` that `callee_of` was given for it, if it was given one."""
    return getattr(call, _RUNNABLE, None)


_RUNNABLE = "__understudy_runnable__"


def _function(code: Any, role: str, known: Mapping[str, Any], kinds: AbstractSet[str]) -> Callee:
    call = code if _is_plain(code) else code.__call__
    if inspect.isgeneratorfunction(call) or inspect.isasyncgenfunction(call):
        raise GraphBuildError(
            f"{role} is {code!r}, a generator function, whose yields nobody would take. Return the "
            "update; to stream on the way, call a `writer` parameter"
        )
    is_async, name = inspect.iscoroutinefunction(call), _name_of(code)
    try:
        signature = inspect.signature(call)
    except ValueError:  # a builtin that tells nothing of its parameters
        return Callee(call, is_async=is_async, name=name, params={})
    parameters = [p for p in signature.parameters.values() if p.name not in _bound_by(code)]
    state, params = _split(parameters, f"{role} ({name or repr(code)})", kinds)
    if state.kind is Parameter.KEYWORD_ONLY or (
        state.kind in _POSITIONAL and state is not parameters[0]
    ):
        call = _by_keyword(call, is_async, state.name)
    function = function_of(code)
    return Callee(
        call,
        is_async,
        name,
        params,
        parameter_hint(function, state.annotation, known),
        parameter_hint(function, signature.return_annotation, known),
    )


def injected_into(parameters: Iterable[Parameter]) -> dict[str, str]:
    """What a function asks for beside the arguments that its caller gives: parameter -> kind."""
    kinds = ((p, _kind_of(p, KINDS)) for p in parameters if p.kind is not Parameter.POSITIONAL_ONLY)
    return {p.name: kind for p, kind in kinds if kind is not None}


def _is_plain(code: Any) -> bool:
    return inspect.isroutine(code) or isinstance(code, type | partial)


def _bound_by(code: Any) -> Mapping[str, Any]:
    return cast("partial[Any]", code).keywords if isinstance(code, partial) else {}


def _name_of(code: Any) -> str | None:
    name = getattr(code, "__name__", None)
    if name is None and not isinstance(code, partial):
        name = type(code).__name__
    return None if name == "<lambda>" else name


def _split(
    parameters: list[Parameter], who: str, known: AbstractSet[str]
) -> tuple[Parameter, dict[str, str]]:
    """The state's parameter, and the kinds of the injected ones."""
    kinds = {p.name: kind for p in parameters if (kind := _kind_of(p, known)) is not None}
    state = _state_parameter(parameters, kinds)
    if state is None:
        raise GraphBuildError(
            f"{who} takes no state: it is called with the state as its first argument. "
            "Add a parameter for it"
        )
    kinds.pop(state.name, None)
    for p in parameters:
        if p is state or p.kind in _VARIADIC:
            continue
        if p.name not in kinds and p.default is Parameter.empty:
            raise GraphBuildError(
                f"{who} needs a parameter {p.name!r} that nothing fills: it is called with the "
                f"state and, by name, any of {sorted(known)}. Rename it, give it a default, or "
                "bind it with functools.partial"
            )
        if p.name in kinds and p.kind is Parameter.POSITIONAL_ONLY:
            raise GraphBuildError(
                f"{who} asks for {p.name!r} by position only, and such values are given by name. "
                "Move the `/` before it"
            )
    return state, kinds


def _state_parameter(parameters: list[Parameter], kinds: Mapping[str, str]) -> Parameter | None:
    free = [p for p in parameters if p.name not in kinds]
    for p in free:
        if p.kind in _POSITIONAL:
            return p
    by_name_only = [p for p in parameters if p.kind in _POSITIONAL and _class_kind(p) is None]
    if by_name_only:  # like `def node(config)`: a lone parameter is the state, whatever its name
        return by_name_only[0]
    rest = [p for p in free if p.kind is Parameter.VAR_POSITIONAL]
    named = [p for p in free if p.kind is Parameter.KEYWORD_ONLY and p.default is Parameter.empty]
    return next(iter(rest + named), None)


def _kind_of(p: Parameter, known: AbstractSet[str]) -> str | None:
    if p.kind in _VARIADIC:
        return None
    kind = _class_kind(p)
    if kind is not None and kind not in known:
        return None
    if kind is None and p.name in known and p.default in (Parameter.empty, None):
        return p.name
    return kind


def _class_kind(p: Parameter) -> str | None:
    names = _class_names(p.annotation)
    return next((_KIND_OF_CLASS[name] for name in names if name in _KIND_OF_CLASS), None)


_CLASS_IN_TEXT = r"(?:(?:\w+\.)*(?:Optional|Annotated)\[)?\s*(?:\w+\.)*(\w+)"


def _class_names(annotation: Any) -> list[str]:
    """Names of the class, or of a union's classes, without their own parameters."""
    if isinstance(annotation, str):
        matches = (re.match(_CLASS_IN_TEXT, part.strip()) for part in annotation.split("|"))
        return [match[1] for match in matches if match]
    origin = get_origin(annotation)
    if origin is Union or origin is UnionType:
        return [name for part in get_args(annotation) for name in _class_names(part)]
    if origin is Annotated:
        return _class_names(get_args(annotation)[0])
    return [getattr(origin or annotation, "__name__", "")]


def _by_keyword(call: Callable[..., Any], is_async: bool, name: str) -> Callable[..., Any]:
    """For code whose state parameter is not the first."""

    async def call_async(state: Any, **injected: Any) -> Any:
        return await call(**{name: state}, **injected)

    def call_sync(state: Any, **injected: Any) -> Any:
        return call(**{name: state}, **injected)

    return call_async if is_async else call_sync
