"""Threads of graphs in an encrypted database: questions, failures, events, all unreadable."""

from __future__ import annotations

import operator
import subprocess
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest

from actors import START, ActorSystem, Command, StateGraph, interrupt
from checkpoint import EncryptedSerializer, KeyRequiredError, SqliteSaver, WrongKeyError

KEY = bytes(range(16))
SECRET = "mother's maiden name"
CONFIG: Any = {
    "configurable": {"thread_id": "thread", "tenant": SECRET},
    "metadata": {"note": SECRET},
}


class State(TypedDict):
    log: Annotated[list[str], operator.add]


class Inner(TypedDict):
    answer: str


def ask(state: State) -> dict[str, Any]:
    return {"answer": interrupt(f"{SECRET}?")}


def keep(state: State) -> dict[str, Any]:
    return {"log": [SECRET * 20]}


def graph_of(saver: SqliteSaver) -> Any:
    inner = StateGraph(Inner).add_node(ask).add_edge(START, "ask").compile()
    builder = StateGraph(State).add_node(keep).add_node("inner", inner)
    return builder.add_edge(START, "keep").add_edge(START, "inner").compile(checkpointer=saver)


def files_of(path: Path) -> bytes:
    """All that is on the disk: the database, its log, and what stands beside them.

    Read by another process: to close a file in this one would give its locks back.
    """
    files = sorted(path.parent.iterdir())
    return subprocess.run(["cat", *files], capture_output=True, check=True).stdout


async def test_nothing_of_a_thread_can_be_read_without_the_key(tmp_path: Path) -> None:
    path = tmp_path / "threads.db"
    async with (
        SqliteSaver(path, serializer=EncryptedSerializer(KEY)) as saver,
        ActorSystem(event_log=saver.events) as system,
    ):
        graph = graph_of(saver)
        run = await system.start(graph, {"log": [SECRET]}, CONFIG)
        await run.ended()
        assert await saver.events.last(run.run_id) > 3
        assert SECRET.encode() not in files_of(path)
        state = await graph.aget_state(CONFIG)
        assert [each.value for each in state.interrupts] == [f"{SECRET}?"]
        assert state.metadata["note"] == SECRET
    for serializer, error in (
        (None, KeyRequiredError),
        (EncryptedSerializer(bytes(16)), WrongKeyError),
    ):
        before = files_of(path)
        with pytest.raises(error):
            SqliteSaver(path, serializer=serializer).open()
        assert files_of(path) == before
    async with SqliteSaver(path, serializer=EncryptedSerializer(KEY)) as saver:
        await saver.aprune(["thread"])
        values = await graph_of(saver).ainvoke(Command(resume=SECRET), CONFIG)
        assert values == {"log": [SECRET, SECRET * 20]}
        await saver.adelete_thread("thread")
        assert await saver.events.last(run.run_id) == 0
    assert SECRET.encode() not in files_of(path)
