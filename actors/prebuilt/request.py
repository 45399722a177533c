"""What wraps a tool call is given, and the forms that a single call may be sent to a node in."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, Self, TypeAlias, TypedDict

from actors.hints import function_of

from .errors import ToolDefinitionError
from .injected import ToolRuntime
from .turns import ToolCall


@dataclass(frozen=True, slots=True)
class ToolCallRequest:
    """A tool call on its way to its tool."""

    tool_call: ToolCall
    tool: Any
    """The tool; None if the node has none of that name."""
    state: Any
    runtime: ToolRuntime

    def override(self, **changes: Any) -> Self:
        """The same request with other values.  Raises TypeError for a name it does not have."""
        return replace(self, **changes)


ToolCallWithContext = TypedDict(
    "ToolCallWithContext",
    {"__type": Literal["tool_call_with_context"], "tool_call": ToolCall, "state": Any},
)
"""A call with the state it is to see, as the argument of a Send."""

Wrapper: TypeAlias = Callable[[ToolCallRequest, Callable[[ToolCallRequest], Any]], Any]
"""Sync code around a call: given the request and what carries it out, gives the result."""
AsyncWrapper: TypeAlias = Callable[
    [ToolCallRequest, Callable[[ToolCallRequest], Awaitable[Any]]], Awaitable[Any]
]
"""The same as async code."""


def check_wrappers(sync: Any, awaited: Any) -> None:
    """Raise ToolDefinitionError for what wraps no call: it cannot be called, or is async where sync
    code is wanted."""
    for name, given in (("wrap_tool_call", sync), ("awrap_tool_call", awaited)):
        if given is not None and not callable(given):
            raise ToolDefinitionError(
                f"{name}={given!r} cannot be called: give a function (request, execute) that "
                "returns what `execute(request)` gave, a message or a Command"
            )
    if sync is not None and inspect.iscoroutinefunction(function_of(sync)):
        raise ToolDefinitionError(
            f"wrap_tool_call={sync!r} is async, and is called as sync code: give it as "
            "awrap_tool_call"
        )
