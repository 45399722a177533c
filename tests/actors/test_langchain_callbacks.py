"""Callbacks of a run's caller: who is told of graphs and nodes, where, and what may go wrong."""

from __future__ import annotations

import asyncio
import logging
import operator
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from typing import Annotated, Any, ClassVar, TypedDict
from uuid import UUID

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler, CallbackManager
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tracers.base import BaseTracer
from langchain_core.tracers.context import collect_runs

from actors import START, ActorSystem, ConfigError, StateGraph, get_config
from actors.langchain_callbacks import as_uuid, is_traced
from checkpoint import MemorySaver
from tests.actors.engine import DEADLINE, on


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]


async def a(state: State) -> dict[str, Any]:
    return {"log": ["a"]}


def b(state: State) -> dict[str, Any]:
    return {"log": ["b"]}


def line(**nodes: Any) -> StateGraph:
    return StateGraph(State).add_sequence(list(nodes.items())).add_edge(START, next(iter(nodes)))


def says() -> str:
    model = GenericFakeChatModel(messages=iter([AIMessage("hi")]))
    return str(model.invoke("x").content)


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(DEADLINE):
        yield


class Ear(BaseCallbackHandler):
    """Notes what is told of chains, and in which thread."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.names: dict[UUID, str] = {}
        self.parents: dict[str, str | None] = {}
        self.threads: set[str] = set()

    def on_chain_start(self, serialized: Any, inputs: Any, **known: Any) -> None:
        self.threads.add(threading.current_thread().name)
        self.names[known["run_id"]] = name = known["name"]
        self.parents[name] = self.names.get(known["parent_run_id"])
        self.told.append(("start", name))

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **_: Any) -> None:
        self.told.append(("end", self.names[run_id]))

    def on_chain_error(self, error: BaseException, *, run_id: UUID, **_: Any) -> None:
        self.told.append((type(error).__name__, self.names[run_id]))


WHOLE = [("start", "LangGraph"), ("start", "a"), ("end", "a"), ("end", "LangGraph")]


# --- who is told ---------------------------------------------------------------------------------


@pytest.mark.parametrize("given", [list, tuple, lambda ears: CallbackManager([], ears)])
async def test_a_list_a_tuple_and_a_manager_are_callbacks(given: Callable[[Any], Any]) -> None:
    ear, graph = Ear(), line(a=a).compile()
    callbacks = given([ear])
    if isinstance(callbacks, CallbackManager):
        callbacks.handlers = [ear]
    await graph.ainvoke({"log": []}, {"callbacks": callbacks})
    assert ear.told == WHOLE


@pytest.mark.parametrize("given", [Ear(), "ear", {"ear": 1}])
async def test_what_holds_no_callbacks_is_refused_before_anything_runs(given: Any) -> None:
    ran: list[Any] = []
    graph = line(a=ran.append).compile()
    with pytest.raises(ConfigError, match=r"config\['callbacks'\]=.* is no list; give a list"):
        await graph.ainvoke({"log": []}, {"callbacks": given})
    assert ran == []


@pytest.mark.parametrize("callbacks", [None, [], (), CallbackManager([])])
async def test_a_run_without_handlers_is_not_traced(callbacks: Any) -> None:
    seen: list[Any] = []

    async def node(state: State) -> None:
        from actors.context import current

        context = current()
        seen.append(context and context.trace)

    await line(node=node).compile().ainvoke({"log": []}, {"callbacks": callbacks})
    assert seen == [None]


async def test_each_run_of_a_batch_is_a_tree_of_its_own() -> None:
    ear, graph = Ear(), line(a=a).compile()
    await graph.abatch([{"log": []}] * 3, {"callbacks": [ear]})
    assert sorted(ear.told) == sorted(WHOLE * 3)
    assert len(ear.names) == 6


async def test_models_are_told_of_as_parts_of_their_node() -> None:
    class Models(Ear):
        def on_chat_model_start(self, serialized: Any, messages: Any, **known: Any) -> None:
            self.told.append(("model in", self.names[known["parent_run_id"]]))

    def node(state: State) -> dict[str, Any]:
        return {"log": [says()]}

    ear = Models()
    await line(a=a, node=node).compile().ainvoke({"log": []}, {"callbacks": [ear]})
    assert ("model in", "node") in ear.told


async def test_a_graph_on_a_thread_of_its_own_is_part_of_the_node_that_calls_it() -> None:
    inner = line(b=b).compile(name="inner", checkpointer=MemorySaver())

    async def node(state: State) -> None:
        await inner.ainvoke({"log": []}, on("other"))

    ear = Ear()
    graph = line(node=node).compile(checkpointer=MemorySaver())
    await graph.ainvoke({"log": []}, on("t", callbacks=[ear]))
    assert ear.parents == {"LangGraph": None, "node": "LangGraph", "inner": "node", "b": "inner"}


async def test_a_graph_in_a_runnable_in_a_node_is_part_of_the_runnable() -> None:
    inner = line(b=b).compile(name="inner")
    step = RunnableLambda(inner.invoke, name="step")
    ear = Ear()
    graph = line(node=lambda state: step.invoke({"log": []}) and None).compile()
    await graph.ainvoke({"log": []}, {"callbacks": [ear]})
    assert ear.parents["step"] == "node"
    assert ear.parents["inner"] == "step"
    assert ear.parents["b"] == "inner"


async def test_a_callback_of_a_graph_in_a_node_hears_of_that_graph_alone() -> None:
    inner, outside, inside = line(b=b).compile(name="inner"), Ear(), Ear()

    async def node(state: State) -> None:
        await inner.ainvoke({"log": []}, {"callbacks": [inside]})

    graph = line(node=node).compile()
    await graph.ainvoke({"log": []})
    assert inside.parents == {"inner": None, "b": "inner"}
    inside.told.clear()
    await graph.ainvoke({"log": []}, {"callbacks": [outside]})
    assert [name for _, name in inside.told] == ["inner", "b", "b", "inner"]
    assert outside.parents["inner"] == "node"
    assert outside.told.count(("start", "inner")) == 1


async def test_who_is_given_the_config_of_a_node_is_told_once() -> None:
    inner, ear = line(b=b).compile(name="inner"), Ear()

    async def node(state: State) -> None:
        await inner.ainvoke({"log": []}, get_config())

    await line(node=node).compile().ainvoke({"log": []}, {"callbacks": [ear]})
    assert ear.told.count(("start", "inner")) == ear.told.count(("start", "b")) == 1
    assert ear.parents["inner"] == "node"


async def test_callbacks_and_events_tell_of_the_same_spans() -> None:
    class Ids(Ear):
        def on_chat_model_start(self, serialized: Any, messages: Any, **known: Any) -> None:
            self.names[known["run_id"]] = "model"

    ear = Ids()
    graph = line(sub=line(b=lambda state: {"log": [says()]}).compile(name="inner")).compile()
    shown = [e async for e in graph.astream_events({"log": []}, {"callbacks": [ear]})]
    assert {e["run_id"] for e in shown} == {str(run_id) for run_id in ear.names}


async def test_a_run_of_a_system_tells_its_callbacks_and_logs_no_spans() -> None:
    ear, saver = Ear(), MemorySaver()
    graph = line(a=a).compile(checkpointer=saver)
    async with ActorSystem(event_log=saver.events) as system:
        run = await system.start(graph, {"log": []}, on("t", callbacks=[ear]))
        await run.result()
        log = await system.find_log(graph, run.run_id, on("t"))
        assert [chunk async for chunk in log.subscribe(["events"])] == []
    assert ear.told == WHOLE


# --- where ---------------------------------------------------------------------------------------


def test_a_sync_call_tells_sync_handlers_in_its_own_thread() -> None:
    ear = Ear()
    line(a=a, b=b).compile().invoke({"log": []}, {"callbacks": [ear]})
    assert ear.threads == {threading.current_thread().name}


async def test_an_async_call_does_not_hold_up_its_loop_with_sync_handlers() -> None:
    free = threading.Event()

    class Waits(Ear):
        def on_chain_start(self, serialized: Any, inputs: Any, **known: Any) -> None:
            assert free.wait(DEADLINE)

    asyncio.get_running_loop().call_soon(free.set)
    assert (await line(a=a).compile().ainvoke({"log": []}, {"callbacks": [Waits()]})) == {
        "log": ["a"]
    }


async def test_async_handlers_are_awaited_on_the_loop_of_the_run_and_before_the_node_begins() -> (
    None
):
    loops, order = set[Any](), list[str]()

    class Hears(AsyncCallbackHandler):
        async def on_chain_start(self, serialized: Any, inputs: Any, **known: Any) -> None:
            await asyncio.sleep(0)
            loops.add(asyncio.get_running_loop())
            order.append(known["name"])

    async def node(state: State) -> None:
        order.append("runs")

    await line(node=node).compile().ainvoke({"log": []}, {"callbacks": [Hears()]})
    assert loops == {asyncio.get_running_loop()}
    assert order == ["LangGraph", "node", "runs"]


# --- what may go wrong ---------------------------------------------------------------------------


class Breaks(Ear):
    """Raises where it is told to."""

    def __init__(self, where: str, *, loud: bool) -> None:
        super().__init__()
        self.raise_error = loud
        self._where = where

    def on_chain_start(self, serialized: Any, inputs: Any, **known: Any) -> None:
        super().on_chain_start(serialized, inputs, **known)
        self._check(f"start of {known['name']}")

    def on_chain_end(self, outputs: Any, *, run_id: UUID, **_: Any) -> None:
        super().on_chain_end(outputs, run_id=run_id)
        self._check(f"end of {self.names[run_id]}")

    def _check(self, place: str) -> None:
        if place == self._where:
            raise LookupError(place)


PLACES = ["start of LangGraph", "start of a", "end of a", "end of LangGraph"]


@pytest.mark.parametrize("where", PLACES)
async def test_a_handler_that_breaks_is_logged(
    where: str, caplog: pytest.LogCaptureFixture
) -> None:
    ear = Breaks(where, loud=False)
    with caplog.at_level(logging.WARNING):
        result = await line(a=a).compile().ainvoke({"log": []}, {"callbacks": [ear]})
    assert result == {"log": ["a"]}
    assert ear.told == WHOLE
    assert where in caplog.text


@pytest.mark.parametrize("where", PLACES)
async def test_a_handler_that_asks_for_it_ends_the_run_with_its_error(where: str) -> None:
    ear, hears = Breaks(where, loud=True), Ear()
    with pytest.raises(LookupError, match=where):
        await line(a=a).compile().ainvoke({"log": []}, {"callbacks": [hears, ear]})
    ends = [name for what, name in hears.told if what != "start"]
    assert len(ends) == len(set(ends))


@pytest.mark.parametrize("event", ["on_chain_start", "on_chain_end", "on_chain_error"])
@pytest.mark.parametrize("name", ["LangGraph", "node"])
async def test_a_handler_that_never_returns_keeps_no_cancelled_run_alive(
    event: str, name: str
) -> None:
    hangs = asyncio.Event()

    class Hangs(AsyncCallbackHandler):
        names: ClassVar[dict[UUID, str]] = {}

        async def on_chain_start(self, serialized: Any, inputs: Any, **known: Any) -> None:
            self.names[known["run_id"]] = known["name"]
            await self._reach("on_chain_start", known["name"])

        async def on_chain_end(self, outputs: Any, **known: Any) -> None:
            await self._reach("on_chain_end", self.names[known["run_id"]])

        async def on_chain_error(self, error: BaseException, **known: Any) -> None:
            await self._reach("on_chain_error", self.names[known["run_id"]])

        async def _reach(self, *place: str) -> None:
            if place == (event, name):
                hangs.set()
                await asyncio.Event().wait()

    async def node(state: State) -> None:
        if event == "on_chain_error":
            raise LookupError("gone")

    async with ActorSystem() as system:
        run = await system.start(line(node=node).compile(), {}, {"callbacks": [Hangs()]})
        await hangs.wait()
        await run.cancel(grace=0.02)
        assert run.status == "cancelled"


async def test_a_run_whose_id_is_no_uuid_has_one_for_callbacks() -> None:
    ear = Ear()
    await line(a=a).compile().ainvoke({"log": []}, {"callbacks": [ear], "run_id": "today"})
    assert ear.told == WHOLE
    assert next(iter(ear.names)) == as_uuid("today") == as_uuid("today")
    assert ear.parents["a"] == "LangGraph"


# --- what LangChain itself traces ----------------------------------------------------------------


class Tracer(BaseTracer):
    """Keeps whole trees of runs, as LangSmith's does."""

    def __init__(self) -> None:
        super().__init__()
        self.roots: list[Any] = []

    def _persist_run(self, run: Any) -> None:
        self.roots.append(run)


