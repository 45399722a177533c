"""A Command as a run's input: what it writes, and what it cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from actors import Command, EmptyInputError, InvalidUpdateError, ResumeError, Send
from actors.commands import Restored
from actors.given import given_writes
from tests.actors.engine import chain, facts, says

SPEC = chain(a=says("a"), b=says("b")).compile().spec
STORED = Restored("c1", None, 0, 1, {}, {})


def writes(command: Command[Any], restored: Restored | None = STORED, **known: Any) -> Any:
    return given_writes(command, SPEC, facts(persist=True, thread_id="t", **known), restored)


def test_an_update_writes_its_keys() -> None:
    assert writes(Command(update={"n": 1, "log": ["x"]})) == [("n", 1), ("log", ["x"])]


def test_pairs_may_name_a_key_twice() -> None:
    assert writes(Command(update=[("log", ["x"]), ("log", ["y"])])) == [
        ("log", ["x"]),
        ("log", ["y"]),
    ]


def test_a_goto_sends_control() -> None:
    sent = Send("b", 1)
    assert writes(Command(goto=["a", sent])) == [("branch:to:a", None), ("__pregel_tasks", sent)]


def test_a_resume_alone_writes_nothing() -> None:
    assert writes(Command(resume="yes")) == []


def test_a_command_that_says_nothing_is_refused() -> None:
    with pytest.raises(EmptyInputError, match=r"Command\(\) has no resume, update or goto"):
        writes(Command())


def test_there_is_no_parent_of_an_input() -> None:
    with pytest.raises(InvalidUpdateError, match="no parent graph for"):
        writes(Command(graph=Command.PARENT, goto="a"))


def test_another_graph_cannot_be_named() -> None:
    with pytest.raises(InvalidUpdateError, match="graph='other'"):
        writes(Command(graph="other", goto="a"))


@pytest.mark.parametrize("goto", ["nobody", Send("nobody", 1), ["a", "nobody"]])
def test_a_goto_to_nobody_names_the_nodes(goto: Any) -> None:
    with pytest.raises(InvalidUpdateError, match=r"'nobody'.*\['a', 'b'\]"):
        writes(Command(goto=goto))


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(InvalidUpdateError, match="'nobody'"):
        writes(Command(update={"nobody": 1}))


def test_an_answer_needs_something_stored() -> None:
    with pytest.raises(ResumeError, match=r"without checkpointer.*compile the graph with"):
        given_writes(Command(resume="yes"), SPEC, facts(), None)


def test_an_answer_needs_a_thread_that_was_run() -> None:
    with pytest.raises(ResumeError, match=r"thread 't' has no checkpoint.*or an input"):
        writes(Command(resume="yes"), None)


def test_a_resume_error_is_what_langgraph_users_catch() -> None:
    with pytest.raises(RuntimeError):
        given_writes(Command(resume="yes"), SPEC, facts(), None)
