"""Messages that answer calls: their content, and their form."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import ToolMessage

from actors.prebuilt.replies import content_of, in_form, is_reply, reply, unknown_tool

from .scripts import USER, call

BLOCKS = [{"type": "text", "text": "x"}]
PLAIN = {"role": "tool", "content": "x", "tool_call_id": "1"}


@pytest.mark.parametrize(
    ("result", "content"),
    [
        ("text", "text"),
        (BLOCKS, BLOCKS),
        ([], []),
        ({"ä": 1}, '{"ä": 1}'),
        (["a"], '["a"]'),
        ([{"type": "odd"}], '[{"type": "odd"}]'),
        (None, "null"),
        (1.5, "1.5"),
        ({1, 2}, "{1, 2}"),
        (ValueError("v"), "v"),
    ],
)
def test_a_result_becomes_a_content(result: Any, content: Any) -> None:
    assert content_of(result) == content


def test_a_result_that_contains_itself_is_its_text() -> None:
    circle: list[Any] = []
    circle.append(circle)
    assert content_of(circle) == "[[...]]"


def test_a_reply_has_the_form_asked_for() -> None:
    asked = call("add", "1")
    assert reply("2", asked, plain=True) == {**PLAIN, "content": "2", "name": "add"}
    assert reply("2", asked, plain=True, error=True)["status"] == "error"
    theirs = reply("2", asked, plain=False, error=True)
    assert theirs == ToolMessage("2", name="add", tool_call_id="1", status="error")
    assert unknown_tool(asked, ["a", "b"], plain=True)["content"].endswith("one of [a, b].")


def test_a_reply_is_known_and_brought_into_form() -> None:
    theirs = ToolMessage("x", tool_call_id="1")
    assert [is_reply(one) for one in (PLAIN, theirs, USER, None)] == [True, True, False, False]
    assert in_form({**PLAIN, "content": 5}, plain=True) == {**PLAIN, "content": "5"}
    assert in_form(PLAIN, plain=False) == theirs
    assert in_form(theirs, plain=False) is theirs
    assert in_form(theirs, plain=True) == PLAIN
