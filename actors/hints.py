"""Annotations: of a schema's fields, of a function's parameters, and the classes named in them.

Pydantic and msgspec are looked up among the modules already imported, never imported here: a class
of theirs cannot be met before they are.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
import typing
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Annotated, Any, ForwardRef, Literal, cast, get_args, get_origin

from .errors import GraphBuildError


def is_typed_dict(cls: Any) -> bool:
    """True for a TypedDict class, whichever module made it."""
    return isinstance(cls, type) and hasattr(cls, "__total__") and hasattr(cls, "__required_keys__")


def is_dataclass(cls: Any) -> bool:
    """True for a dataclass (not for an instance of one)."""
    return isinstance(cls, type) and dataclasses.is_dataclass(cls)


def is_pydantic(cls: Any) -> bool:
    """True for a pydantic model."""
    return _derives(cls, "pydantic", "BaseModel")


def is_msgspec(cls: Any) -> bool:
    """True for a msgspec struct."""
    return _derives(cls, "msgspec", "Struct")


def is_named_tuple(cls: Any) -> bool:
    """True for a named tuple's class."""
    return isinstance(cls, type) and hasattr(cls, "_fields") and tuple in cls.__mro__


def is_schema_class(cls: Any) -> bool:
    """True for what a node's first parameter may be annotated with to get a state of its own."""
    return is_typed_dict(cls) or is_dataclass(cls) or is_pydantic(cls) or is_msgspec(cls)


def _derives(cls: Any, module: str, name: str) -> bool:
    base = getattr(sys.modules.get(module), name, None)
    return base is not None and isinstance(cls, type) and issubclass(cls, base) and cls is not base


def field_names(cls: type) -> tuple[str, ...] | None:
    """The names a class is constructed with; None when all its annotations are fields."""
    if is_pydantic(cls):
        return tuple(cast("Any", cls).model_fields)
    if is_dataclass(cls):
        return tuple(f.name for f in dataclasses.fields(cast("Any", cls)) if f.init)
    if is_msgspec(cls):
        return tuple(cast("Any", cls).__struct_fields__)
    return None


def field_hints(cls: type) -> dict[str, Any]:
    """A class's fields and their types, metadata included, inherited fields first.

    Raises GraphBuildError naming the annotation that cannot be resolved.
    """
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except Exception:  # noqa: BLE001 - an annotation can be any expression, and raise anything
        hints = _pydantic_hints(cls) if is_pydantic(cls) else _hints_one_by_one(cls)
    names = field_names(cls)
    return hints if names is None else {name: hints[name] for name in names if name in hints}


def _pydantic_hints(cls: Any) -> dict[str, Any]:
    """Pydantic resolved the names in the scope where the class stands, which is out of reach."""
    return {
        name: Annotated[(info.annotation, *info.metadata)] if info.metadata else info.annotation
        for name, info in cls.model_fields.items()
    }


def _hints_one_by_one(cls: type) -> dict[str, Any]:
    hints: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        scope = vars(sys.modules.get(base.__module__, typing))
        local = {**vars(typing), base.__name__: base}
        for name, annotation in inspect.get_annotations(base).items():
            try:
                hints[name] = resolved(annotation, scope, local)
            except Exception as error:
                raise GraphBuildError(
                    f"The annotation {annotation!r} of {cls.__name__}.{name} cannot be resolved "
                    f"({error}): its names are not those of module {base.__module__!r}. Define "
                    "what it names at the top of that module, or give the annotation itself "
                    "instead of its text"
                ) from error
    return hints


def resolved(annotation: Any, scope: dict[str, Any], local: Mapping[str, Any]) -> Any:
    """An annotation with the names in it looked up; raises what looking up raises."""

    def carrier() -> None: ...

    carrier.__annotations__ = {"it": annotation}
    return typing.get_type_hints(carrier, scope, dict(local), include_extras=True)["it"]


def parameter_hint(function: Any, annotation: Any, known: Mapping[str, Any]) -> Any:
    """What a parameter's annotation means; None when its text cannot be resolved.

    Names are looked up in the function's module, its closure, and `known`.
    """
    if annotation is inspect.Parameter.empty:
        return None
    if not isinstance(annotation, str):
        return annotation
    scope: dict[str, Any] = getattr(function, "__globals__", {})
    try:
        return resolved(annotation, scope, {**known, **_closure(function)})
    except Exception:  # noqa: BLE001 - names imported for type checkers only are common
        return None


def _closure(function: Any) -> dict[str, Any]:
    code, cells = getattr(function, "__code__", None), getattr(function, "__closure__", None)
    if code is None or not cells:
        return {}
    found: dict[str, Any] = {}
    for name, cell in zip(code.co_freevars, cells, strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return found


_QUALIFIERS = frozenset({"Required", "NotRequired", "ReadOnly", "Final"})


def look_through(hint: Any) -> Any:
    """A field's type without Required, NotRequired, ReadOnly and Final around it.

    Known by name: typing and typing_extensions each have their own ReadOnly.
    """
    while getattr(get_origin(hint), "_name", None) in _QUALIFIERS:
        hint = get_args(hint)[0]
    return hint


def types_in(hints: Iterable[Any]) -> tuple[type, ...]:
    """Dataclasses, pydantic models, enums and named tuples that values of these types may hold.

    Fields of what is found are looked into too; what cannot be resolved there is left out.
    """
    seen: dict[Any, None] = {}
    stack = list(hints)[::-1]
    while stack:
        hint = look_through(stack.pop())
        hint = getattr(hint, "__value__", getattr(hint, "__supertype__", hint))
        if isinstance(hint, type) and not get_args(hint):
            if hint not in seen:
                seen[hint] = None
                stack.extend(_inner_hints(hint)[::-1])
        else:
            stack.extend(_parts(hint)[::-1])
    return tuple(cls for cls in seen if _is_stored(cls))


def _parts(hint: Any) -> list[Any]:
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return [args[0]]
    if origin is Literal:
        return [type(arg) for arg in args]
    if origin is None:
        return []
    return [origin, *(arg for arg in args if not isinstance(arg, str | ForwardRef | list))]


def _inner_hints(cls: type) -> list[Any]:
    if not (is_schema_class(cls) or is_named_tuple(cls)):
        return []
    try:
        return list(field_hints(cls).values())
    except GraphBuildError:
        return []


def _is_stored(cls: type) -> bool:
    return (
        is_dataclass(cls)
        or is_pydantic(cls)
        or is_named_tuple(cls)
        or (issubclass(cls, Enum) and cls is not Enum)
    )


def function_of(call: Callable[..., Any]) -> Any:
    """The plain function behind a partial, a method, a callable object or a wrapper."""
    while hasattr(call, "func"):
        call = cast("Any", call).func
    if not inspect.isroutine(call) and not isinstance(call, type):
        call = type(call).__call__
    return inspect.unwrap(getattr(call, "__func__", call))
