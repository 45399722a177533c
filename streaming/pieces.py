"""Pieces of messages: what clients of models stream, in one form.

Nothing is imported for it: a piece is known by its fields.  A piece is a text; a chunk of a chat
completion (`choices`, `usage`), or an event of a helper that has one (`type`: "chunk"); or an event
of a response (`type`: "response.…"), as the official client of OpenAI's API gives them, or as JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from reprlib import repr as shortened
from typing import Any, Literal, TypedDict, cast

from .errors import ModelBrokeOffError, UnknownPieceError


class ToolCallChunk(TypedDict):
    """A piece of a call of a tool, in LangChain's form; those of one call have one `index`."""

    name: str | None
    args: str | None
    """A part of the arguments as JSON.  The text that a free-form tool is called with is the
    argument `__arg1`."""
    id: str | None
    index: int
    type: Literal["tool_call_chunk"]


@dataclass(slots=True)
class Piece:
    """What one piece adds to a message.  Not frozen, as there is one for each token."""

    text: str = ""
    tool_calls: tuple[ToolCallChunk, ...] = ()
    usage: Mapping[str, int] | None = None
    """input_tokens, output_tokens and total_tokens; comes once."""
    refusal: str = ""
    reasoning: str = ""
    """What the model thinks before it answers, or a summary of that."""
    annotations: tuple[Mapping[str, Any], ...] = ()
    """Sources that the text cites, as the service tells of them."""
    items: tuple[Mapping[str, Any], ...] = ()
    """What a response has beside texts and calls of the caller's tools, as the service has it."""
    free_input: str | None = None
    """Of the call in `tool_calls`, if its tool takes a text: a part of that."""

    def __bool__(self) -> bool:
        return bool(
            self.text
            or self.tool_calls
            or self.usage
            or self.refusal
            or self.reasoning
            or self.annotations
            or self.items
        )


def piece_of(given: Any) -> Piece:
    """What a client's piece adds to the message; an empty Piece if it adds nothing.

    Raises UnknownPieceError for what is no piece, ModelBrokeOffError for one that says that the
    model failed.
    """
    if isinstance(given, str):
        return Piece(given)
    if _get(given, "choices") is not None:
        return _of_completion(given)
    kind = _get(given, "type")
    if isinstance(kind, str) and (kind in _EVENTS or kind.startswith(_SILENT)):
        read = _EVENTS.get(kind)
        return Piece() if read is None else read(given)
    if _get(given, "error") is not None:
        return _failed({"response": given})
    raise UnknownPieceError(
        f"{shortened(given)} is no piece of a message that is known here: it has neither `choices` "
        "nor a `type` such as 'response.output_text.delta'; give texts, or take the text out of it "
        "and `await message.token(text)`"
    )


def _of_completion(chunk: Any) -> Piece:
    choices: Sequence[Any] = _get(chunk, "choices")
    usage = _usage(_get(chunk, "usage"), "prompt_tokens", "completion_tokens")
    delta = next((_get(each, "delta") for each in choices if not _get(each, "index")), None)
    if delta is None:
        return Piece(usage=usage)
    calls = tuple(map(_call_piece, _get(delta, "tool_calls") or ()))
    unnamed: Any = _get(delta, "model_extra")  # what the client has no name for; looked up faster
    more = delta if unnamed is None else unnamed
    thought = _get(more, "reasoning_content") or _get(more, "reasoning")
    return Piece(
        _get(delta, "content") or _get(_get(delta, "audio"), "transcript") or "",
        calls,
        usage,
        _get(delta, "refusal") or "",
        thought if isinstance(thought, str) else "",
        _as_json(_get(more, "annotations") or ()),
    )


def _call_piece(given: Any) -> ToolCallChunk:
    function = _get(given, "function")
    name, args = _get(function, "name"), _get(function, "arguments")
    return _call(_get(given, "index") or 0, name, args, _get(given, "id"))


def _call(index: int, name: Any = None, args: Any = None, call_id: Any = None) -> ToolCallChunk:
    return {
        "name": name,
        "args": args,
        "id": call_id,
        "index": index,
        "type": "tool_call_chunk",
    }


def _item_added(event: Any) -> Piece:
    item, index = _get(event, "item"), _get(event, "output_index")
    name, call_id = _get(item, "name"), _get(item, "call_id")
    match _get(item, "type"):
        case "function_call":
            return Piece(tool_calls=(_call(index, name, _get(item, "arguments"), call_id),))
        case "custom_tool_call":
            text = _get(item, "input") or ""
            begun = _call(index, name, _FREE_BEGINS + _inside(text), call_id)
            return Piece(tool_calls=(begun,), free_input=text)
        case _:
            return Piece()


