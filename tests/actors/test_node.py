"""How nodes are called: threads, injected parameters, branches, and what they may give back."""

from __future__ import annotations

import asyncio
import functools
import gc
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, TypedDict

import pytest

from actors import (
    END,
    START,
    InvalidUpdateError,
    Runtime,
    Send,
    StateGraph,
    StreamWriter,
    get_config,
)
from checkpoint import MemorySaver
from tests.actors.engine import DEADLINE, State, chain, fan, on, says


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(DEADLINE):
        yield


async def run(*nodes: Any, **options: Any) -> Any:
    named = {f"n{at}": node for at, node in enumerate(nodes)}
    return await chain(**named).compile().ainvoke({"log": []}, **options)


# --- how code runs -----------------------------------------------------------------------------


async def test_sync_code_runs_in_a_worker_thread_and_async_code_on_the_loop() -> None:
    threads: list[int] = []

    def sync_node(state: Any) -> None:
        threads.append(threading.get_ident())

    async def async_node(state: Any) -> None:
        threads.append(threading.get_ident())

    await run(sync_node, async_node)
    assert threads[0] != threading.get_ident() == threads[1]


async def test_a_callable_object_a_partial_and_a_method_are_nodes() -> None:
    class Node:
        async def __call__(self, state: Any) -> dict[str, Any]:
            return {"log": ["object"]}

        def method(self, state: Any) -> dict[str, Any]:
            return {"log": ["method"]}

    def plain(state: Any, name: str) -> dict[str, Any]:
        return {"log": [name]}

    partial = functools.partial(plain, name="partial")
    result = await run(Node(), Node().method, partial)
    assert result == {"log": ["object", "method", "partial"]}


async def test_sync_code_that_gives_an_awaitable_is_awaited() -> None:
    async def later() -> dict[str, Any]:
        return {"log": ["later"]}

    assert await run(lambda state: later()) == {"log": ["later"]}


@pytest.mark.parametrize("value", [5, "text", [1], object()])
async def test_what_is_no_update_is_refused_with_the_nodes_name(value: Any) -> None:
    with pytest.raises(InvalidUpdateError, match="Expected dict, got") as caught:
        await run(lambda state: value)
    assert "n0" in str(caught.value) + str(caught.value.__notes__)


async def test_a_node_that_mutates_its_input_dict_changes_nothing_but_its_own_view() -> None:
    def rude(state: Any) -> None:
        state.clear()
        state["n"] = 99

    def looks(state: Any) -> dict[str, Any]:
        return {"log": [dict(state)]}

    result = await fan(a=rude, b=looks).compile().ainvoke({"log": [], "n": 1})
    assert result == {"log": [{"log": [], "n": 1}], "n": 1}


async def test_a_result_may_be_a_list_of_updates() -> None:
    assert await run(lambda state: [{"log": ["x"]}, {"log": ["y"], "n": 1}]) == {
        "log": ["x", "y"],
        "n": 1,
    }


async def test_the_same_exception_object_raised_twice_is_noted_for_each_task() -> None:
    error = LookupError("shared")

    async def bad(state: Any) -> None:
        raise error

    graph = chain(a=bad).compile(checkpointer=MemorySaver())
    for _ in range(2):
        with pytest.raises(LookupError):
            await graph.ainvoke({"log": []}, on("t"))
    assert len(error.__notes__) == 2


# --- injected parameters -----------------------------------------------------------------------


async def test_parameters_are_filled_by_name() -> None:
    seen: dict[str, Any] = {}

    async def node(state: Any, config: Any, writer: Any, runtime: Any, store: Any = None) -> None:
        seen.update(config=config, writer=writer, runtime=runtime, store=store)

    await run(node, context=5)
    assert seen["config"]["metadata"]["langgraph_node"] == "n0"
    assert isinstance(seen["writer"], StreamWriter)
    assert (seen["runtime"].context, seen["store"]) == (5, None)


async def test_parameters_are_filled_by_annotation_and_in_any_order() -> None:
    seen: list[Any] = []

    def node(w: StreamWriter, state: State, *, r: Runtime[int]) -> dict[str, Any]:
        seen.extend([w, state, r.context])
        return {"log": ["n"]}

    builder = StateGraph(State).add_node("n", node).add_edge(START, "n")
    assert await builder.compile().ainvoke({"log": []}, context=7) == {"log": ["n"]}
    assert isinstance(seen[0], StreamWriter)
    assert seen[1:] == [{"log": []}, 7]


