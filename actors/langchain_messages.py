"""Messages as LangChain's, in a process that has loaded langchain_core.

This module imports langchain_core; the engine loads it only in a process that has done so already.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import langchain_core.messages as lc

from checkpoint import new_id

from .errors import MessageError
from .plain_messages import CHAT, PlainMessage, checked, is_removing_object, shown

_ASSISTANT = frozenset({"ai", "assistant"})
_OWN = ("usage_metadata", "invalid_tool_calls")
"""Fields of a model's message that LangChain takes for additional ones in a dict."""
_WHOLE: frozenset[type] = frozenset(
    {
        lc.AIMessage,
        lc.ChatMessage,
        lc.FunctionMessage,
        lc.HumanMessage,
        lc.RemoveMessage,
        lc.SystemMessage,
        lc.ToolMessage,
    }
)
MESSAGES = _WHOLE | {
    lc.AIMessageChunk,
    lc.ChatMessageChunk,
    lc.FunctionMessageChunk,
    lc.HumanMessageChunk,
    lc.SystemMessageChunk,
    lc.ToolMessageChunk,
}
"""The classes of messages that a thread may hold."""


def document_classes() -> tuple[type, ...]:
    """The classes of documents that a thread may hold, in messages or by themselves."""
    from langchain_core.documents import Document

    return (Document,)


def is_message(value: Any) -> bool:
    """True for a message of LangChain, whole or a chunk."""
    return isinstance(value, lc.BaseMessage)


def convert(messages: Sequence[Any]) -> tuple[list[lc.BaseMessage], list[str]]:
    """The messages as LangChain's, chunks as whole ones, and their ids.

    One without id gets one, which stays with it.  Raises MessageError for what cannot be a message.
    """
    if _WHOLE.issuperset(map(type, messages)):
        converted = list(cast("Sequence[lc.BaseMessage]", messages))
    else:
        converted = [_message(message) for message in messages]
    return converted, _identify(converted)


held = convert
"""Messages that a state holds may have been stored as dicts."""


def _identify(messages: Sequence[lc.BaseMessage]) -> list[str]:
    ids = [message.id for message in messages]
    if None in ids:
        for index, message in enumerate(messages):
            if message.id is None:
                ids[index] = message.id = new_id()
    return cast("list[str]", ids)


def _message(message: Any) -> lc.BaseMessage:
    if is_message(message):
        return lc.message_chunk_to_message(message)
    if is_removing_object(message):
        return lc.RemoveMessage(id=message.id)
    given = message if _is_dumped(message) else _with_content(checked(message))
    given, more = _parted(given)
    try:
        made = lc.convert_to_messages([given])[0]
        return _with_more(made, more) if more else made
    except (AttributeError, KeyError, NotImplementedError, TypeError, ValueError) as error:
        raise MessageError(
            f"{shown(message)} cannot be a message: LangChain makes none of it "
            f"({type(error).__name__}: {error}); give what its message class takes"
        ) from error


def _parted(message: Any) -> tuple[Any, dict[str, Any]]:
    """A message as LangChain takes it, and what it would put elsewhere, or not take: what it cost,
    and calls whose arguments are no JSON object, as of a model that was cut off."""
    if not isinstance(message, dict):
        return message, {}
    plain = dict(cast("PlainMessage", message))
    if plain.get("role", plain.get("type")) not in _ASSISTANT:
        return plain, {}
    more = {name: plain.pop(name) for name in _OWN if plain.get(name)}
    read = [_read_call(call) for call in cast("list[Any]", plain.get("tool_calls") or [])]
    if read:
        plain["tool_calls"] = [call for call, invalid in read if invalid is None]
    if refused := [invalid for _, invalid in read if invalid is not None]:
        more["invalid_tool_calls"] = [*more.get("invalid_tool_calls", ()), *refused]
    return plain, more


