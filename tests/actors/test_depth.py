"""Graphs that call themselves."""

from __future__ import annotations

from typing import Any

import pytest

from actors import START, CompiledGraph, GraphRecursionError, StateGraph
from actors.depth import DEEPEST
from checkpoint import MemorySaver
from tests.actors.engine import State, on


def sinking(depth: int | None, *, sync: bool, **options: Any) -> tuple[CompiledGraph, list[int]]:
    """A graph that calls itself so many times, or without end; and the levels it came to."""
    levels, graphs = list[int](), list[CompiledGraph]()

    def below(state: Any) -> dict[str, Any] | None:
        levels.append(state["n"])
        return {"n": state["n"] + 1} if depth is None or state["n"] < depth else None

    def sink(state: Any) -> dict[str, Any]:
        given = below(state)
        return {} if given is None else {"n": graphs[0].invoke(given, on("t"))["n"]}

    async def asink(state: Any) -> dict[str, Any]:
        given = below(state)
        return {} if given is None else {"n": (await graphs[0].ainvoke(given, on("t")))["n"]}

    builder = StateGraph(State).add_node("sink", sink if sync else asink)
    graphs.append(builder.add_edge(START, "sink").compile(**options))
    return graphs[0], levels


def test_a_graph_that_calls_itself_without_end_is_stopped() -> None:
    graph, levels = sinking(None, sync=True)
    with pytest.raises(RecursionError, match="called by node 'sink': 128 graphs") as caught:
        graph.invoke({"n": 0})
    assert isinstance(caught.value, GraphRecursionError)
    assert levels == list(range(DEEPEST + 1))


async def test_async_graphs_are_stopped_as_deep() -> None:
    graph, levels = sinking(None, sync=False)
    with pytest.raises(GraphRecursionError, match="a condition under which it stops"):
        await graph.ainvoke({"n": 0})
    assert levels == list(range(DEEPEST + 1))


async def test_a_thread_that_was_stopped_so_can_go_on() -> None:
    graph, _ = sinking(None, sync=False, checkpointer=MemorySaver())
    with pytest.raises(GraphRecursionError):
        await graph.ainvoke({"n": 0}, on("t"))
    state = await graph.aget_state(on("t"))
    assert (state.values, state.next) == ({"log": [], "n": 0}, ("sink",))
    await graph.aupdate_state(on("t"), {"n": 7}, "sink")
    assert await graph.ainvoke(None, on("t"), on_busy="reject") == {"log": [], "n": 7}


@pytest.mark.parametrize("sync", [True, False])
async def test_a_graph_that_stops_may_go_as_deep_as_is_allowed(sync: bool) -> None:
    graph, levels = sinking(DEEPEST, sync=sync)
    assert await graph.ainvoke({"n": 0}) == {"log": [], "n": DEEPEST}
    assert len(levels) == DEEPEST + 1
