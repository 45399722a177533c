"""Messages that answer tool calls, in the form that the calling message has."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, cast

from .turns import ToolCall, is_assistant, is_tool_message

_BLOCKS = frozenset(
    {
        "custom_tool_call_output",
        "document",
        "file",
        "image",
        "image_url",
        "json",
        "search_result",
        "text",
        "tool_reference",
    }
)
"""Types of content blocks that a message of a tool may consist of."""


def content_of(result: Any) -> Any:
    """What a tool returned as a message's content: a str or content blocks as they are, anything
    else as JSON, or else as its str."""
    if isinstance(result, str) or _are_blocks(result):
        return result
    try:
        return json.dumps(result, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return str(result)


def _are_blocks(result: Any) -> bool:
    if not isinstance(result, list):
        return False
    blocks = cast("list[Any]", result)
    return all(isinstance(one, dict) and cast("Any", one).get("type") in _BLOCKS for one in blocks)


def reply(content: Any, call: ToolCall, *, plain: bool, error: bool = False) -> Any:
    """A message that answers a call."""
    if not plain:
        from .langchain_tools import tool_message

        return tool_message(content, call, error=error)
    message = {
        "role": "tool",
        "content": content,
        "name": call["name"],
        "tool_call_id": call["id"],
    }
    return {**message, "status": "error"} if error else message


def unknown_tool(call: ToolCall, known: Iterable[str], *, plain: bool) -> Any:
    """The answer to a call of a tool that is not there."""
    text = f"Error: {call['name']} is not a valid tool, try one of [{', '.join(known)}]."
    return reply(text, call, plain=plain, error=True)


def is_reply(value: Any) -> bool:
    """True for a message that a tool itself made."""
    if isinstance(value, dict):
        return is_tool_message(value) and "tool_call_id" in value
    return is_tool_message(value) and not is_assistant(value) and hasattr(value, "tool_call_id")


def in_form(message: Any, *, plain: bool) -> Any:
    """A reply in the form that is wanted, with its content as `content_of` has it."""
    if isinstance(message, dict):
        made = cast("dict[str, Any]", message)
        shaped = {**made, "content": content_of(made.get("content", ""))}
        if plain:
            return shaped
        from .langchain_tools import message_of

        return message_of(shaped)
    message.content = content_of(message.content)
    if not plain:
        return message
    from actors.langchain_messages import as_dict

    return as_dict(message)
