"""Merging messages: the same outcome as LangGraph's reducer, case by case."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import langchain_core.messages as lc
import pytest
from langchain_core.load import dumpd
from langgraph.graph.message import REMOVE_ALL_MESSAGES as THEIR_ALL
from langgraph.graph.message import add_messages as theirs

from actors import REMOVE_ALL_MESSAGES, add_messages

MADE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
CALL = {"name": "f", "args": {"x": 1}, "id": "c", "type": "tool_call"}
OPENAI_CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}
IMAGE = {"type": "base64", "media_type": "image/png", "data": "1234"}


def human(content: Any, known: str | None = None) -> lc.HumanMessage:
    return lc.HumanMessage(content, id=known)


def gone(known: str) -> lc.RemoveMessage:
    return lc.RemoveMessage(id=known)


HELD: dict[str, Callable[[], Any]] = {
    "nothing": list,
    "one message": lambda: human("a", "1"),
    "two messages": lambda: [human("a", "1"), lc.AIMessage("b", id="2")],
    "dicts": lambda: [{"role": "user", "content": "a", "id": "1"}, ("ai", "b")],
    "no ids": lambda: [human("a"), human("b")],
    "an id twice": lambda: [human("a", "1"), human("b", "1"), human("c", "2")],
    "a removal": lambda: [gone("1"), human("b", "2")],
}
UPDATES: dict[str, Callable[[], Any]] = {
    "nothing": list,
    "a str": lambda: "x",
    "two strs": lambda: ["user", "x"],
    "a pair": lambda: ("ai", "x"),
    "a list as a pair": lambda: [["system", "x"]],
    "a dict": lambda: {"role": "user", "content": "x", "name": "n", "extra": 5},
    "a dict by type": lambda: {"type": "ai", "content": "x", "id": "9"},
    "a developer": lambda: {"role": "developer", "content": "x"},
    "no content": lambda: {"role": "user", "content": None},
    "an id that is a number": lambda: {"role": "user", "content": "x", "id": 7},
    "an empty id": lambda: [{"role": "user", "content": "x", "id": ""}, human("y", "")],
    "a tool's result": lambda: {
        "role": "tool",
        "content": "4",
        "tool_call_id": "c",
        "status": "error",
    },
    "OpenAI's tool calls": lambda: {
        "role": "assistant",
        "content": "",
        "tool_calls": [OPENAI_CALL],
    },
    "tool calls": lambda: {"role": "ai", "content": "", "tool_calls": [CALL]},
    "a dumped message": lambda: dumpd(human("x", "1")),
    "a chunk": lambda: lc.AIMessageChunk("x", id="1", usage_metadata=None),
    "chunks of one message": lambda: [lc.AIMessageChunk(t, id="5") for t in "ab"],
    "other classes": lambda: [
        lc.ChatMessage("x", role="critic"),
        lc.FunctionMessage("4", name="f"),
    ],
    "a new message": lambda: [lc.AIMessage("x", id="8", tool_calls=[CALL])],
    "another with its id": lambda: [human("new", "1")],
    "an id twice": lambda: [human("x", "1"), human("y", "3"), human("z", "1")],
    "a removal": lambda: gone("1"),
    "a removal as a dict": lambda: {"role": "remove", "content": "", "id": "1"},
    "a removal twice": lambda: [gone("1"), gone("1")],
    "a removal and another": lambda: [gone("1"), human("again", "1")],
    "another and its removal": lambda: [human("x", "7"), gone("7")],
    "an unknown removal": lambda: [human("x"), gone("99")],
    "everything removed": lambda: gone(REMOVE_ALL_MESSAGES),
    "everything removed twice": lambda: [
        human("x"),
        gone(REMOVE_ALL_MESSAGES),
        human("y", "5"),
        gone(REMOVE_ALL_MESSAGES),
        human("z", "6"),
    ],
    "the id of everything": lambda: human("x", REMOVE_ALL_MESSAGES),
    "no message": lambda: 5,
    "no message in a list": lambda: [human("x"), None],
    "three of a pair": lambda: [("user", "a", "b")],
    "no role": lambda: {"content": "x"},
    "no content key": lambda: {"role": "user"},
    "an unknown role": lambda: {"role": "martian", "content": "x"},
    "content of another type": lambda: {"role": "user", "content": 5},
    "a function without a name": lambda: {"role": "function", "content": "x"},
    "none": lambda: None,
}


def outcome(merge: Callable[..., Any], left: Any, right: Any, **more: Any) -> Any:
    """What comes out, with ids that were made as such, or the kind of error."""
    try:
        merged = merge(left, right, **more)
    except ValueError as error:
        return "ValueError", "doesn't exist" in str(error)
    except NotImplementedError:
        return "NotImplementedError"
    return [(type(m), {**m.model_dump(), "id": MADE.sub("made", m.id)}) for m in merged]


def kind(found: Any) -> Any:
    """Ours is a ValueError too where theirs is a NotImplementedError."""
    return "ValueError" if found == "NotImplementedError" else found[0]


@pytest.mark.parametrize(("held", "update"), [*product(HELD, UPDATES)])
def test_an_update_changes_what_is_held_as_there(held: str, update: str) -> None:
    their = outcome(theirs, HELD[held](), UPDATES[update]())
    our = outcome(add_messages, HELD[held](), UPDATES[update]())
    if isinstance(their, list):
        assert our == their
    else:
        assert kind(our) == kind(their)


@pytest.mark.parametrize("update", ["no message", "three of a pair", "unknown removal"])
def test_who_catches_their_error_catches_ours(update: str) -> None:
    given = gone("99") if update == "unknown removal" else UPDATES[update]()
    with pytest.raises((ValueError, NotImplementedError)) as their:
        theirs([], given)
    with pytest.raises(type(their.value)):
        add_messages([], given)


def contents() -> Iterator[Any]:
    yield "text"
    yield [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]
    yield [{"type": "text", "text": "a"}, {"type": "image", "source": IMAGE}]
    yield [{"type": "image_url", "image_url": {"url": "http://host/a.png"}}]


@pytest.mark.parametrize("content", [*contents()], ids=repr)
def test_contents_are_formatted_as_there(content: Any) -> None:
    """Ids apart: there a formatted message has none, and so gets another at each merge."""
    update = [human(content, "1"), lc.AIMessage("", id="2", tool_calls=[CALL])]
    their = theirs([], update, format="langchain-openai")
    our = add_messages([], update, format="langchain-openai")
    assert [m.id for m in our] == ["1", "2"]
    assert [m.model_copy(update={"id": None}) for m in our] == their


def test_everything_has_the_same_name() -> None:
    assert REMOVE_ALL_MESSAGES == THEIR_ALL