def _item_done(event: Any) -> Piece:
    item = _get(event, "item")
    return Piece() if _get(item, "type") in _TOLD_IN_PIECES else Piece(items=_as_json([item]))


_TOLD_IN_PIECES = ("message", "function_call", "custom_tool_call")
"""Items of a response that have events of their own for all they hold."""
_FREE_BEGINS, _FREE_ENDS = '{"__arg1": "', '"}'
"""A text as arguments, in LangChain's form: what stands before it as JSON, and after it."""


def _inside(text: str) -> str:
    """A text, or a part of it, inside of a JSON string."""
    import json  # only where a free-form tool is called

    return json.dumps(text, ensure_ascii=False)[1:-1]


def _arguments(event: Any) -> Piece:
    return Piece(tool_calls=(_call(_get(event, "output_index"), args=_get(event, "delta")),))


def _free_input(event: Any) -> Piece:
    text = _get(event, "delta") or ""
    return Piece(
        tool_calls=(_call(_get(event, "output_index"), args=_inside(text)),), free_input=text
    )


def _free_input_done(event: Any) -> Piece:
    return Piece(tool_calls=(_call(_get(event, "output_index"), args=_FREE_ENDS),), free_input="")


def _text(event: Any) -> Piece:
    return Piece(_get(event, "delta") or "")


def _thought(event: Any) -> Piece:
    return Piece(reasoning=_get(event, "delta") or "")


def _next_thought(event: Any) -> Piece:
    return Piece(reasoning="\n\n" if _get(event, "summary_index") else "")


def _cited(event: Any) -> Piece:
    return Piece(annotations=_as_json([_get(event, "annotation")]))


def _completed(event: Any) -> Piece:
    usage = _get(_get(event, "response"), "usage")
    return Piece(usage=_usage(usage, "input_tokens", "output_tokens"))


def _failed(event: Any) -> Piece:
    error = _get(_get(event, "response"), "error") or event
    code, message = _get(error, "code"), _get(error, "message") or shortened(error)
    raise ModelBrokeOffError(
        f"the model broke off with {code!r}: {message}; what it said before stays as it is: go on "
        "with that, or call it again"
    )


_EVENTS: dict[str, Callable[[Any], Piece]] = {
    "chunk": lambda event: _of_completion(_get(event, "chunk")),
    "response.output_text.delta": _text,
    "response.audio.transcript.delta": _text,
    "response.output_text.annotation.added": _cited,
    "response.refusal.delta": lambda event: Piece(refusal=_get(event, "delta") or ""),
    "response.reasoning_text.delta": _thought,
    "response.reasoning_summary_part.added": _next_thought,
    "response.reasoning_summary_text.delta": _thought,
    "response.output_item.added": _item_added,
    "response.output_item.done": _item_done,
    "response.function_call_arguments.delta": _arguments,
    "response.custom_tool_call_input.delta": _free_input,
    "response.custom_tool_call_input.done": _free_input_done,
    "response.completed": _completed,
    "response.incomplete": _completed,
    "response.failed": _failed,
    "error": _failed,
}
"""The events that add something; there are others."""
_SILENT = ("response.", "content.", "refusal.", "tool_calls.", "logprobs.")
"""How the names of those begin: of a response, and of the helper, which tells of each chunk again
in parts."""


def _usage(given: Any, read: str, written: str) -> dict[str, int] | None:
    if given is None:
        return None
    names = {"input_tokens": read, "output_tokens": written, "total_tokens": "total_tokens"}
    return {ours: _get(given, theirs) or 0 for ours, theirs in names.items()}


def _get(given: Any, name: str) -> Any:
    if isinstance(given, dict):
        return cast("Mapping[str, Any]", given).get(name)
    return getattr(given, name, None)


def _as_json(values: Iterable[Any]) -> tuple[Mapping[str, Any], ...]:
    """Objects of the client as plain dicts."""
    return tuple([_fields(value) for value in values])


def _fields(value: Any) -> dict[str, Any]:
    if isinstance(value, dict):
        return cast("dict[str, Any]", value)
    dump: Any = getattr(value, "model_dump", None)
    if dump is None:
        return value.__dict__
    return dump(mode="json", by_alias=True, exclude_unset=True)
