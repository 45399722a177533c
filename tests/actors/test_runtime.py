"""What `runtime` holds, inside of a run and made by hand; the functions that give it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from actors import (
    START,
    ActorSystem,
    ConfigError,
    NoTaskError,
    RunControl,
    Runtime,
    StateGraph,
    StoreTypeError,
    entrypoint,
    get_runtime,
    get_store,
)
from checkpoint import Item, MemorySaver, MemoryStore, SqliteSaver, SqliteStore
from streaming import SILENT_WRITER
from tests.actors.engine import DEADLINE, State, chain, on, says


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(DEADLINE):
        yield


@pytest.mark.parametrize("function", [get_runtime, get_store])
def test_outside_of_a_task_there_is_no_runtime_and_no_store(function: Any) -> None:
    with pytest.raises(NoTaskError, match=rf"{function.__name__}\(\) was called outside") as caught:
        function()
    assert isinstance(caught.value, RuntimeError)


def test_a_runtime_made_by_hand_has_nothing_but_what_it_was_given() -> None:
    runtime = Runtime(context=1)
    assert (runtime.context, runtime.store, runtime.previous) == (1, None, None)
    assert (runtime.execution_info, runtime.control) == (None, None)
    assert (runtime.drain_requested, runtime.drain_reason) == (False, None)
    assert runtime.stream_writer is SILENT_WRITER
    runtime.heartbeat()


def test_a_runtime_is_not_changed_but_copied() -> None:
    runtime = Runtime(context=1)
    with pytest.raises(FrozenInstanceError):
        runtime.context = 2  # pyright: ignore[reportAttributeAccessIssue]
    assert runtime.override(context=2).context == 2
    assert runtime.context == 1
    with pytest.raises(TypeError, match="colour"):
        runtime.override(colour="red")


def test_merging_takes_what_the_other_has_set() -> None:
    store, control = MemoryStore(), RunControl()
    merged = Runtime(context=1, store=store).merge(Runtime(context=2, control=control))
    assert (merged.context, merged.store, merged.control) == (2, store, control)
    nothing: Runtime[Any] = Runtime()
    assert Runtime(context=1, previous=3).merge(nothing) == Runtime(context=1, previous=3)


def test_a_copy_of_a_runtime_keeps_its_journal() -> None:
    def node(state: State, runtime: Runtime) -> dict[str, Any]:
        copy = runtime.override(context="mine")
        return {"log": [copy.once_sync("charge", lambda: 7)]}

    assert chain(a=node).compile().invoke({"log": []})["log"] == [7]


def test_the_runtime_is_one_object_for_a_task() -> None:
    def node(state: State, runtime: Runtime) -> dict[str, Any]:
        return {"log": [get_runtime() is runtime]}

    assert chain(a=node).compile().invoke({"log": []})["log"] == [True]


async def test_execution_info_says_which_task_of_which_run_this_is() -> None:
    found: list[Any] = []

    def node(state: State, runtime: Runtime) -> None:
        found.append(runtime.execution_info)

    graph = chain(a=says("a"), b=node).compile(checkpointer=MemorySaver())
    async with ActorSystem() as system:
        run = await system.start(graph, {"log": []}, on("t"))
        await run.result()
    (info,) = found
    assert (info.run_id, info.thread_id) == (run.run_id, "t")
    assert (info.node, info.step, info.node_attempt) == ("b", 2, 1)
    assert info.checkpoint_ns == f"b:{info.task_id}"
    history = [state async for state in graph.aget_state_history(on("t")) if state.next == ("b",)]
    assert info.checkpoint_id == history[0].config["configurable"]["checkpoint_id"]
    assert info.node_first_attempt_time > 1_700_000_000


# --- stores ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("store", [5, "db", MemoryStore, object(), MemorySaver()])
def test_what_is_no_store_is_refused(store: Any) -> None:
    builder = StateGraph(State).add_node("a", says("a")).add_edge(START, "a")
    with pytest.raises(StoreTypeError, match="give a MemoryStore, a SqliteStore") as caught:
        builder.compile(store=store)
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, ConfigError)
    with pytest.raises(StoreTypeError):
        entrypoint(store=store)


def likes(item: Item | None) -> Any:
    return None if item is None else item.value["likes"]


async def test_an_entrypoint_has_its_store() -> None:
    store = MemoryStore()
    store.put(("people",), "ada", {"likes": "tea"})

    @entrypoint(store=store)
    def ask(name: str, runtime: Runtime, store: MemoryStore) -> Any:
        assert runtime.store is store
        return likes(store.get(("people",), name))

    assert await ask.ainvoke("ada") == "tea"
    assert ask.store is store


def test_a_configured_graph_keeps_its_store() -> None:
    store = MemoryStore()
    builder = StateGraph(State).add_node("a", lambda s, store: {"log": [store is not None]})
    graph = builder.add_edge(START, "a").compile(store=store).with_config({"tags": ["x"]})
    assert graph.store is store
    assert graph.invoke({})["log"] == [True]


def test_an_inner_graph_has_its_own_store_where_its_caller_has_none() -> None:
    store = MemoryStore()
    inner = StateGraph(State).add_node("a", lambda s, runtime: {"log": [runtime.store is store]})
    outer = StateGraph(State).add_node("in", inner.add_edge(START, "a").compile(store=store))
    assert outer.add_edge(START, "in").compile().invoke({})["log"] == [True]


async def test_a_store_in_the_threads_own_file_serves_async_and_sync_nodes(tmp_path: Path) -> None:
    def writes(state: State, store: SqliteStore) -> dict[str, Any]:
        store.put(("people",), "ada", {"likes": "tea"})
        return {"log": ["put"]}

    async def finds(state: State, store: SqliteStore) -> dict[str, Any]:
        return {"log": [likes(await store.aget(("people",), "ada"))]}

    path = tmp_path / "db"
    async with SqliteSaver(path) as saver, SqliteStore(path) as store:
        builder = StateGraph(State).add_sequence([writes, finds]).add_edge(START, "writes")
        graph = builder.compile(saver, store=store)
        assert (await graph.ainvoke({}, on("t")))["log"] == ["put", "tea"]
