"""A run's `context` argument, made what the graph's context schema says; pure."""

from __future__ import annotations

from collections.abc import Mapping
from reprlib import repr as shortened
from typing import Any, cast, get_origin

from .errors import ContextTypeError
from .hints import is_dataclass, is_msgspec, is_pydantic, is_typed_dict


def read_context(schema: Any, given: Any) -> Any:
    """What nodes find as `runtime.context`: an instance of the schema made from a dict, else what
    was given (a TypedDict stays a dict).

    Raises ContextTypeError when it is neither, or does not fit; pydantic's ValidationError.
    """
    if schema is None or given is None:
        return given
    cls = get_origin(schema) or schema
    if is_typed_dict(cls):
        if not isinstance(given, Mapping):
            raise _misfit(schema, given, "a dict")
        return cast("Mapping[str, Any]", given)
    if not _is_class_of_fields(cls) or isinstance(given, cls):
        return given
    if not isinstance(given, Mapping):
        raise _misfit(schema, given, f"a dict of its fields, or a {cls.__name__}")
    return _made(cls, cast("Mapping[str, Any]", given))


def _is_class_of_fields(cls: Any) -> bool:
    return is_dataclass(cls) or is_pydantic(cls) or is_msgspec(cls)


def _made(cls: Any, given: Mapping[str, Any]) -> Any:
    try:
        return cls(**given)
    except TypeError as error:
        raise ContextTypeError(
            f"context={shortened(given)} does not make a {cls.__name__}: {error}. Give its fields, "
            "no others, and all that have no default"
        ) from error


def _misfit(schema: Any, given: Any, wanted: str) -> ContextTypeError:
    return ContextTypeError(
        f"context={shortened(given)} is no {getattr(schema, '__name__', schema)}, which the graph "
        f"was built with as context_schema; give {wanted}, or None"
    )
