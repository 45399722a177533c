"""Runnables of LangChain in sync calls and in async ones."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from langchain_core.runnables import (
    RunnableBranch,
    RunnableGenerator,
    RunnableLambda,
    RunnableParallel,
    RunnablePassthrough,
)
from langchain_core.tools import StructuredTool

from actors import START, StateGraph
from actors.doors import call, in_sync_call
from actors.runnables import run
from tests.actors.engine import State


def sync(value: Any, **bound: Any) -> str:
    return "sync"


async def awaited(value: Any, **bound: Any) -> str:
    return "async"


async def pieces(values: AsyncIterator[Any]) -> AsyncIterator[str]:
    async for _ in values:
        yield "async"


class Own:
    """What is no runnable of LangChain, and has both."""

    def invoke(self, value: Any) -> str:
        raise NotImplementedError

    async def ainvoke(self, value: Any) -> str:
        return "async"


EITHER = RunnableLambda(sync, afunc=awaited)
TOOL = StructuredTool.from_function(coroutine=awaited, description="Async.")
ALONE = RunnableLambda(awaited)


@pytest.mark.parametrize(
    ("code", "given"),
    [
        (EITHER, "sync"),
        (EITHER | EITHER, "sync"),
        (EITHER.bind(tools=[TOOL]), "sync"),
        (EITHER.with_retry(), "sync"),
        (ALONE, "async"),
        (EITHER | ALONE, "async"),
        (ALONE.with_config(tags=["x"]), "async"),
        (EITHER.with_fallbacks([ALONE]), "async"),
        (RunnableBranch((lambda value: False, ALONE), EITHER), "async"),
        (RunnableParallel(a=EITHER) | EITHER, "sync"),
        (RunnableParallel(a=ALONE) | EITHER, "async"),
        (RunnablePassthrough() | EITHER, "sync"),
        (RunnableGenerator(pieces) | (lambda piece: piece), "async"),
        (Own(), "async"),
    ],
)
def test_sync_code_is_taken_in_a_sync_call_where_there_is_all_of_it(code: Any, given: str) -> None:
    assert call(run(code, "x")) == given
    assert asyncio.run(run(code, "x")) == "async"


def graph_of(code: Any) -> Any:
    return StateGraph(State).add_node("n", code).add_edge(START, "n").compile()


def told(log: list[Any], word: str) -> Callable[[Any], dict[str, Any]]:
    def node(state: Any) -> dict[str, Any]:
        log.append((word, threading.current_thread()))
        return {"log": [word]}

    return node


async def test_nodes_and_paths_are_called_as_the_graph_is() -> None:
    log: list[Any] = []

    async def node(state: Any) -> dict[str, Any]:
        return told(log, "async")(state)

    async def aroute(state: Any) -> str:
        log.append(("async", threading.current_thread()))
        return "n"

    def route(state: Any) -> str:
        log.append(("sync", threading.current_thread()))
        return "n"

    builder = StateGraph(State).add_node("n", RunnableLambda(told(log, "sync"), afunc=node))
    builder.add_conditional_edges(START, RunnableLambda(route, afunc=aroute), ["n"])
    graph = builder.compile()
    assert (await graph.ainvoke({"topic": "t"}))["log"] == ["async"]
    assert graph.invoke({"topic": "t"})["log"] == ["sync"]
    assert [word for word, _ in log] == ["async", "async", "sync", "sync"]
    assert threading.current_thread() not in [thread for _, thread in log[2:]]


def test_an_async_node_of_a_sync_call_is_on_a_loop_of_that_call() -> None:
    async def node(state: Any) -> dict[str, Any]:
        return {"log": [str(in_sync_call())]}

    assert graph_of(node).invoke({"topic": "t"})["log"] == ["True"]
    assert asyncio.run(graph_of(node).ainvoke({"topic": "t"}))["log"] == ["False"]