def _read_call(given: Any) -> tuple[Any, dict[str, Any] | None]:
    """A call as LangChain takes it; and if its arguments are a text that is no JSON object, as it
    keeps such ones."""
    call = cast("Mapping[str, Any]", given if isinstance(given, Mapping) else {})
    if custom := call.get("custom"):
        args = {"__arg1": custom.get("input")}
        return {"name": custom.get("name"), "args": args, "id": call.get("id")}, None
    function = cast("Mapping[str, Any]", call.get("function") or {})
    text = function.get("arguments")
    if text == "":  # what a call without arguments may have
        return {**call, "function": {**function, "arguments": "{}"}}, None
    why = _why_no_object(text) if isinstance(text, str) else None
    if why is None:
        return cast("Any", given), None
    kept = {"type": "invalid_tool_call", "id": call.get("id"), "name": function.get("name")}
    return cast("Any", given), {
        **kept,
        "args": text,
        "error": f"arguments that are no JSON object: {why}",
    }


def _why_no_object(text: str) -> str | None:
    try:
        return (
            None if isinstance(json.loads(text, strict=False), dict) else "they are another value"
        )
    except ValueError as error:
        return str(error)


def _with_more(made: lc.BaseMessage, more: dict[str, Any]) -> lc.BaseMessage:
    fields = {name: getattr(made, name) for name in made.model_fields_set}
    return type(made)(**{**fields, **more})


def _with_content(message: Any) -> Any:
    """A dict that says nothing but which tools to call may leave it out."""
    if not isinstance(message, dict) or "content" in message:
        return cast("Any", message)
    return {**cast("PlainMessage", message), "content": ""}


def _is_dumped(message: Any) -> bool:
    """True for the form that LangChain itself writes messages in."""
    if not isinstance(message, dict):
        return False
    plain = cast("PlainMessage", message)
    return plain.get("lc") == 1 and plain.get("type") == "constructor"


def openai_format(messages: Sequence[lc.BaseMessage]) -> list[lc.BaseMessage]:
    """The messages with their contents as OpenAI has them, under the ids they have.

    Where one becomes several, as a message with results of tools does, the new ones get new ids.
    """
    given = cast("Any", lc.convert_to_openai_messages(list(messages), include_id=True))
    formatted = lc.convert_to_messages(given)
    _identify(formatted)
    return formatted


# ------------------------------------------------------------------------------ as plain dicts

_ROLES = {"human": "user", "ai": "assistant"}
_UNNAMED = frozenset({"content", "example", "id", "role", "tool_calls", "type"})


def plain(messages: Iterable[Any]) -> list[Any]:
    """The messages with LangChain's among them as plain dicts."""
    return [as_dict(one) if isinstance(one, lc.BaseMessage) else one for one in messages]


def as_dict(message: lc.BaseMessage) -> PlainMessage:
    """A message as a dict of role and content, and of whatever else it says.

    Tool calls have the form of OpenAI; further keys are named as the message's fields are.
    """
    whole = lc.message_chunk_to_message(message)
    fields = {**whole.__dict__, **(whole.__pydantic_extra__ or {})}
    kwargs = dict(whole.additional_kwargs)
    role = fields.get("role") or kwargs.pop("__openai_role__", _ROLES.get(whole.type, whole.type))
    made: PlainMessage = {"role": role, "content": whole.content}
    if isinstance(whole, lc.ChatMessage):
        made["type"] = CHAT
    if whole.id is not None:
        made["id"] = whole.id
    if calls := fields.get("tool_calls"):
        made["tool_calls"] = [_call(call) for call in calls]
        kwargs.pop("tool_calls", None)
    others = {**fields, "additional_kwargs": kwargs}
    return made | {name: value for name, value in others.items() if _says_more(name, value)}


def _says_more(name: str, value: Any) -> bool:
    if name in _UNNAMED or value is None or (name == "status" and value == "success"):
        return False
    return not isinstance(value, dict | list) or bool(cast("Any", value))


def _call(call: lc.ToolCall) -> dict[str, Any]:
    arguments = json.dumps(call["args"], ensure_ascii=False, default=str)
    function = {"name": call["name"], "arguments": arguments}
    return {"id": call["id"], "type": "function", "function": function}
