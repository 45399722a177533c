"""Plain dicts as the mode `messages` shows them: whole messages, in the form of a piece."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from streaming import MessageChunk, ToolCallChunk

from .plain_messages import REMOVE, PlainMessage, role_as_stored


def is_plain(value: Any) -> bool:
    """True for a dict with a role, or LangChain's type of one, that says something: a text, blocks,
    or which tools to call."""
    if not isinstance(value, dict):
        return False
    plain = cast("PlainMessage", value)
    if role_as_stored(plain) in (None, REMOVE):
        return False
    content = plain.get("content")
    return isinstance(content, str | list) or (content is None and bool(plain.get("tool_calls")))


def chunk_of(plain: PlainMessage, message_id: str) -> MessageChunk:
    """A plain message under this id, with the text of its blocks, if it has some."""
    return MessageChunk(
        _text_of(plain.get("content")),
        message_id,
        role_as_stored(plain),
        plain.get("name"),
        tuple(_call(place, call) for place, call in enumerate(_listed(plain.get("tool_calls")))),
        plain.get("usage_metadata"),
        plain.get("refusal") or "",
        plain.get("tool_call_id"),
        plain.get("reasoning_content") or "",
        tuple(plain.get("annotations") or ()),
        tuple(plain.get("output_items") or ()),
    )


def _text_of(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(map(_text_of_block, _listed(content)))


def _text_of_block(block: Any) -> str:
    text = block if isinstance(block, str) else _fields(block).get("text")
    return text if isinstance(text, str) else ""


def _call(place: int, given: Any) -> ToolCallChunk:
    """A call, which has one of OpenAI's forms or LangChain's."""
    call = _fields(given)
    function = _fields(call.get("function")) or _fields(call.get("custom")) or call
    arguments = function.get("arguments", function.get("args"))
    if "input" in function:
        arguments = {"__arg1": function["input"]}
    if arguments is not None and not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False, default=str)
    return {
        "name": function.get("name"),
        "args": arguments,
        "id": call.get("id"),
        "index": place,
        "type": "tool_call_chunk",
    }


def _fields(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}


def _listed(value: Any) -> Sequence[Any]:
    if isinstance(value, list | tuple):
        return cast("Sequence[Any]", value)
    return [] if value is None else [value]
