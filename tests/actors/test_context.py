"""What code inside a task can reach, and what is told to code outside of one."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator
from typing import Any

import pytest

from actors import Send, StateGraph, get_config, get_stream_writer
from actors.errors import NoTaskError
from actors.values import START
from checkpoint import MemorySaver
from tests.actors.engine import DEADLINE, State, chain, fan, on, says

who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(DEADLINE):
        yield


async def test_get_config_outside_of_a_task_says_where_it_works() -> None:
    with pytest.raises(NoTaskError, match="inside a node") as caught:
        get_config()
    assert isinstance(caught.value, RuntimeError)


async def test_a_writer_outside_of_a_task_does_nothing() -> None:
    get_stream_writer()("nobody hears this")
    await get_stream_writer().drain()


async def test_a_writer_inside_a_task_does_nothing_when_nobody_asked_for_custom() -> None:
    def node(state: Any) -> dict[str, Any]:
        get_stream_writer()(object())
        return {"log": ["a"]}

    graph = chain(a=node).compile()
    assert [c async for c in graph.astream({"log": []})] == [{"a": {"log": ["a"]}}]


@pytest.mark.parametrize("depth", [0, 3])
async def test_helpers_and_tasks_that_a_node_makes_are_inside_of_its_task(depth: int) -> None:
    seen: list[str] = []

    async def helper(left: int) -> None:
        if left:
            await asyncio.create_task(helper(left - 1))
        else:
            seen.append(get_config()["metadata"]["langgraph_node"])
            get_stream_writer()("hello")

    async def node(state: Any) -> None:
        await helper(depth)

    graph = chain(a=node).compile()
    assert [c async for c in graph.astream({"log": []}, stream_mode="custom")] == ["hello"]
    assert seen == ["a"]


async def test_a_thread_that_a_node_makes_with_its_context_is_inside_of_its_task() -> None:
    async def node(state: Any) -> dict[str, Any]:
        config = await asyncio.to_thread(get_config)
        return {"log": [config["metadata"]["langgraph_node"]]}

    assert await chain(a=node).compile().ainvoke({"log": []}) == {"log": ["a"]}


async def test_the_config_shows_the_call_and_the_task() -> None:
    seen: list[dict[str, Any]] = []

    def node(state: Any) -> None:
        seen.append(get_config())

    graph = chain(a=says("a"), b=node).compile(checkpointer=MemorySaver())
    config = on(
        "t",
        tags=["x"],
        metadata={"m": 1},
        recursion_limit=9,
        max_concurrency=2,
        run_id="r",
        run_name="name",
    )
    await graph.ainvoke({"log": []}, config)
    [shown] = seen
    assert shown["configurable"]["thread_id"] == "t"
    assert shown["configurable"]["checkpoint_ns"].startswith("b:")
    assert (shown["tags"], shown["recursion_limit"], shown["max_concurrency"]) == (["x"], 9, 2)
    assert not {"run_id", "run_name"} & shown.keys()  # a model given this config has its own
    metadata = shown["metadata"]
    assert (metadata["m"], metadata["thread_id"]) == (1, "t")
    assert (metadata["langgraph_step"], metadata["langgraph_node"]) == (2, "b")
    assert metadata["langgraph_triggers"] == ("branch:to:b",)
    assert metadata["langgraph_path"] == ("__pregel_pull", "b")
    assert metadata["langgraph_checkpoint_ns"] == shown["configurable"]["checkpoint_ns"]


async def test_tasks_of_one_node_have_a_config_each() -> None:
    async def work(state: Any) -> dict[str, Any]:
        await asyncio.sleep(0)
        return {"log": [get_config()["metadata"]["langgraph_path"][1]]}

    builder = StateGraph(State).add_node("work", work)
    builder.add_conditional_edges(START, lambda s: [Send("work", {}) for _ in range(10)])
    assert await builder.compile().ainvoke({"log": []}) == {"log": list(range(10))}


async def test_the_callers_variables_reach_nodes_and_what_nodes_set_stays_with_them() -> None:
    seen: list[str] = []

    async def async_node(state: Any) -> None:
        seen.append(who.get())
        who.set("async")

    def sync_node(state: Any) -> None:
        seen.append(who.get())
        who.set("sync")

    who.set("ada")
    await fan(a=async_node, b=sync_node).compile().ainvoke({"log": []})
    await chain(a=async_node, b=sync_node).compile().ainvoke({"log": []})
    assert (seen, who.get()) == (["ada"] * 4, "ada")


async def test_siblings_do_not_see_each_others_variables() -> None:
    meeting = asyncio.Barrier(2)

    async def node(state: Any, config: Any) -> dict[str, Any]:
        name = config["metadata"]["langgraph_node"]
        who.set(name)
        await meeting.wait()
        return {"log": [who.get()]}

    assert await fan(a=node, b=node).compile().ainvoke({"log": []}) == {"log": ["a", "b"]}


async def test_a_run_that_ended_leaves_no_task_in_the_callers_context() -> None:
    await chain(a=says("a")).compile().ainvoke({"log": []})
    async for _ in chain(a=says("a")).compile().astream({"log": []}):
        pass
    with pytest.raises(NoTaskError):
        get_config()
