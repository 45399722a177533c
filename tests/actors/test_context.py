"""What code inside a task can reach, and what is told to code outside of one."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import sys
from collections.abc import AsyncIterator, Callable
from functools import partial
from types import CodeType, FrameType
from typing import Any

import pytest

from actors import Send, StateGraph, get_config, get_stream_writer
from actors.context import TaskContext, current
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


# --- threads of one task ------------------------------------------------------------------------


def preempted(code: CodeType, nth: int, call: Callable[[], Any], other: Callable[[], Any]) -> bool:
    """Call with the other call right before the nth instruction of `code`, as another thread may;
    False if it has no so many."""
    left, before = nth, sys.gettrace()

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        if frame.f_code is not code:
            return None
        frame.f_trace_opcodes = True
        left -= event == "opcode"
        if event == "opcode" and left == 0:
            other()
        return trace

    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return left <= 0


async def contexts(count: int, **options: Any) -> list[TaskContext]:
    """Those of the tasks of some runs, each on a thread of its own."""
    found: list[TaskContext] = []

    def node(state: Any) -> None:
        context = current()
        assert context is not None
        found.append(context)

    graph = fan(node=node).compile(checkpointer=MemorySaver())
    for number in range(count):
        await graph.ainvoke({}, on(str(number)), **options)
    return found


async def test_runs_that_threads_of_a_task_start_at_once_are_all_given_up_with_it() -> None:
    known, *started = await contexts(3)
    runs = [context.scheduler for context in started]
    for nth in itertools.count(1):
        task = TaskContext(known.scheduler, known.task)
        adopt, other = (partial(task.adopt, run) for run in runs)
        if not preempted(TaskContext.adopt.__code__, nth, adopt, other):
            assert nth > 1
            break
        task.fence()
        recorders = [run.recorder for run in runs if run.recorder is not None]
        assert [recorder.fenced for recorder in recorders] == [True, True], nth
        for recorder in recorders:
            recorder.fenced = False


@pytest.mark.parametrize("name", ["writer", "tokens"])
async def test_threads_of_a_task_that_ask_at_once_get_the_same_writer(name: str) -> None:
    [known] = await contexts(1, stream_mode="messages")
    asked = vars(TaskContext)[name].fget.__code__
    for nth in itertools.count(1):
        task, got = TaskContext(known.scheduler, known.task), list[Any]()

        def ask(task: TaskContext = task, got: list[Any] = got) -> None:
            got.append(getattr(task, name))

        if not preempted(asked, nth, ask, ask):
            assert nth > 1
            break
        assert got[0] is not None
        assert got[0] is got[1], nth
