"""Where runs begin whose config means a checkpoint inside a graph that a node calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from actors import (
    START,
    Command,
    CompiledGraph,
    ConfigError,
    RetryPolicy,
    StateGraph,
    ThreadStateError,
    interrupt,
)
from actors.departure import Entries
from checkpoint import MemorySaver
from tests.actors.engine import DEADLINE, State, chain, on, saying

T = on("t")


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(DEADLINE):
        yield


def ask(state: State) -> dict[str, Any]:
    return {"log": [interrupt("?")]}


def asking(*, kept: bool = True, **more: Any) -> CompiledGraph:
    """pre → sub → last, where `sub` runs x, then asks."""
    inner = chain(x=saying("x"), ask=ask, **more).compile(checkpointer=True if kept else None)
    return chain(pre=saying("pre"), sub=inner, last=saying("last")).compile(
        checkpointer=MemorySaver()
    )


async def inside(graph: CompiledGraph) -> Any:
    """The config of the newest checkpoint of the graph that asks."""
    [task] = (await graph.aget_state(T, subgraphs=True)).tasks
    return task.state.config


async def history(graph: CompiledGraph, config: Any = T) -> list[Any]:
    return [(s.config, s.values, s.next) async for s in graph.aget_state_history(config)]


@pytest.mark.parametrize("kept", [False, True])
async def test_at_the_head_the_run_goes_on(kept: bool) -> None:
    graph = asking(kept=kept)
    await graph.ainvoke({"log": []}, T)
    config = await inside(graph)
    again = await graph.ainvoke(None, config)
    assert [each.value for each in again["__interrupt__"]] == ["?"]
    assert (await graph.ainvoke(Command(resume="yes"), config))["log"][-2:] == ["yes", "last"]
    assert len(await history(graph)) == 5


async def test_a_namespace_without_a_checkpoint_means_the_thread() -> None:
    graph = asking()
    await graph.ainvoke({"log": []}, T)
    [task] = (await graph.aget_state(T)).tasks
    assert "checkpoint_id" not in task.state["configurable"]
    result = await graph.ainvoke(Command(resume="yes"), task.state)
    assert result["log"][-2:] == ["yes", "last"]
    assert (await graph.ainvoke({"log": ["more"]}, task.state))["log"][-2:] == ["more", "pre"]
    assert [waiting for _, _, waiting in await history(graph)][:2] == [("sub",), ("pre",)]


@pytest.mark.parametrize("kept", [False, True])
async def test_what_was_there_stays_as_it_was(kept: bool) -> None:
    graph = asking(kept=kept)
    await graph.ainvoke({"log": []}, T)
    config = await inside(graph)
    await graph.ainvoke(Command(resume="first"), T)
    before = await history(graph)
    await graph.ainvoke(None, config)
    assert (await graph.ainvoke(Command(resume="second"), T))["log"][-2:] == ["second", "last"]
    assert (await history(graph))[-len(before) :] == before


async def test_a_resume_goes_back_and_answers_at_once() -> None:
    graph = asking()
    await graph.ainvoke({"log": []}, T)
    config = await inside(graph)
    first = await graph.ainvoke(Command(resume="first"), T)
    second = await graph.ainvoke(Command(resume="second"), config)
    assert [*first["log"][:-2], "second", "last"] == second["log"]


async def test_a_new_input_begins_anew_where_the_root_was() -> None:
    graph = asking()
    await graph.ainvoke({"log": []}, T)
    config = await inside(graph)
    await graph.ainvoke(Command(resume="first"), T)
    result = await graph.ainvoke({"log": ["new"]}, config)
    assert result["log"] == ["pre", "new", "pre"]
    assert [each.value for each in result["__interrupt__"]] == ["?"]


async def test_a_node_that_is_retried_goes_back_there_again() -> None:
    failures = [ConnectionError("once")]

    def shaky(state: State) -> dict[str, Any]:
        if len(state.get("log", [])) > 3 and failures:
            raise failures.pop()
        return {"log": ["y"]}

    inner = chain(x=saying("x"), ask=ask, y=shaky).compile(checkpointer=True)
    builder = StateGraph(State).add_edge(START, "sub")
    policy = RetryPolicy(initial_interval=0.0, jitter=False)
    builder.add_node("sub", inner, retry_policy=policy)
    graph = builder.compile(checkpointer=MemorySaver())
    await graph.ainvoke({"log": ["in"]}, T)
    place = {"configurable": {"thread_id": "t", "checkpoint_ns": "sub"}}
    await graph.ainvoke(Command(resume="first"), T)
    before_y = next(
        config for config, _, waiting in await history(graph, place) if waiting == ("y",)
    )
    failures.append(ConnectionError("again"))
    await graph.aupdate_state(before_y, {"log": ["patched"]}, as_node="ask")
    patched = (await graph.aget_state(place)).config
    result = await graph.ainvoke(None, patched)
    assert (failures, result["log"][-4:]) == ([], ["x", "first", "patched", "y"])


async def test_only_the_first_call_goes_back() -> None:
    inner = chain(x=saying("x"), y=saying("y")).compile(checkpointer=True)

    async def twice(state: State) -> dict[str, Any]:
        return {"log": (await inner.ainvoke({"log": ["call"]}))["log"]}

    builder = StateGraph(State).add_node("sub", twice).add_edge(START, "sub")
    builder.add_conditional_edges("sub", lambda state: "sub" if len(state["log"]) < 5 else "end")
    builder.add_node("end", saying("end"))
    graph = builder.compile(checkpointer=MemorySaver())
    assert (await graph.ainvoke({"log": []}, T))["log"][-7:-1] == ["call", "x", "y"] * 2
    place = {"configurable": {"thread_id": "t", "checkpoint_ns": "sub"}}
    first = [config for config, _, waiting in await history(graph, place) if waiting == ("y",)][-1]
    before = [s async for s in graph.aget_state_history(place)]
    result = await graph.ainvoke(None, first)
    assert result["log"] == ["call", "x", "y", "call", "x", "y", "call", "x", "y", "end"]
    made = [s async for s in graph.aget_state_history(place)][: -len(before)]
    assert [s.metadata["source"] for s in made if s.metadata] == [
        *["loop"] * 3,
        "input",
        "loop",
        "fork",
    ]


@pytest.mark.parametrize(
    ("ns", "checkpoint_id", "error"),
    [("nobody:1", "1", ConfigError), ("sub", "1", ThreadStateError), ("", "1", ThreadStateError)],
)
async def test_what_is_not_there_is_refused_and_nothing_is_stored(
    ns: str, checkpoint_id: str, error: type[Exception]
) -> None:
    graph = asking()
    await graph.ainvoke({"log": []}, T)
    before = await history(graph)
    given = {"thread_id": "t", "checkpoint_ns": ns, "checkpoint_id": checkpoint_id}
    with pytest.raises(error):
        await graph.ainvoke(None, {"configurable": given})
    assert await history(graph) == before


def test_an_entry_is_for_one_call_as_often_as_it_asks() -> None:
    entries = Entries({"sub": "7"})
    assert entries.of("other", "a") is None
    assert [entries.of("sub", call) for call in "aba"] == ["7", None, "7"]
