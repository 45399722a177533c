"""What messages say of tools, whichever form they have: LangChain's objects, or plain dicts.

    {"role": "assistant", "content": "", "tool_calls": [{"name": "add", "args": {…}, "id": "1"}]}
    {"role": "tool", "content": "3", "name": "add", "tool_call_id": "1"}

A plain message may also have its calls as OpenAI's models give them, with their arguments as JSON.
LangChain's messages are known by their `type`, so that nothing is imported to look at one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NotRequired, TypedDict, cast

from .errors import ToolInputError

_ASSISTANT = frozenset({"assistant", "ai", "AIMessageChunk"})
_TOOL = frozenset({"tool", "ToolMessageChunk"})
FREE_INPUT = "__arg1"
"""LangChain's name of the only argument of a call that was made with a text."""


class ToolCall(TypedDict):
    """A model's wish to have a tool run."""

    name: str
    args: Any
    """A dict; the text as it came where a model's JSON is none."""
    id: str | None
    type: NotRequired[Literal["tool_call"]]


def is_assistant(message: Any) -> bool:
    """True for a message of a model."""
    return _kind(message) in _ASSISTANT


def is_tool_message(message: Any) -> bool:
    """True for a message that answers a tool call."""
    return _kind(message) in _TOOL


def _kind(message: Any) -> Any:
    if isinstance(message, dict):
        plain = cast("Mapping[str, Any]", message)
        return plain.get("role", plain.get("type"))
    return getattr(message, "type", None)


def said(message: Any, name: str) -> Any:
    """A field of a message; None if it does not have it."""
    if isinstance(message, dict):
        return cast("Mapping[str, Any]", message).get(name)
    return getattr(message, name, None)


def calls_of(message: Any) -> list[ToolCall]:
    """The tools that a message asks for; none if it is not a model's.

    Raises ToolInputError for what is no call, in a plain message.
    """
    calls = said(message, "tool_calls") if is_assistant(message) else None
    if not isinstance(message, dict):
        return list(calls or ())
    if not isinstance(calls, list | tuple):
        calls = [] if calls is None else [calls]
    return [_parsed(call) for call in cast("Sequence[Any]", calls)]


def _parsed(given: Any) -> ToolCall:
    call = cast("Mapping[str, Any]", given if isinstance(given, Mapping) else {})
    own = (call.get(kind) for kind in ("function", "custom"))
    function: Any = next((each for each in own if each is not None), call)
    if not isinstance(function, Mapping) or "name" not in function:
        raise ToolInputError(
            f"{given!r} among the tool_calls of a message calls no tool: it has no 'name'. Give "
            "{'name': …, 'args': {…}, 'id': …}, or a call as OpenAI's models give it"
        )
    known, named = call.get("id"), cast("Mapping[str, Any]", function)
    if function is call.get("custom"):
        args: Any = {FREE_INPUT: named.get("input")}
    else:
        args = call.get("args", {}) if function is call else _arguments(named.get("arguments"))
    return ToolCall(name=named["name"], args=args, id=known, type="tool_call")


def _arguments(text: Any) -> Any:
    """What a model gave as JSON; the text itself if it is none."""
    try:
        return json.loads(text or "{}")
    except (TypeError, ValueError):
        return text


def last_turn(messages: Sequence[Any]) -> Any:
    """The last message of a model; None if there is none."""
    return next((message for message in reversed(messages) if is_assistant(message)), None)


def open_calls(messages: Sequence[Any], calls: Sequence[ToolCall]) -> list[ToolCall]:
    """Those of the calls that no message answers."""
    answered = {said(one, "tool_call_id") for one in messages if is_tool_message(one)}
    return [call for call in calls if call["id"] not in answered]


def field_of(state: Any, key: str, default: Any = None) -> Any:
    """A key of a state that is a dict, or an instance of a schema."""
    if isinstance(state, Mapping):
        return cast("Mapping[str, Any]", state).get(key, default)
    return getattr(state, key, default)


def messages_of(state: Any, messages_key: str) -> list[Any]:
    """The messages of a state, which may itself be the list of them; empty if it has none."""
    found: Any = cast("Any", state) if isinstance(state, list) else field_of(state, messages_key)
    return list(found or ())


def is_plain(message: Any) -> bool:
    """True for a message that is a plain dict."""
    return isinstance(message, dict) and _kind(message) is not None
