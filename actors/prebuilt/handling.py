"""Which errors of tools are answered as messages, so that the model can mend them, and how."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias, cast, get_args

from .errors import ToolDefinitionError, ToolInvocationError
from .wants import hints_of

ErrorHandling: TypeAlias = (
    bool | str | Callable[..., str | Awaitable[str]] | type[Exception] | tuple[type[Exception], ...]
)
Answer: TypeAlias = Callable[[Exception], str | Awaitable[str] | None]
"""What to tell the model of an error; None: nothing, it is raised."""


def invocation_errors(error: ToolInvocationError) -> str:
    """The default: wrong arguments are the model's to mend, and nothing else is."""
    return error.message


def answer_to(handling: Any) -> Answer:
    """The answers that `handle_tool_errors` asks for.  Raises ToolDefinitionError for what cannot
    be."""
    if isinstance(handling, bool):
        return _answer((Exception,) if handling else (), _template)
    if isinstance(handling, str):
        return _answer((Exception,), lambda _: handling)
    if _is_error_class(handling):
        return _answer((handling,), _template)
    if isinstance(handling, tuple):
        types = cast("tuple[Any, ...]", handling)
        if all(map(_is_error_class, types)):
            return _answer(types, _template)
    elif callable(handling):
        handler = cast("Answer", handling)
        return _answer(_handled_by(handler), handler)
    raise ToolDefinitionError(
        f"handle_tool_errors={handling!r} says of no error what to do. Got unexpected type of "
        "`handle_tool_error`. Expected bool, str or callable, an exception class, or a tuple of "
        "those: give one of them"
    )


def _answer(types: tuple[type[Exception], ...], text: Answer) -> Answer:
    return lambda error: text(error) if isinstance(error, types) else None


def _template(error: Exception) -> str:
    return f"Error: {error!r}\n Please fix your mistakes."


def _is_error_class(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Exception)


def _handled_by(handler: Callable[..., Any]) -> tuple[type[Exception], ...]:
    """The errors that a handler's first parameter is annotated with; all, if it is not."""
    signature = inspect.signature(handler)
    try:
        signature.bind(None)
    except TypeError as error:
        raise ToolDefinitionError(
            f"handle_tool_errors={handler!r} is called with the error and nothing else, which does "
            f"not fit ({error}). Give a function of one parameter"
        ) from error
    hint = hints_of(handler)[next(iter(signature.parameters))]
    if hint is Any:
        return (Exception,)
    types: tuple[Any, ...] = get_args(hint) or (hint,)
    if all(map(_is_error_class, types)):
        return types
    raise ToolDefinitionError(
        f"handle_tool_errors={handler!r} takes {hint!r}, which is no error. Arbitrary types are "
        "not supported in the error handler signature: annotate it with an exception class, or a "
        "union of some. All types in the error handler error annotation must be Exception types"
    )
