"""Pieces of messages: what clients of models stream, in one form, and put together again.

Nothing is imported for it: a piece is known by its fields.  A piece is a text; a chunk of a chat
completion (`choices`, `usage`), or an event of a helper that has one (`type`: "chunk"); or an event
of a response (`type`: "response.…"), as the official client of OpenAI's API gives them, or as JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from reprlib import repr as shortened
from typing import Any, Literal, TypedDict, cast

from .errors import ModelBrokeOffError, UnknownPieceError


class ToolCallChunk(TypedDict):
    """A piece of a call of a tool, in LangChain's form; those of one call have one `index`."""

    name: str | None
    args: str | None
    """A part of the arguments as JSON."""
    id: str | None
    index: int
    type: Literal["tool_call_chunk"]


@dataclass(frozen=True, slots=True)
class Piece:
    """What one piece adds to a message."""

    text: str = ""
    tool_calls: tuple[ToolCallChunk, ...] = ()
    usage: Mapping[str, int] | None = None
    """input_tokens, output_tokens and total_tokens; comes once."""
    refusal: str = ""

    def __bool__(self) -> bool:
        return bool(self.text or self.tool_calls or self.usage or self.refusal)


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
    text, refusal = _get(delta, "content") or "", _get(delta, "refusal") or ""
    return Piece(text, calls, usage, refusal)


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
    item = _get(event, "item")
    if _get(item, "type") != "function_call":
        return Piece()
    name, args, call_id = (_get(item, key) for key in ("name", "arguments", "call_id"))
    return Piece(tool_calls=(_call(_get(event, "output_index"), name, args, call_id),))


def _arguments(event: Any) -> Piece:
    return Piece(tool_calls=(_call(_get(event, "output_index"), args=_get(event, "delta")),))


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
    "response.output_text.delta": lambda event: Piece(_get(event, "delta") or ""),
    "response.refusal.delta": lambda event: Piece(refusal=_get(event, "delta") or ""),
    "response.output_item.added": _item_added,
    "response.function_call_arguments.delta": _arguments,
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
    if isinstance(given, Mapping):
        return cast("Mapping[str, Any]", given).get(name)
    return getattr(given, name, None)


@dataclass(slots=True, eq=False)
class Draft:
    """A message in the making: pieces go in, the whole comes out as a plain dict."""

    texts: list[str] = field(default_factory=list[str])
    refusals: list[str] = field(default_factory=list[str])
    calls: dict[int, list[ToolCallChunk]] = field(default_factory=dict[int, list[ToolCallChunk]])
    usage: Mapping[str, int] | None = None

    def add(self, piece: Piece) -> None:
        """Take in the next piece."""
        self.texts.append(piece.text)
        if piece.refusal:
            self.refusals.append(piece.refusal)
        for call in piece.tool_calls:
            self.calls.setdefault(call["index"], []).append(call)
        self.usage = piece.usage or self.usage

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self.texts)

    def parts(self) -> dict[str, Any]:
        """What a message has beside its role, id and name: always `content`; `tool_calls`,
        `refusal` and `usage_metadata` if there are any."""
        made: dict[str, Any] = {"content": self.text}
        if self.calls:
            made["tool_calls"] = [_whole_call(self.calls[index]) for index in sorted(self.calls)]
        if self.refusals:
            made["refusal"] = "".join(self.refusals)
        if self.usage is not None:
            made["usage_metadata"] = dict(self.usage)
        return made


def _whole_call(pieces: Iterable[ToolCallChunk]) -> dict[str, Any]:
    """A call in OpenAI's form."""
    name = args = ""
    call_id = None
    for piece in pieces:
        name += piece["name"] or ""
        args += piece["args"] or ""
        call_id = call_id or piece["id"]
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": args}}
