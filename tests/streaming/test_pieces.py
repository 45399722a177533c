"""Pieces of messages: known by their fields, and put together again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from streaming import ModelBrokeOffError, UnknownPieceError
from streaming.pieces import Piece, piece_of


def completion(usage: Any = None, **delta: Any) -> dict[str, Any]:
    """A chunk of a chat completion, as JSON."""
    return {"choices": [{"index": 0, "delta": delta}], "usage": usage}


def call(index: int, **fields: Any) -> dict[str, Any]:
    known = {"name": None, "args": None, "id": None, "type": "tool_call_chunk"}
    return {**known, "index": index, **fields}


def spaces(value: Any) -> Any:
    """JSON as objects, as a client gives it."""
    if isinstance(value, dict):
        return SimpleNamespace(**{key: spaces(item) for key, item in value.items()})
    return [spaces(item) for item in value] if isinstance(value, list) else value


USAGE = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}
GIVEN: list[tuple[Any, Piece]] = [
    (completion(content="hi"), Piece("hi")),
    (completion(role="assistant", content=""), Piece()),
    (completion(role="assistant", content=None), Piece()),
    (completion(refusal="no"), Piece(refusal="no")),
    (
        completion(tool_calls=[{"index": 1, "id": "c", "function": {"name": "f"}}]),
        Piece(tool_calls=(call(1, name="f", id="c"),)),  # pyright: ignore[reportArgumentType]
    ),
    (
        {
            "choices": [],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
        },
        Piece(usage=USAGE),
    ),
    ({"choices": [{"index": 1, "delta": {"content": "of another choice"}}]}, Piece()),
    ({"type": "chunk", "chunk": completion(content="hi"), "snapshot": {}}, Piece("hi")),
    ({"type": "content.delta", "delta": "told already"}, Piece()),
    ({"type": "tool_calls.function.arguments.done", "arguments": "{}"}, Piece()),
    ({"type": "response.created"}, Piece()),
    ({"type": "response.output_text.delta", "delta": "hi"}, Piece("hi")),
    ({"type": "response.output_text.delta", "delta": None}, Piece()),
    ({"type": "response.refusal.delta", "delta": "no"}, Piece(refusal="no")),
    (
        {
            "type": "response.output_item.added",
            "output_index": 2,
            "item": {"type": "function_call", "name": "f", "call_id": "c", "arguments": ""},
        },
        Piece(tool_calls=(call(2, name="f", id="c", args=""),)),  # pyright: ignore[reportArgumentType]
    ),
    ({"type": "response.output_item.added", "item": {"type": "message"}}, Piece()),
    (
        {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": "{"},
        Piece(tool_calls=(call(2, args="{"),)),  # pyright: ignore[reportArgumentType]
    ),
    ({"type": "response.completed", "response": {"usage": USAGE}}, Piece(usage=USAGE)),
    ({"type": "response.incomplete", "response": {"usage": None}}, Piece()),
]


@pytest.mark.parametrize(("given", "piece"), GIVEN, ids=lambda value: str(value)[:40])
def test_a_piece_is_known_by_its_fields_as_json_and_as_an_object(given: Any, piece: Piece) -> None:
    assert piece_of(given) == piece
    assert piece_of(spaces(given)) == piece


def test_a_text_is_a_piece() -> None:
    assert piece_of("hi") == Piece("hi")
    assert not piece_of("")


@pytest.mark.parametrize("given", [b"bytes", 1, None, object(), {"content": "x"}, {"type": "ping"}])
def test_anything_else_is_refused_with_what_to_do(given: Any) -> None:
    with pytest.raises(UnknownPieceError, match="give texts, or take the text out of it"):
        piece_of(given)


@pytest.mark.parametrize(
    "given",
    [
        {"type": "error", "code": "overloaded", "message": "try later"},
        {
            "type": "response.failed",
            "response": {"error": {"code": "overloaded", "message": "try later"}},
        },
        {"error": {"code": "overloaded", "message": "try later"}},
    ],
)
def test_a_model_that_says_it_failed_is_an_error(given: Any) -> None:
    with pytest.raises(ModelBrokeOffError, match="broke off with 'overloaded': try later"):
        piece_of(given)
