"""What a channel takes of an input as it is, is stored once; what the thread shows is the same."""

from __future__ import annotations

import asyncio
import operator
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest

from actors import START, ActorSystem, Command, CompiledGraph, StateGraph
from checkpoint import (
    Administration,
    Composed,
    Decoder,
    EncryptedSerializer,
    MemorySaver,
    Saver,
    SqliteSaver,
)
from tests.actors.engine import DEADLINE, Gated, on

LONG = "long " * 50
"""Too long to ride inline."""


class Chat(TypedDict, total=False):
    messages: Annotated[list[Any], operator.add]
    other: Annotated[list[Any], lambda old, new: [*old, *map(str.upper, new)]]
    n: int


async def reply(state: Chat) -> Chat:
    if state.get("n") == 13:
        raise ValueError("an unlucky number")
    return {"messages": [f"answer {len(state.get('messages', []))} {LONG}"]}


def chat(saver: Saver) -> CompiledGraph:
    return StateGraph(Chat).add_node(reply).add_edge(START, "reply").compile(checkpointer=saver)


def asked(n: int) -> dict[str, Any]:
    return {"n": n, "messages": [f"question {n} {LONG}"]}


@pytest.fixture(params=["memory", "sqlite", "encrypted"])
async def saver(request: Any, tmp_path: Path) -> AsyncIterator[Any]:
    if request.param == "memory":
        yield MemorySaver()
        return
    sealed = EncryptedSerializer(b"k" * 32) if request.param == "encrypted" else None
    async with SqliteSaver(tmp_path / "threads.db", serializer=sealed) as saver:
        yield saver


async def inputs(saver: Saver) -> list[Any]:
    """The entries of the inputs that are stored, the last one first."""
    page = await saver.history("t", limit=1000)
    found = [loaded.record for loaded in page if loaded.record.metadata.source == "input"]
    return [record.entries["__start__"] for record in found]


async def shown(graph: CompiledGraph) -> list[Any]:
    """What the history says of the inputs, the last one first."""
    history = [each async for each in graph.aget_state_history(on("t"))]
    return [each.tasks[0].result for each in history if each.next == ("__start__",)]


async def test_messages_of_inputs_are_stored_once_and_shown_as_they_came(saver: Any) -> None:
    graph = chat(saver)
    for n in range(3):
        await graph.ainvoke(asked(n), on("t"))
    assert all(isinstance(entry, Composed) for entry in await inputs(saver))
    newest, *_ = page = await saver.history("t", limit=1000)
    rows = {(row.key, row.start): row for each in page for row in sum(each.blobs.values(), ())}
    assert sum(row.count for row in rows.values()) == 6
    assert len(newest.record.entries["messages"].spans) == 1
    assert await shown(graph) == [asked(2), asked(1), asked(0)]
    assert [list(each) for each in await shown(graph)] == [["n", "messages"]] * 3
    assert (await saver.averify()).damage == ()


async def test_what_a_reducer_changed_is_stored_beside_what_came(saver: Any) -> None:
    graph = chat(saver)
    given = {"messages": [f"question {LONG}"], "other": [f"more {LONG}"]}
    await graph.ainvoke(given, on("t"))
    assert not isinstance((await inputs(saver))[0], Composed), "what is left of it is large"
    assert await shown(graph) == [given]


async def test_an_input_whose_step_failed_and_one_that_was_pending_are_gone_on_with(
    saver: Any,
) -> None:
    graph = chat(saver)
    await graph.ainvoke(asked(1), on("t"))
    with pytest.raises(ValueError, match="unlucky"):
        await graph.ainvoke(asked(13), on("t"))
    state = await graph.aget_state(on("t"))
    assert state.next == ("reply",)
    (first, second) = [
        each async for each in graph.aget_state_history(on("t")) if each.next == ("__start__",)
    ]
    again = await graph.ainvoke(None, second.config)
    assert [text.split(" long")[0] for text in again["messages"]] == ["question 1", "answer 1"]
    with pytest.raises(ValueError, match="unlucky"):
        await graph.ainvoke(None, first.config)
    assert (await saver.averify()).damage == ()


async def test_a_branch_from_an_input_leaves_the_other_one_as_it_was(saver: Any) -> None:
    graph = chat(saver)
    for n in range(2):
        await graph.ainvoke(asked(n), on("t"))
    before = [each async for each in graph.aget_state_history(on("t"))]
    old = next(each for each in before if each.next == ("__start__",))
    await graph.ainvoke(None, old.config)
    await graph.ainvoke(asked(7), on("t"))
    after = [each async for each in graph.aget_state_history(on("t"))]
    assert after[-len(before) :] == before
    assert (await saver.averify()).damage == ()


async def test_an_input_keeps_its_messages_when_what_came_after_it_goes(saver: Any) -> None:
    graph = chat(saver)
    runs = ["0" * 31 + str(n) for n in range(3)]
    for n in range(3):
        await graph.ainvoke(asked(n), {**on("t"), "run_id": f"{n}" * 8 + runs[n][8:]})
    expected = await shown(graph)
    keep: Administration = saver
    page = await saver.history("t", limit=1000)
    await keep.adelete_for_runs([page[0].record.metadata.run_id])
    assert await shown(graph) == expected[1:]
    await graph.ainvoke(asked(9), on("t"))
    assert await shown(graph) == [asked(9), *expected[1:]]
    await keep.aprune(["t"], strategy="keep_latest")
    assert (await graph.aget_state(on("t"))).values["messages"][0] == f"question 0 {LONG}"
    assert (await saver.averify()).damage == ()


async def test_a_run_that_is_rolled_back_leaves_nothing_of_its_input(saver: Any) -> None:
    graph = chat(saver)
    await graph.ainvoke(asked(0), on("t"))
    before = await saver.history("t", limit=1000)
    gated = Gated()
    builder = StateGraph(Chat).add_node("reply", gated).add_edge(START, "reply")
    async with asyncio.timeout(DEADLINE), ActorSystem() as system:
        run = await system.start(builder.compile(checkpointer=saver), asked(1), on("t"))
        await gated.started.wait()
        assert isinstance((await inputs(saver))[0], Composed)
        await run.cancel(action="rollback")
    assert await saver.history("t", limit=1000) == before
    await graph.ainvoke(asked(2), on("t"))
    assert await shown(graph) == [asked(2), asked(0)]
    assert (await saver.averify()).damage == ()


async def test_an_input_that_is_a_command_is_what_it_was(saver: Any) -> None:
    graph = chat(saver)
    await graph.ainvoke(Command(update=asked(1), goto="reply"), on("t"))
    values = (await graph.aget_state(on("t"))).values
    assert values["messages"][0] == f"question 1 {LONG}"
    decoder = Decoder(saver.serializer)
    for loaded in await saver.history("t"):
        decoder.tuple(loaded)


async def test_lost_messages_of_an_input_are_told(tmp_path: Path) -> None:
    path = tmp_path / "threads.db"
    async with SqliteSaver(path) as saver:
        await chat(saver).ainvoke(asked(1), on("t"))
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM blob WHERE start=0")
    async with SqliteSaver(path) as saver:
        told = [damage.what for damage in (await saver.averify()).damage]
    assert any("channel '__start__' needs items that are missing" in what for what in told), told
