"""Asking a run to stop: `RunControl` by itself, and a run that is asked."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from actors import (
    START,
    ActorSystem,
    CompiledGraph,
    ConfigError,
    GraphDrained,
    NodeError,
    RetryPolicy,
    RunControl,
    Runtime,
    Send,
    StateGraph,
)
from checkpoint import MemorySaver
from tests.actors.engine import DEADLINE, Gated, State, chain, on, saying, says


@pytest.fixture
async def system() -> AsyncIterator[ActorSystem]:
    async with asyncio.timeout(DEADLINE), ActorSystem(drain_timeout=0) as system:
        yield system


async def asks(state: State, runtime: Runtime[Any]) -> dict[str, Any]:
    """Asks its own run to stop."""
    assert runtime.control is not None
    runtime.control.request_drain("enough")
    return {"log": [runtime.drain_requested, runtime.drain_reason]}


def test_nobody_has_asked_at_first() -> None:
    control = RunControl()
    assert control.drain_requested is False
    assert control.drain_reason is None
    assert repr(control) == "RunControl(drain_reason=None)"


def test_a_request_has_a_reason_and_the_last_one_counts() -> None:
    control = RunControl()
    control.request_drain()
    assert (control.drain_requested, control.drain_reason) == (True, "shutdown")
    control.request_drain("out of money")
    assert control.drain_reason == "out of money"


async def test_a_run_stops_where_the_next_step_would_begin_and_is_saved() -> None:
    graph = chain(asks=asks, after=saying("after")).compile(checkpointer=MemorySaver())
    with pytest.raises(GraphDrained, match="Graph drained: enough") as drained:
        await graph.ainvoke({"log": []}, on("t"))
    assert drained.value.reason == "enough"
    state = await graph.aget_state(on("t"))
    assert state.values == {"log": [True, "enough"]}
    assert state.next == ("after",)
    assert state.tasks[0].error is None


async def test_going_on_runs_only_what_was_left() -> None:
    graph = chain(asks=asks, after=saying("after")).compile(checkpointer=MemorySaver())
    with pytest.raises(GraphDrained):
        await graph.ainvoke({"log": []}, on("t"))
    assert await graph.ainvoke(None, on("t")) == {"log": [True, "enough", "after"]}


async def test_a_request_in_the_last_step_changes_nothing() -> None:
    graph = chain(asks=asks).compile(checkpointer=MemorySaver())
    assert await graph.ainvoke({"log": []}, on("t")) == {"log": [True, "enough"]}


async def test_a_run_that_was_asked_before_it_began_keeps_its_input() -> None:
    graph = chain(a=saying("a")).compile(checkpointer=MemorySaver())
    control = RunControl()
    control.request_drain("early")
    with pytest.raises(GraphDrained, match="early"):
        await graph.ainvoke({"n": 7}, on("t"), control=control)
    assert (await graph.aget_state(on("t"))).next == (START,)
    assert await graph.ainvoke(None, on("t")) == {"log": ["a"], "n": 7}


async def test_a_stateless_run_stops_too() -> None:
    with pytest.raises(GraphDrained):
        await chain(asks=asks, after=saying("after")).compile().ainvoke({"log": []})


async def test_tasks_that_run_end_first_and_their_writes_count() -> None:
    gated, control = Gated(), RunControl()
    builder = chain(quick=saying("quick"), end=saying("end"))
    builder.add_node("gated", gated).add_edge(START, "gated").add_edge("gated", "end")
    graph = builder.compile(checkpointer=MemorySaver())
    task = asyncio.create_task(graph.ainvoke({"log": []}, on("t"), control=control))
    await gated.started.wait()
    control.request_drain()
    gated.gate.set()
    with pytest.raises(GraphDrained):
        await task
    assert gated.cancelled == 0
    assert (await graph.aget_state(on("t"))).values == {"log": ["gated", "quick"]}


async def test_a_request_may_come_from_any_thread(system: ActorSystem) -> None:
    gated, control = Gated(), RunControl()
    graph = chain(gated=gated, after=saying("after")).compile(checkpointer=MemorySaver())
    run = await system.start(graph, {"log": []}, on("t"), control=control)
    await gated.started.wait()
    thread = threading.Thread(target=control.request_drain, args=("from afar",))
    thread.start()
    await asyncio.to_thread(thread.join)
    gated.gate.set()
    with pytest.raises(GraphDrained, match="from afar"):
        await run.result()
    assert run.status == "interrupted"


async def test_readers_of_a_drained_run_see_its_end(system: ActorSystem) -> None:
    graph = chain(asks=asks, after=saying("after")).compile(checkpointer=MemorySaver())
    run = await system.start(graph, {"log": []}, on("t"))
    chunks = [chunk.data async for chunk in run.stream("updates")]
    assert chunks == [{"asks": {"log": [True, "enough"]}}]
    assert run.status == "interrupted"


def test_the_sync_doors_take_a_control() -> None:
    graph = chain(a=says("a"), b=says("b")).compile(checkpointer=MemorySaver())
    control = RunControl()
    stream = graph.stream({"log": []}, on("t"), control=control)
    assert next(stream) == {"a": {"log": ["a"]}}
    control.request_drain()
    with pytest.raises(GraphDrained):
        next(stream)
    assert graph.invoke(None, on("t")) == {"log": ["a", "b"]}


async def test_a_reader_that_asks_after_a_step_stops_the_run_before_the_next() -> None:
    graph = chain(a=saying("a"), b=saying("b")).compile(checkpointer=MemorySaver())
    control = RunControl()
    stream = graph.astream({"log": []}, on("t"), control=control)
    assert await anext(stream) == {"a": {"log": ["a"]}}
    control.request_drain()
    with pytest.raises(GraphDrained):
        await anext(stream)
    assert (await graph.aget_state(on("t"))).next == ("b",)


def test_what_is_no_control_is_refused_before_anything_runs() -> None:
    with pytest.raises(ConfigError, match="control=5 controls no run; give a RunControl"):
        chain(a=says("a")).compile().invoke({}, control=5)  # pyright: ignore[reportCallIssue, reportArgumentType]


# --- in graphs that nodes call --------------------------------------------------------------


def parent_of(child: CompiledGraph | Callable[..., Any]) -> CompiledGraph:
    builder = StateGraph(State).add_node("child", child).add_node("beside", saying("beside"))
    builder.add_node("after", saying("after"))
    builder.add_edge(START, "child").add_edge(START, "beside").add_edge(
        ["child", "beside"], "after"
    )
    return builder.compile(checkpointer=MemorySaver())


async def test_a_graph_that_a_node_is_stops_inside_and_goes_on_inside() -> None:
    calls = list[str]()

    async def counts(state: State) -> dict[str, Any]:
        calls.append("counts")
        return {"log": ["counts"]}

    graph = parent_of(chain(counts=counts, asks=asks, last=saying("last")).compile())
    with pytest.raises(GraphDrained, match="enough"):
        await graph.ainvoke({"log": []}, on("t"))
    state = await graph.aget_state(on("t"))
    assert state.next == ("child",)
    assert state.values == {"log": ["beside"]}, "its sibling ran to the end"
    final = await graph.ainvoke(None, on("t"))
    assert final["log"] == ["beside", "counts", True, "enough", "last", "after"]
    assert calls == ["counts"], "what had run inside did not run again"


async def test_a_drained_graph_is_no_failure_of_the_node_that_calls_it() -> None:
    child = chain(asks=asks, last=saying("last")).compile()
    handled = list[NodeError]()

    async def calls(state: State) -> Any:
        return await child.ainvoke(state)

    def handler(state: State, error: NodeError) -> None:
        handled.append(error)

    builder = StateGraph(State).add_edge(START, "calls")
    retry = RetryPolicy(retry_on=Exception)
    builder.add_node("calls", calls, retry_policy=retry, error_handler=handler)
    graph = builder.compile(checkpointer=MemorySaver())
    with pytest.raises(GraphDrained):
        await graph.ainvoke({"log": []}, on("t"))
    assert handled == []
    assert (await graph.aget_state(on("t"))).tasks[0].error is None


async def test_several_drained_graphs_end_the_step_once() -> None:
    child = chain(asks=asks, last=saying("last")).compile()

    def fan(state: State) -> list[Send]:
        return [Send("child", {"log": []}) for _ in range(3)]

    builder = StateGraph(State).add_node("child", child).add_conditional_edges(START, fan)
    graph = builder.compile(checkpointer=MemorySaver())
    with pytest.raises(GraphDrained):
        await graph.ainvoke({"log": []}, on("t"))
    final = await graph.ainvoke(None, on("t"))
    assert final["log"].count("last") == 3
