"""Messages in threads: every class of them, both savers, other processes, without LangChain."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypedDict

import langchain_core.messages as lc
import pytest
from langchain_core.messages import AnyMessage, BaseMessage

from actors import START, MessagesState, StateGraph
from checkpoint import MemorySaver, SqliteSaver
from tests.actors.engine import on
from tests.actors.test_langchain_messages import STORED

ROOT = Path(__file__).resolve().parents[2]
T = on("t")


def graph(*nodes: Callable[..., Any], state: Any = MessagesState, **fittings: Any) -> Any:
    """Nodes one after the other."""
    builder = StateGraph(state).add_sequence(list(nodes))
    return builder.add_edge(START, nodes[0].__name__).compile(**fittings)


# ---------------------------------------------------------------------------------- with LangChain


class Anything(TypedDict):
    held: list[AnyMessage]


class Base(TypedDict):
    held: list[BaseMessage]


class Listed(TypedDict):
    held: list  # type: ignore[type-arg]


SCHEMAS = [Anything, Base, Listed]


@contextmanager
def saver(kind: str, folder: Path) -> Iterator[Any]:
    if kind == "memory":
        yield MemorySaver()
        return
    with SqliteSaver.from_conn_string(folder / "t.db") as stored:
        yield stored


@pytest.mark.parametrize("state", SCHEMAS, ids=lambda schema: schema.__name__)
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_thread_holds_messages_of_every_class(kind: str, state: Any, tmp_path: Path) -> None:
    def keep(state: Any) -> Any:
        return {"held": [*STORED]}

    with saver(kind, tmp_path) as stored:
        keeper = graph(keep, state=state, checkpointer=stored)
        keeper.invoke({"held": []}, T)
        assert keeper.get_state(T).values["held"] == STORED


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_messages_in_a_log_of_a_state_survive_every_step(kind: str, tmp_path: Path) -> None:
    def one(state: Any) -> Any:
        whole = [message for message in STORED if isinstance(message, BaseMessage)]
        return {"messages": [m.model_copy() for m in whole if not isinstance(m, lc.RemoveMessage)]}

    def two(state: Any) -> Any:
        return {"messages": ("user", "and?")}

    with saver(kind, tmp_path) as stored:
        chat = graph(one, two, checkpointer=stored)
        chat.invoke({"messages": []}, T)
        history = [state.values.get("messages", []) for state in chat.get_state_history(T)]
        assert [len(messages) for messages in history] == [
            len(history[1]) + 1,
            len(history[1]),
            0,
            0,
        ]
        assert history[0][:-1] == history[1]


SCHEMA_AND_READ = """
import json, sys
from typing import TypedDict
from actors import START, MessagesState, StateGraph
from checkpoint import SqliteSaver, UnknownTypeTagError

if sys.argv[2] == "langchain":
    import langchain_core.messages

with SqliteSaver.from_conn_string(sys.argv[1]) as saver:
    builder = StateGraph(MessagesState).add_node("says", lambda state: None)
    graph = builder.add_edge(START, "says").compile(checkpointer=saver)
    try:
        print(repr(graph.get_state({"configurable": {"thread_id": "t"}}).values["messages"]))
    except UnknownTypeTagError as error:
        print(type(error).__name__, "langchain_core" in sys.modules)
"""


def elsewhere(script: str, *arguments: str) -> str:
    """What the script prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_another_process_that_compiles_the_graph_reads_the_messages(tmp_path: Path) -> None:
    def says(state: Any) -> Any:
        call = {"name": "add", "args": {"a": 1}, "id": "c1"}
        return {"messages": [lc.AIMessage("x", id="1", tool_calls=[call])]}

    with saver("sqlite", tmp_path) as stored:
        held = graph(says, checkpointer=stored).invoke({"messages": "hi"}, T)["messages"]
    path = str(tmp_path / "t.db")
    assert elsewhere(SCHEMA_AND_READ, path, "langchain") == f"{held!r}\n"
    assert elsewhere(SCHEMA_AND_READ, path, "nothing") == "UnknownTypeTagError False\n"


# ----------------------------------------------------------------------------- without LangChain

WITHOUT_LANGCHAIN = """
import json, sys
from actors import (
    START, ConfigError, MessagesState, RemoveMessage, StateGraph, add_messages, push_message,
)
from checkpoint import SqliteSaver

class Tidy(MessagesState):
    mood: str

def says(state):
    push_message({"role": "assistant", "content": "wait", "id": "w"})
    return {"messages": [("ai", "done"), RemoveMessage("gone")], "mood": "good"}

answers = {}
with SqliteSaver.from_conn_string(sys.argv[1]) as saver:
    builder = StateGraph(Tidy).add_node(says).add_edge(START, "says")
    graph = builder.compile(checkpointer=saver)
    thread = {"configurable": {"thread_id": "t"}}
    given = ["hi", {"role": "user", "content": "x", "id": "gone"}]
    result = graph.invoke({"messages": given}, thread)
    answers["messages"] = result["messages"]
    answers["stored"] = graph.get_state(thread).values == result
try:
    add_messages([], [], format="langchain-openai")
except ConfigError as error:
    answers["refused"] = str(error)
answers["loaded"] = [name for name in sys.modules if name.startswith(("langchain", "pydantic"))]
print(json.dumps(answers))
"""


def test_without_langchain_messages_are_plain_dicts(tmp_path: Path) -> None:
    found = json.loads(elsewhere(WITHOUT_LANGCHAIN, str(tmp_path / "t.db")))
    assert all(message.pop("id") for message in found["messages"])
    assert found["messages"] == [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "wait"},
        {"role": "assistant", "content": "done"},
    ]
    assert found["stored"] is True
    assert "import langchain_core.messages first, or give format='dict'" in found["refused"]
    assert found["loaded"] == []


THEN_LANGCHAIN = """
from actors import add_messages

held = add_messages([], [{"role": "user", "content": "hi", "id": "1"}])
assert type(held[0]) is dict
import langchain_core.messages as lc

assert add_messages(held, []) == [lc.HumanMessage("hi", id="1")]
assert add_messages(held, [], format="dict") == held
"""


def test_messages_become_langchains_once_it_is_loaded() -> None:
    assert elsewhere(THEN_LANGCHAIN) == ""
