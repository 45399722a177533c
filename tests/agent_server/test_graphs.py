"""Graphs by name: compiled ones, builders, and every kind of factory."""

from __future__ import annotations

import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypedDict

import pytest
import pytest_asyncio
from langgraph.graph import StateGraph as OtherGraph

from actors import START, CompiledGraph, StateGraph, entrypoint
from agent_server import GraphLoadError, InvalidError
from agent_server.errors import GraphExitError
from agent_server.graphs import Graphs, ServerRuntime
from checkpoint import MemorySaver, MemoryStore


class State(TypedDict, total=False):
    text: str


def builder() -> StateGraph:
    return StateGraph(State).add_node("say", lambda _: {"text": "hi"}).add_edge(START, "say")


@pytest_asyncio.fixture
async def graphs() -> AsyncIterator[Graphs]:
    yield Graphs(MemorySaver(), MemoryStore())


async def said(graphs: Graphs, name: str, config: dict[str, Any] | None = None) -> Any:
    async with graphs.open(name, config) as graph:
        return await graph.ainvoke({"text": ""}, {"configurable": {"thread_id": "1"}})


async def test_a_compiled_graph_keeps_its_threads_in_the_servers_saver(graphs: Graphs) -> None:
    graphs.add("agent", builder().compile())
    assert await said(graphs, "agent") == {"text": "hi"}
    async with graphs.open("agent") as graph:
        state = await graph.aget_state({"configurable": {"thread_id": "1"}})
    assert state.values == {"text": "hi"}


async def test_a_builder_is_compiled(graphs: Graphs) -> None:
    graphs.add("agent", builder())
    assert await said(graphs, "agent") == {"text": "hi"}


async def test_an_entrypoint_is_a_graph(graphs: Graphs) -> None:
    @entrypoint()
    async def double(text: str) -> str:
        return text * 2

    graphs.add("double", double)
    async with graphs.open("double") as graph:
        assert await graph.ainvoke("ab", {"configurable": {"thread_id": "1"}}) == "abab"


def sync_factory() -> CompiledGraph:
    return builder().compile()


async def async_factory() -> CompiledGraph:
    return builder().compile()


@asynccontextmanager
async def async_context() -> AsyncGenerator[CompiledGraph]:
    yield builder().compile()


@contextmanager
def sync_context() -> Generator[CompiledGraph]:
    yield builder().compile()


async def generator() -> AsyncGenerator[StateGraph]:
    yield builder()


class Maker:
    async def __call__(self, config: dict[str, Any]) -> StateGraph:
        return builder()


@pytest.mark.parametrize(
    "factory",
    [sync_factory, async_factory, async_context, sync_context, generator, Maker()],
    ids=["function", "coroutine", "async context", "context", "async generator", "object"],
)
async def test_a_factory_is_called_for_each_use(graphs: Graphs, factory: Any) -> None:
    graphs.add("made", factory)
    assert await said(graphs, "made") == {"text": "hi"}
    assert await said(graphs, "made") == {"text": "hi"}


async def test_what_a_factory_opened_is_closed_after_the_use(graphs: Graphs) -> None:
    told: list[str] = []

    @asynccontextmanager
    async def factory() -> AsyncGenerator[CompiledGraph]:
        told.append("opened")
        yield builder().compile()
        told.append("closed")

    graphs.add("made", factory)
    async with graphs.open("made"):
        assert told == ["opened"]
    assert told == ["opened", "closed"]


async def test_a_factory_that_is_not_async_does_not_hold_up_the_loop(graphs: Graphs) -> None:
    threads: list[threading.Thread] = []

    def factory() -> CompiledGraph:
        threads.append(threading.current_thread())
        return builder().compile()

    graphs.add("made", factory)
    await said(graphs, "made")
    assert threads != [threading.main_thread()]


