"""Messages and their pieces in the form that clients know: LangChain's, whoever made them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from streaming import MessageChunk, ToolCallChunk

_TYPES: Final = {
    "assistant": "ai",
    "user": "human",
    "developer": "system",
}
"""Types of the roles that have another name as a type."""
_PIECE = "MessageChunk"
_MORE: Final = ("refusal", "reasoning_content", "annotations", "output_items")


def field_of(thing: Any, name: str) -> Any:
    """A field of a message or of a part of one, be it an object or a dict; None if it has none."""
    if isinstance(thing, Mapping):
        return cast("Mapping[str, Any]", thing).get(name)
    return getattr(thing, name, None)


def piece_json(chunk: Any) -> Any:
    """A piece of a message, or a whole one, as the mode `messages-tuple` shows it.

    LangChain's own are left as they are: they become JSON by themselves.
    """
    if not isinstance(chunk, MessageChunk):
        return chunk
    kind = _type_of(chunk)
    if kind != "ai":
        return _message(chunk, kind)
    return {
        **_message(chunk, "AIMessageChunk"),
        "tool_call_chunks": list(chunk.tool_call_chunks),
        "chunk_position": None,
    }


def whole_json(message: Any) -> Any:
    """The message that pieces add up to, as the mode `messages` shows it."""
    if isinstance(message, MessageChunk):
        return _message(message, _type_of(message))
    if not is_piece(message):
        return message
    plain: dict[str, Any] = message.model_dump()
    plain.pop("tool_call_chunks", None)
    plain.pop("chunk_position", None)
    plain["type"] = str(plain["type"]).removesuffix(_PIECE).lower()
    return plain


def is_piece(chunk: Any) -> bool:
    """True for a piece of a message, false for a message that came as a whole."""
    return isinstance(chunk, MessageChunk) or str(getattr(chunk, "type", "")).endswith(_PIECE)


def added(chunks: Sequence[Any]) -> Any:
    """The sum of pieces, as one piece."""
    if len(chunks) == 1:
        return chunks[0]
    if isinstance(chunks[0], MessageChunk):
        return _sum(cast("Sequence[MessageChunk]", chunks))
    total = chunks[0]
    for chunk in chunks[1:]:
        total = total + chunk
    return total


def _sum(chunks: Sequence[MessageChunk]) -> MessageChunk:
    first = chunks[0]
    return MessageChunk(
        "".join(chunk.content for chunk in chunks),
        first.id,
        first.role,
        first.name,
        tuple(call for chunk in chunks for call in chunk.tool_call_chunks),
        next((c.usage_metadata for c in reversed(chunks) if c.usage_metadata), None),
        "".join(chunk.refusal for chunk in chunks),
        first.tool_call_id,
        "".join(chunk.reasoning_content for chunk in chunks),
        tuple(each for chunk in chunks for each in chunk.annotations),
        tuple(each for chunk in chunks for each in chunk.output_items),
    )


def _type_of(chunk: MessageChunk) -> str:
    return _TYPES.get(chunk.role, chunk.role)


def _message(chunk: MessageChunk, kind: str) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "content": chunk.content,
        "additional_kwargs": {name: more for name in _MORE if (more := getattr(chunk, name))},
        "response_metadata": {},
        "type": kind,
        "name": chunk.name,
        "id": chunk.id,
    }
    if kind in ("ai", "AIMessageChunk"):
        shown["tool_calls"], shown["invalid_tool_calls"] = _calls(chunk.tool_call_chunks)
        shown["usage_metadata"] = chunk.usage_metadata
    elif kind == "tool":
        shown["tool_call_id"] = chunk.tool_call_id
    return shown


def _calls(pieces: Sequence[ToolCallChunk]) -> tuple[list[Any], list[Any]]:
    """Calls whose arguments are there, and those whose arguments are not (yet) JSON."""
    whole: list[Any] = []
    broken: list[Any] = []
    for index in sorted({piece["index"] for piece in pieces}):
        parts = [piece for piece in pieces if piece["index"] == index]
        name = "".join(part["name"] or "" for part in parts)
        text = "".join(part["args"] or "" for part in parts)
        call_id = next((part["id"] for part in parts if part["id"]), None)
        args = _arguments(text)
        if args is None:
            call = {"name": name, "args": text, "id": call_id, "error": None}
            broken.append({**call, "type": "invalid_tool_call"})
        else:
            whole.append({"name": name, "args": args, "id": call_id, "type": "tool_call"})
    return whole, broken


def _arguments(text: str) -> dict[str, Any] | None:
    try:
        args: Any = json.loads(text) if text else {}
    except ValueError:
        return None
    return cast("dict[str, Any]", args) if isinstance(args, dict) else None