async def test_the_config_parameter_is_what_get_config_gives() -> None:
    seen: list[Any] = []

    def node(state: Any, config: Any) -> None:
        seen.extend([config, get_config()])

    await run(node)
    given, got = ({k: v for k, v in each.items() if k != "callbacks"} for each in seen)
    assert given == got  # callbacks, which LangChain's presence adds, are made for each


async def test_a_nodes_config_is_its_own_copy() -> None:
    def rude(state: Any, config: Any) -> None:
        config["metadata"].clear()
        config["configurable"]["user"] = "changed"
        config["tags"].append("x")

    def looks(state: Any, config: Any) -> dict[str, Any]:
        return {"log": [config["configurable"]["user"], config["tags"], config["metadata"]["m"]]}

    graph = chain(a=rude, b=looks).compile()
    given = {"configurable": {"user": "ada"}, "tags": ["t"], "metadata": {"m": 1}}
    assert await graph.ainvoke({"log": []}, given) == {"log": ["ada", ["t"], 1]}
    assert given == {"configurable": {"user": "ada"}, "tags": ["t"], "metadata": {"m": 1}}


async def test_the_writer_parameter_streams_custom_chunks() -> None:
    def node(state: Any, writer: Any) -> None:
        for n in range(3):
            writer(n)

    graph = chain(a=node).compile()
    assert [c async for c in graph.astream({"log": []}, stream_mode="custom")] == [0, 1, 2]


async def test_runtime_tells_which_task_of_which_run_this_is() -> None:
    seen: list[Any] = []

    async def node(state: Any, runtime: Runtime[Any]) -> None:
        seen.append(runtime.execution_info)

    graph = chain(a=says("a"), b=node).compile(checkpointer=MemorySaver())
    started = [
        c
        async for c in graph.astream({"log": []}, on("t", run_id="r"), stream_mode="tasks")
        if "input" in c
    ]
    [info] = seen
    assert (info.run_id, info.thread_id, info.node, info.step) == ("r", "t", "b", 2)
    assert info.task_id == started[1]["id"]
    assert info.checkpoint_ns == f"b:{info.task_id}"
    history = [s async for s in graph.aget_state_history(on("t"))]
    assert info.checkpoint_id == history[1].config["configurable"]["checkpoint_id"]


async def test_a_branch_gets_parameters_too_and_the_state_as_its_node_left_it() -> None:
    seen: list[Any] = []

    def path(state: Any, config: Any, runtime: Any) -> str:
        seen.append((state["log"], config["metadata"]["langgraph_node"], runtime.context))
        return END

    builder = chain(a=says("a")).add_conditional_edges("a", path)
    await builder.compile().ainvoke({"log": ["in"]}, context=1)
    assert seen == [(["in", "a"], "a", 1)]


# --- branches ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["sync", "async", "object"])
async def test_a_path_may_be_sync_async_or_an_object(kind: str) -> None:
    def sync_path(state: Any) -> str:
        return "b"

    async def async_path(state: Any) -> str:
        return "b"

    class Path:
        async def __call__(self, state: Any) -> str:
            return "b"

    path = {"sync": sync_path, "async": async_path, "object": Path()}[kind]
    builder = StateGraph(State).add_node("a", says("a")).add_node("b", says("b"))
    builder.add_edge(START, "a").add_conditional_edges("a", path)
    assert await builder.compile().ainvoke({"log": []}) == {"log": ["a", "b"]}


async def test_a_path_may_give_names_sends_and_end_together() -> None:
    def path(state: Any) -> Any:
        return ["b", Send("c", {"log": ["sent"]}), END]

    builder = StateGraph(State).add_node("a", says("a")).add_node("b", says("b"))
    builder.add_node("c", lambda state: {"log": state["log"]})
    builder.add_edge(START, "a").add_conditional_edges("a", path)
    assert await builder.compile().ainvoke({"log": []}) == {"log": ["a", "b", "sent"]}


async def test_a_path_that_fails_fails_its_nodes_task() -> None:
    def path(state: Any) -> str:
        raise LookupError("no way")

    builder = chain(a=says("a")).add_conditional_edges("a", path)
    graph = builder.compile(checkpointer=MemorySaver())
    with pytest.raises(LookupError) as caught:
        await graph.ainvoke({"log": []}, on("t"))
    assert "name 'a'" in caught.value.__notes__[0]
    assert (await graph.aget_state(on("t"))).next == ("a",)