def tree(run: Any) -> Any:
    return {f"{each.run_type} {each.name}": tree(each) for each in run.child_runs}


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_tracer_sees_one_tree_whose_root_is_the_graph(is_async: bool) -> None:
    inner = line(b=lambda state: {"log": [says()]}).compile(name="inner")
    graph, tracer = line(a=a, sub=inner).compile(name="outer"), Tracer()
    config: Any = {"callbacks": [tracer]}
    if is_async:
        await graph.ainvoke({"log": []}, config)
    else:
        graph.invoke({"log": []}, config)
    [root] = tracer.roots
    assert root.name == "outer"
    assert tree(root) == {
        "chain a": {},
        "chain sub": {"chain inner": {"chain b": {"llm GenericFakeChatModel": {}}}},
    }
    assert root.inputs == {"log": []}
    assert root.outputs == {"log": ["a", "a", "hi"]}


async def test_a_collector_around_the_call_gets_the_graph_without_callbacks() -> None:
    assert not is_traced()
    with collect_runs() as collected:
        assert is_traced()
        await line(a=a).compile(name="outer").ainvoke({"log": []})
    assert [run.name for run in collected.traced_runs] == ["outer"]


@pytest.mark.parametrize(("value", "traced"), [("true", True), ("false", False)])
def test_the_environment_says_whether_everything_is_traced(value: str, traced: bool) -> None:
    script = (
        "import langchain_core.callbacks\n"
        "from actors.langchain_callbacks import is_traced\n"
        "print(is_traced())"
    )
    environ = {"LANGSMITH_TRACING": value, "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(traced)


def test_a_run_with_callbacks_loads_no_langchain() -> None:
    script = (
        "import sys\n"
        "from typing import TypedDict\n"
        "from actors import START, StateGraph\n"
        "class State(TypedDict): n: int\n"
        "graph = StateGraph(State).add_node('a', lambda s: {'n': 2}).add_edge(START, 'a')\n"
        "result = graph.compile().invoke({'n': 1}, {'callbacks': [object()]})\n"
        "print(result['n'], 'langchain_core' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["2", "False"]


def test_a_sync_handler_of_a_sync_call_may_run_a_loop_of_its_own() -> None:
    class Waits(Ear):
        raise_error = True

        def on_chain_start(self, *args: Any, **known: Any) -> None:
            asyncio.run(asyncio.sleep(0))
            super().on_chain_start(*args, **known)

    ear = Waits()
    line(a=a).compile().invoke({"log": []}, {"callbacks": [ear]})
    assert ear.told == WHOLE
