"""LangChain's tools, and messages that answer calls, as LangChain has them.

This module imports langchain_core; it is loaded only in a process that has done so already.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, cast

from langchain_core.messages import AnyMessage, ToolMessage, convert_to_messages
from langchain_core.messages.tool import ToolOutputMixin
from langchain_core.tools import BaseTool, StructuredTool, tool
from langchain_core.tools import Tool as StringTool
from langchain_core.tools.base import get_all_basemodel_annotations
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel, ValidationError

from actors.doors import in_sync_call
from actors.interrupts import is_refusal
from actors.runnables import in_worker
from actors.values import Command

from .errors import ToolDefinitionError, ToolInvocationError
from .injected import Injected, add_base
from .tools import check_function, flaws_of, name_of, named_input
from .turns import ToolCall
from .wants import Want, Wants, hints_of, wants_of

add_base(Command, ToolOutputMixin)  # what is not of this class LangChain turns into text
for _marker in Injected.__subclasses__():
    _marker.join_langchain()

_SYNC_ONLY = [vars(cls)["_arun"] for cls in (BaseTool, StructuredTool, StringTool)]
"""What runs the sync code of a tool without async code of its own."""


def is_langchain_tool(given: Any) -> bool:
    """True for a tool of LangChain."""
    return isinstance(given, BaseTool)


def tool_of(function: Callable[..., Any]) -> BaseTool:
    """A plain function as LangChain makes a tool of it, which callbacks are told of.

    Raises ToolDefinitionError if it makes none.
    """
    check_function(function)
    name = name_of(function)
    try:
        if function.__doc__:
            return tool(function)
        return cast("Any", tool)(description=name)(function)
    except (NameError, TypeError, ValueError) as error:
        raise ToolDefinitionError(
            f"{function!r} cannot be a tool: LangChain makes none of it ({error}). Give a "
            "function with a name and annotated parameters, or a Tool"
        ) from error


class LangChainTool:
    """A tool of LangChain, as the node that runs it sees it."""

    def __init__(self, given: BaseTool) -> None:
        self.given = given
        self.name = given.name
        self.return_direct = given.return_direct
        self.tells_events = True
        self.wants: Wants = _wants(given)
        self._names = _names(given, self.wants)
        self._async = (
            getattr(given, "coroutine", None) is not None
            or inspect.getattr_static(type(given), "_arun") not in _SYNC_ONLY
        )
        self._either = self._async and getattr(given, "func", None) is not None

    def schema(self) -> dict[str, Any]:
        """What a model is told of it, in the form of OpenAI's function tools."""
        return convert_to_openai_tool(self.given)

    async def use(self, call: ToolCall, values: Mapping[str, Any], config: Any) -> Any:
        """What it gives for a call.

        Raises ToolInvocationError for arguments that it does not take, and what it raises.
        """
        args = call["args"]
        if not isinstance(args, dict):
            raise ToolInvocationError(self.name, args, "the arguments are no JSON object")
        own = {k: v for k, v in cast("dict[str, Any]", args).items() if k not in self.wants}
        own = named_input(own, self._names)
        whole: Any = {**call, "args": {**own, **values}, "type": "tool_call"}
        try:
            if self._async and not (self._either and in_sync_call()):
                return await self.given.ainvoke(whole, config)
            return await in_worker("tool", self.given.invoke, whole, config)
        except ValidationError as error:
            if is_refusal(error):
                raise
            flaws = flaws_of(error, list(self.wants))
            if not flaws:  # in what the node filled in, which no model can mend
                raise
            raise ToolInvocationError(self.name, args, flaws) from error


def _wants(given: BaseTool) -> dict[str, Want]:
    """From the schema of its arguments, and the signature of its function."""
    schema: Any = given.get_input_schema()
    function = getattr(given, "func", None) or getattr(given, "coroutine", None)
    hints = {} if function is None else hints_of(function)
    fields: Mapping[str, Any] = {}
    if issubclass(schema, BaseModel):
        hints |= get_all_basemodel_annotations(schema)
        fields = cast("Mapping[str, Any]", schema.model_fields)
    wants = wants_of(hints, lambda name: name in fields and not fields[name].is_required())
    own = ("config", "writer")  # which LangChain fills in, or knows nothing of
    return {name: want for name, want in wants.items() if want.kind not in own}


def _names(given: BaseTool, wants: Wants) -> list[str]:
    """What a model names its arguments; nothing, of a tool that takes a text by itself."""
    schema: Any = given.get_input_schema()
    if isinstance(given, StringTool) or not issubclass(schema, BaseModel):
        return []
    return [name for name in schema.model_fields if name not in wants]


def tool_message(content: Any, call: ToolCall, *, error: bool) -> ToolMessage:
    """A message that answers a call."""
    status = "error" if error else "success"
    known = cast("str", call["id"])
    return ToolMessage(content, name=call["name"], tool_call_id=known, status=status)


def message_of(message: Any) -> AnyMessage:
    """A plain dict as LangChain's message."""
    return cast("AnyMessage", convert_to_messages([message])[0])