async def test_a_factory_gets_the_config_the_runtime_or_both(graphs: Graphs) -> None:
    given: dict[str, Any] = {}

    def config_only(config: dict[str, Any]) -> CompiledGraph:
        given["config"] = config
        return builder().compile()

    async def by_annotation(first: ServerRuntime, /, *, settings: dict[str, Any]) -> CompiledGraph:
        given["runtime"], given["settings"] = first, settings
        return builder().compile()

    def with_default(size: int = 3, runtime: Any = None) -> CompiledGraph:
        given["size"], given["second"] = size, runtime
        return builder().compile()

    graphs.add_all({"a": config_only, "b": by_annotation, "c": with_default})
    config = {"configurable": {"model": "small"}}
    user = {"identity": "me"}
    for name in graphs.ids:
        async with graphs.open(name, config, context={"k": 1}, user=user):
            pass
    assert given["config"] == given["settings"] == config
    assert given["size"] == 3
    runtime: ServerRuntime = given["runtime"]
    assert runtime == given["second"]
    assert (runtime.context, runtime.user, runtime.ensure_user()) == ({"k": 1}, user, user)
    assert runtime.execution_runtime is runtime


async def test_a_factory_is_told_when_the_graph_is_only_looked_at(graphs: Graphs) -> None:
    seen: list[ServerRuntime] = []

    def factory(runtime: ServerRuntime) -> CompiledGraph:
        seen.append(runtime)
        return builder().compile()

    graphs.add("made", factory)
    async with graphs.open("made", access="assistants.read"):
        pass
    (runtime,) = seen
    assert runtime.access_context == "assistants.read"
    assert runtime.execution_runtime is None
    with pytest.raises(InvalidError, match="configure authentication"):
        runtime.ensure_user()


async def test_a_name_that_is_not_served_is_refused_with_those_that_are(graphs: Graphs) -> None:
    graphs.add_all({"one": builder(), "two": sync_factory})
    assert "one" in graphs
    assert "two" in graphs
    assert "three" not in graphs
    with pytest.raises(InvalidError, match="'three' is not served here; ask for one of: one, two"):
        await said(graphs, "three")


def test_what_is_no_graph_is_refused_at_once(graphs: Graphs) -> None:
    with pytest.raises(GraphLoadError, match="'x' is dict, no graph; give what compile"):
        graphs.add("x", {})


def test_langgraphs_own_graph_is_told_apart(graphs: Graphs) -> None:
    other = OtherGraph(State).add_node("say", lambda _: {}).add_edge("__start__", "say").compile()
    with pytest.raises(GraphLoadError, match=r"langgraph's CompiledStateGraph.*from `actors`"):
        graphs.add("x", other)


async def test_a_factory_that_makes_no_graph_is_told_when_it_is_used(graphs: Graphs) -> None:
    graphs.add("made", lambda: 3)
    with pytest.raises(GraphLoadError, match="'made' is int"):
        await said(graphs, "made")


async def test_what_a_factory_raises_is_raised(graphs: Graphs) -> None:
    async def factory() -> CompiledGraph:
        raise LookupError("no model")

    graphs.add("made", factory)
    with pytest.raises(LookupError, match="no model"):
        await said(graphs, "made")


@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit(), StopIteration()]
)
async def test_a_factory_that_asks_for_the_end_of_the_process_is_an_error(
    graphs: Graphs, error: BaseException
) -> None:
    def factory() -> CompiledGraph:
        raise error

    graphs.add("made", factory)
    with pytest.raises(GraphExitError, match=f"raised {type(error).__name__}"):
        await said(graphs, "made")


async def test_an_async_factory_that_asks_for_the_end_of_the_process_is_an_error(
    graphs: Graphs,
) -> None:
    async def factory() -> AsyncIterator[CompiledGraph]:
        sys.exit(3)
        yield

    graphs.add("made", factory)
    with pytest.raises(GraphExitError, match="'made' cannot be had: its factory raised SystemExit"):
        await said(graphs, "made")