async def test_a_path_to_an_unknown_node_is_refused_with_those_there_are() -> None:
    builder = chain(a=says("a"), b=says("b")).add_conditional_edges("a", lambda state: "nowhere")
    with pytest.raises(InvalidUpdateError, match=r"'nowhere'.*\['a', 'b'\]"):
        await builder.compile().ainvoke({"log": []})


async def test_a_branch_from_start_runs_user_code_and_its_failure_ends_the_run() -> None:
    def path(state: Any) -> str:
        if state["log"]:
            raise LookupError
        return "a"

    builder = StateGraph(State).add_node("a", says("a")).add_conditional_edges(START, path)
    graph = builder.compile(checkpointer=MemorySaver())
    assert await graph.ainvoke({"log": []}, on("1")) == {"log": ["a"]}
    with pytest.raises(LookupError):
        await graph.ainvoke({"log": ["x"]}, on("2"))


async def test_a_pydantic_free_schema_class_reaches_the_node_as_an_instance() -> None:
    class Narrow(TypedDict):
        n: int

    seen: list[Any] = []

    def node(state: Narrow) -> None:
        seen.append(state)

    builder = StateGraph(State).add_node("a", node, input_schema=Narrow).add_edge(START, "a")
    await builder.compile().ainvoke({"log": ["x"], "n": 1, "text": "t"})
    assert seen == [{"n": 1}]


# --- errors that are hard to handle -----------------------------------------------------------


@dataclass(frozen=True)
class FrozenError(Exception):
    """Refuses notes and tracebacks, as all its attributes."""

    code: int


class ShyError(Exception):
    """Cannot be shown."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    def __str__(self) -> str:
        raise RuntimeError("no str")


@pytest.mark.parametrize("error", [FrozenError(1), ShyError()], ids=["frozen", "shy"])
@pytest.mark.parametrize("saver", [None, MemorySaver()], ids=["stateless", "stored"])
async def test_an_odd_error_reaches_the_caller_as_it_is(error: Exception, saver: Any) -> None:
    async def node(state: Any) -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        await chain(a=node).compile(checkpointer=saver).ainvoke({"log": []}, on("t"))
    assert caught.value is error


async def test_a_stop_iteration_of_user_code_fails_its_task() -> None:
    def sync_node(state: Any) -> Any:
        return next(iter(()))

    async def async_node(state: Any) -> Any:
        return next(iter(()))

    for node in (sync_node, async_node):
        with pytest.raises(RuntimeError, match="StopIteration") as caught:
            await run(node)
        assert "During task with name 'n0'" in caught.value.__notes__[0]


async def test_a_deadline_inside_a_node_is_an_error_of_the_node() -> None:
    async def node(state: Any) -> None:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError) as caught:
        await run(node)
    assert "During task with name 'n0'" in caught.value.__notes__[0]


async def test_an_exception_group_reaches_the_caller_whole() -> None:
    async def node(state: Any) -> None:
        raise ExceptionGroup("several", [LookupError("a"), ValueError("b")])

    with pytest.raises(ExceptionGroup) as caught:
        await run(node)
    assert [type(error) for error in caught.value.exceptions] == [LookupError, ValueError]


async def test_a_hundred_failures_at_once_leave_nothing_unheard(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def work(state: Any) -> None:
        raise LookupError(state)

    builder = StateGraph(State).add_node("work", work)
    builder.add_conditional_edges(START, lambda s: [Send("work", n) for n in range(100)])
    with pytest.raises(LookupError):
        await builder.compile(checkpointer=MemorySaver()).ainvoke({"log": []}, on("t"))
    gc.collect()
    await asyncio.sleep(0)
    assert caplog.text == ""


async def test_a_node_may_look_at_its_own_thread() -> None:
    graphs: list[Any] = []

    async def node(state: Any) -> dict[str, Any]:
        return {"log": [(await graphs[0].aget_state(on("t"))).next]}

    graphs.append(chain(a=node).compile(checkpointer=MemorySaver()))
    assert await graphs[0].ainvoke({"log": []}, on("t")) == {"log": [("a",)]}
