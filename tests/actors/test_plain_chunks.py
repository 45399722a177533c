"""Plain dicts as the mode `messages` shows them."""

from __future__ import annotations

from typing import Any

import pytest

from actors.plain_chunks import chunk_of, is_plain
from streaming import MessageChunk, ToolCallChunk

OPENAI = {"id": "c", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
CUSTOM = {"id": "c", "type": "custom", "custom": {"name": "run", "input": 'say "hi"'}}
LANGCHAIN = {"id": "c", "name": "add", "args": {"a": 1}}
USAGE = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}


def call(place: int = 0, **fields: Any) -> ToolCallChunk:
    known = {"name": "add", "args": '{"a": 1}', "id": "c", "type": "tool_call_chunk"}
    return {**known, "index": place, **fields}  # pyright: ignore[reportReturnType]


def said(**fields: Any) -> dict[str, Any]:
    return {"role": "assistant", **fields}


@pytest.mark.parametrize(
    "message",
    [
        said(content="hi"),
        said(content=""),
        said(content=[{"type": "text", "text": "hi"}]),
        said(content=None, tool_calls=[OPENAI]),
        said(tool_calls=[OPENAI]),
        {"role": "critic", "content": "hi"},
        {"type": "human", "content": "hi"},
        {"type": "ai", "tool_calls": [OPENAI]},
    ],
)
def test_a_dict_with_a_role_that_says_something_is_a_message(message: Any) -> None:
    assert is_plain(message)


@pytest.mark.parametrize(
    "other",
    [
        "hi",
        {"content": "hi"},
        said(),
        said(content=None),
        said(content=5),
        said(content=None, tool_calls=[]),
        {"role": None, "content": "hi"},
        {"role": "remove", "content": "", "id": "1"},
        {"type": "remove", "content": "", "id": "1"},
        {"type": "text", "content": "a block, or another value"},
        {"type": ["ai"], "content": "hi"},
    ],
)
def test_nothing_else_is(other: Any) -> None:
    assert not is_plain(other)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("hi", "hi"),
        (None, ""),
        (["a", {"type": "text", "text": "b"}, {"type": "image_url", "image_url": {}}, 5], "ab"),
        ([{"type": "text", "text": None}], ""),
    ],
)
def test_the_text_of_a_content_is_shown(content: Any, text: str) -> None:
    assert chunk_of(said(content=content), "m") == MessageChunk(text, "m")


@pytest.mark.parametrize(
    ("calls", "shown"),
    [
        ([OPENAI], (call(),)),
        ([LANGCHAIN], (call(),)),
        ([CUSTOM], (call(name="run", args=r'{"__arg1": "say \"hi\""}'),)),
        ([OPENAI, {**OPENAI, "id": "d"}], (call(), call(1, id="d"))),
        (OPENAI, (call(),)),
        ([{"id": "c", "function": {"name": "add"}}], (call(args=None),)),
        (["no call"], (call(name=None, args=None, id=None),)),
    ],
)
def test_calls_are_shown_in_whichever_form_they_have(
    calls: Any, shown: tuple[ToolCallChunk, ...]
) -> None:
    assert chunk_of(said(content="", tool_calls=calls), "m").tool_call_chunks == shown


def test_whatever_else_it_says_is_shown() -> None:
    message = said(content="", name="ann", refusal="no", usage_metadata=USAGE)
    assert chunk_of(message, "m") == MessageChunk(
        "", "m", name="ann", usage_metadata=USAGE, refusal="no"
    )
    found = {"role": "tool", "content": "3", "tool_call_id": "c"}
    assert chunk_of(found, "m") == MessageChunk("3", "m", "tool", tool_call_id="c")


def test_what_a_response_has_beside_its_text_is_shown() -> None:
    cited, item = {"type": "file_citation"}, {"type": "web_search_call"}
    message = said(content="", reasoning_content="Hm", annotations=[cited], output_items=[item])
    assert chunk_of(message, "m") == MessageChunk(
        "", "m", reasoning_content="Hm", annotations=(cited,), output_items=(item,)
    )


@pytest.mark.parametrize(
    ("kind", "role"),
    [("human", "user"), ("ai", "assistant"), ("system", "system"), ("tool", "tool")],
)
def test_langchains_word_for_a_role_is_understood_where_it_writes_it(kind: str, role: str) -> None:
    assert chunk_of({"type": kind, "content": "hi"}, "m") == MessageChunk("hi", "m", role)
