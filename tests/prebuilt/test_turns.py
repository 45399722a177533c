"""What messages say of tools, in each of their forms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage

from actors.prebuilt.turns import (
    calls_of,
    field_of,
    is_assistant,
    is_plain,
    is_tool_message,
    last_turn,
    messages_of,
    open_calls,
    said,
)

from .scripts import USER, asks, call, says

CALL = call("add", "1", a=1)
OPENAI = {"id": "1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}


@pytest.mark.parametrize(
    "message",
    [
        asks(CALL),
        asks(OPENAI),
        {"type": "ai", "content": "", "tool_calls": [CALL]},
        AIMessage("", tool_calls=[CALL]),
        AIMessageChunk("", tool_calls=[CALL]),
    ],
)
def test_a_call_is_read_from_any_form(message: Any) -> None:
    assert calls_of(message) == [CALL]
    assert is_assistant(message)


def test_the_text_of_a_free_form_call_is_its_only_argument() -> None:
    given = {"id": "1", "type": "custom", "custom": {"name": "run", "input": "a b"}}
    assert calls_of(asks(given)) == [call("run", "1", __arg1="a b")]


@pytest.mark.parametrize("arguments", ["", None, "{}"])
def test_no_arguments_are_an_empty_dict(arguments: Any) -> None:
    (read,) = calls_of(asks({"id": "1", "function": {"name": "now", "arguments": arguments}}))
    assert read["args"] == {}


def test_arguments_that_are_no_json_stay_a_text() -> None:
    (read,) = calls_of(asks({"id": "1", "function": {"name": "now", "arguments": "{a: "}}))
    assert read["args"] == "{a: "


@pytest.mark.parametrize("message", [USER, HumanMessage("x"), says("x"), AIMessage("x"), None, 5])
def test_what_calls_nothing_has_no_calls(message: Any) -> None:
    assert calls_of(message) == []


def test_answers_are_known_in_both_forms() -> None:
    plain = {"role": "tool", "content": "2", "tool_call_id": "1"}
    theirs = ToolMessage("2", tool_call_id="1")
    assert [is_tool_message(one) for one in (plain, theirs, USER)] == [True, True, False]
    assert [said(one, "tool_call_id") for one in (plain, theirs, USER)] == ["1", "1", None]
    assert [is_plain(one) for one in (plain, theirs, {})] == [True, False, False]


def test_the_calls_that_nothing_answers_are_found() -> None:
    other = call("add", "2")
    messages = [asks(CALL, other), {"role": "tool", "content": "2", "tool_call_id": "1"}]
    assert open_calls(messages, [CALL, other]) == [other]


def test_the_last_turn_is_the_last_message_of_a_model() -> None:
    assert last_turn([says("a"), says("b"), USER]) == says("b")
    assert last_turn([USER]) is None


def test_a_state_is_read_whatever_it_is() -> None:
    @dataclass
    class State:
        messages: list[Any]

    for state in ({"messages": [USER]}, State([USER]), [USER]):
        assert messages_of(state, "messages") == [USER]
    assert messages_of({}, "messages") == messages_of(State([]), "other") == []
    assert field_of({"a": 1}, "b", 2) == field_of(State([]), "b", 2) == 2
