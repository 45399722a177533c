"""What the caller's callbacks are told of graphs and nodes: the same from both engines."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from langchain_core.callbacks import AsyncCallbackManager, CallbackManager
from langchain_core.runnables import RunnableLambda

from . import spans_of_graphs, spans_of_langchain, told_of_graphs
from .callbacks import AsyncEar, Ear, Record, heard
from .lib import Engine
from .spans import Traced, each_traced, in_order, traced
from .spans_of_graphs import chain, raises, says


@traced()
def graph_of_nothing(k):
    """Says that what is told has one order."""


@each_traced(spans_of_graphs, spans_of_langchain, told_of_graphs)
@pytest.mark.parametrize("ear", [Ear, AsyncEar])
async def test_callbacks_are_told_the_same(
    each: Traced, ear: Any, ours: Engine, theirs: Engine
) -> None:
    assert await heard(each, ours, ear) == await heard(each, theirs, ear)


Door = Callable[[Any, Any, Any], Any]
DOORS: dict[str, Door] = {
    "invoke": lambda graph, value, config: graph.invoke(value, config),
    "stream": lambda graph, value, config: list(graph.stream(value, config)),
    "batch": lambda graph, value, config: graph.batch([value], config),
    "modes": lambda graph, value, config: list(
        graph.stream(value, config, stream_mode=["values", "custom"])
    ),
    "with_config": lambda graph, value, config: graph.with_config(config).invoke(
        value, {"tags": ["more"]}
    ),
    "lambda": lambda graph, value, config: RunnableLambda(graph.invoke).invoke(value, config),
    "chain": lambda graph, value, config: (RunnableLambda(dict) | graph.invoke).invoke(
        value, config
    ),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("ear", [Ear, AsyncEar])
@pytest.mark.parametrize("fails", [False, True])
def test_callbacks_of_sync_calls_are_told_the_same(
    door: str, ear: Any, fails: bool, ours: Engine, theirs: Engine
) -> None:
    def told(engine: Any) -> Any:
        inner = chain(engine, b=lambda state: {"log": ["b"]}).compile(name="inner")
        last = raises if fails else (lambda state: None)
        graph = chain(engine, a=lambda state: inner.invoke(state) and None, last=last).compile()
        record = Record()
        config = {"callbacks": [ear(record)], "tags": ["own"], "metadata": {"m": 1}}
        raised = None
        try:
            DOORS[door](graph, {"topic": "t"}, config)
        except LookupError as error:
            raised = str(error)
        return in_order(graph_of_nothing, record.told), raised

    assert told(ours) == told(theirs)


@pytest.mark.parametrize("kind", [CallbackManager, AsyncCallbackManager])
@pytest.mark.parametrize("inherit", [True, False])
async def test_a_manager_as_callbacks_is_told_the_same(
    kind: Any, inherit: bool, ours: Engine, theirs: Engine
) -> None:
    async def told(engine: Any) -> Any:
        graph = chain(engine, a=says("a")).compile()
        record, parent = Record(), UUID(int=7)
        manager = kind([], parent_run_id=parent)
        manager.add_handler(Ear(record), inherit)
        manager.add_tags(["inherited"])
        manager.add_metadata({"inherited": 1})
        await graph.ainvoke({"topic": "t"}, {"callbacks": manager})
        assert record.told[0]["parent_ids"] == [str(parent)]
        return in_order(graph_of_nothing, record.told)

    assert await told(ours) == await told(theirs)


async def test_the_run_has_the_id_that_the_config_says(ours: Engine, theirs: Engine) -> None:
    for engine in (ours, theirs):
        record, run_id = Record(), str(UUID(int=9))
        graph = chain(engine, a=says("a")).compile()
        await graph.ainvoke({"topic": "t"}, {"callbacks": [Ear(record)], "run_id": run_id})
        assert record.told[0]["run_id"] == record.told[-1]["run_id"] == run_id


async def test_a_handover_to_the_caller_is_told_the_same_inside(
    ours: Engine, theirs: Engine
) -> None:
    """For LangGraph the node whose graph handed over has failed too; here it ends."""

    async def told(engine: Any) -> Any:
        async def up(state):
            return engine.Command(graph=engine.Command.PARENT, update={"log": ["u"]}, goto="b")

        inner = chain(engine, up=up).compile(name="inner")
        builder = engine.StateGraph(spans_of_graphs.State)
        builder.add_node("sub", inner, destinations=("b",)).add_edge(engine.START, "sub")
        record = Record()
        graph = builder.add_node("b", says("b")).compile()
        await graph.ainvoke({"topic": "t"}, {"callbacks": [Ear(record)]})
        sub = next(e["run_id"] for e in record.told if e["name"] == "sub")
        ends = [e for e in record.told if e["run_id"] == sub and "start" not in e["event"]]
        assert len(ends) == 1
        return in_order(graph_of_nothing, [e for e in record.told if e not in ends])

    assert await told(ours) == await told(theirs)


@pytest.mark.parametrize("how", ["break", "cancel"])
async def test_who_is_cancelled_is_told_so(how: str, ours: Engine, theirs: Engine) -> None:
    """Nodes get the same error.  The graph fails with that of its run here, and with what ended
    the generator or the task there."""

    async def told(engine: Any) -> Any:
        began = asyncio.Event()

        async def waits(state):
            began.set()
            await asyncio.Event().wait()

        record = Record()
        config = {"callbacks": [Ear(record)]}
        graph = chain(engine, a=says("a"), waits=waits).compile()
        if how == "break":
            async with contextlib.aclosing(graph.astream({"topic": "t"}, config)) as stream:
                await anext(stream)
        else:
            task = asyncio.ensure_future(graph.ainvoke({"topic": "t"}, config))
            await began.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        *rest, last = in_order(graph_of_nothing, record.told)
        return rest, {**last, "data": None}

    assert await told(ours) == await told(theirs)
