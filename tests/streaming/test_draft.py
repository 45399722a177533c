"""Messages in the making: pieces go in, the whole comes out."""

from __future__ import annotations

from typing import Any

from streaming.draft import Draft
from streaming.pieces import piece_of


def completion(usage: Any = None, **delta: Any) -> dict[str, Any]:
    """A chunk of a chat completion, as JSON."""
    return {"choices": [{"index": 0, "delta": delta}], "usage": usage}


USAGE = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}


def whole(*pieces: Any) -> dict[str, Any]:
    draft = Draft()
    for piece in pieces:
        draft.add(piece_of(piece))
    return draft.parts()


def test_texts_are_put_together() -> None:
    assert whole("a", completion(content="b"), "c") == {"content": "abc"}


def test_calls_are_put_together_in_the_order_of_their_places() -> None:
    pieces = [
        [{"index": 1, "id": "two", "function": {"name": "g", "arguments": "{"}}],
        [{"index": 0, "id": "one", "function": {"name": "f", "arguments": ""}}],
        [{"index": 1, "function": {"arguments": "}"}}],
    ]
    assert whole(*(completion(tool_calls=each) for each in pieces)) == {
        "content": "",
        "tool_calls": [
            {"id": "one", "type": "function", "function": {"name": "f", "arguments": ""}},
            {"id": "two", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        ],
    }


def test_a_refusal_and_the_usage_stand_beside_the_text() -> None:
    used = {"type": "response.completed", "response": {"usage": USAGE}}
    assert whole(completion(refusal="I "), completion(refusal="won't"), used) == {
        "content": "",
        "refusal": "I won't",
        "usage_metadata": USAGE,
    }
