"""How runs end when something goes against it: repeated cancels, children nobody waits for,
closes cut short, savers that fail, loops that are handed on."""

from __future__ import annotations

import asyncio
import gc
import operator
import threading
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any

import anyio
import pytest

from actors import (
    ActorSystem,
    CheckpointerTypeError,
    CompiledGraph,
    ConfigError,
    OptionError,
    Run,
    RunCancelledError,
    StateGraph,
    WrongLoopError,
    get_stream_writer,
)
from checkpoint import MemorySaver
from streaming import UnknownStreamModeError
from tests.actors.engine import DEADLINE, Gated, chain, fan, on, saying, says
from tests.waiting import let_all_run


@pytest.fixture
async def system() -> AsyncIterator[ActorSystem]:
    async with asyncio.timeout(DEADLINE), ActorSystem(drain_timeout=0) as system:
        yield system


def others() -> set[asyncio.Task[Any]]:
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}


async def all_of(reader: AsyncIterator[Any]) -> list[Any]:
    return [chunk async for chunk in reader]


async def settled() -> set[asyncio.Task[Any]]:
    """The tasks that are left once all that can go on has done so."""
    await let_all_run()
    return others()


class Lingering:
    """An async node that waits for its gate, and takes many turns of the loop to clean up."""

    def __init__(self, turns: int = 12) -> None:
        self.started = asyncio.Event()
        self.gate = asyncio.Event()
        self.turns = turns
        self.cleaned: list[str] = []

    async def __call__(self, state: Any) -> dict[str, Any]:
        get_stream_writer()("started")
        self.started.set()
        try:
            await self.gate.wait()
        finally:
            for _ in range(self.turns):
                await asyncio.sleep(0)
            self.cleaned.append("node")
        return {"log": ["node"]}


async def assert_free(graph: CompiledGraph, node: Lingering | Gated) -> None:
    """Its thread can be run on at once."""
    node.gate.set()
    assert await graph.ainvoke({"log": []}, on("t"), on_busy="reject")


async def cancel_until_done(task: asyncio.Task[Any]) -> int:
    """Cancel it at every turn of the loop, as a nervous owner would; gives how often."""
    times = 0
    while not task.done():
        task.cancel()
        times += 1
        await asyncio.sleep(0)
    return times


# --- sync nodes side by side -------------------------------------------------------------------


def meeting() -> CompiledGraph:
    """A graph whose sync node waits until another run of it is there as well."""
    barrier = threading.Barrier(2)

    def meet(state: Any) -> dict[str, Any]:
        barrier.wait(DEADLINE)
        return {"log": ["met"]}

    return chain(meet=meet).compile()


def test_sync_nodes_of_parallel_subgraphs_can_wait_for_each_other() -> None:
    inner = meeting()
    assert fan(one=inner, two=inner).compile().invoke({"log": []})["log"] == ["met", "met"]


def test_sync_nodes_of_parallel_subgraphs_deeper_down_can_wait_for_each_other() -> None:
    inner = chain(sub=meeting()).compile()
    assert fan(one=inner, two=inner).compile().invoke({"log": []})["log"] == ["met", "met"]


def test_sync_nodes_of_graphs_that_one_node_gathers_can_wait_for_each_other() -> None:
    inner = meeting()

    async def both(state: Any) -> dict[str, Any]:
        one, two = await asyncio.gather(*(inner.ainvoke({"log": []}) for _ in range(2)))
        return {"log": [*one["log"], *two["log"]]}

    assert chain(both=both).compile().invoke({"log": []})["log"] == ["met", "met"]


def test_a_sync_node_can_wait_for_what_the_node_beside_its_graph_does() -> None:
    barrier = threading.Barrier(2)

    def meet(state: Any) -> dict[str, Any]:
        barrier.wait(DEADLINE)
        return {"log": ["met"]}

    graph = fan(sub=chain(meet=meet).compile(), own=meet).compile()
    assert graph.invoke({"log": []})["log"] == ["met", "met"]


# --- children nobody waits for -----------------------------------------------------------------


@pytest.mark.parametrize("saver", [None, MemorySaver()])
async def test_a_child_run_that_nobody_waits_for_ends_with_its_run(saver: Any) -> None:
    node, made = Lingering(), list[asyncio.Task[Any]]()
    inner = chain(x=node).compile()

    async def starts(state: Any) -> dict[str, Any]:
        made.append(asyncio.create_task(inner.ainvoke({"log": []})))
        await node.started.wait()
        return {"log": ["started"]}

    async with asyncio.timeout(DEADLINE):
        graph = chain(a=starts).compile(checkpointer=saver)
        assert (await graph.ainvoke({"log": []}, on("t")))["log"] == ["started"]
        assert node.cleaned == ["node"]
        await asyncio.wait(made)
        with pytest.raises(RunCancelledError):
            made[0].result()
        assert await settled() == set()


async def test_a_nested_stream_left_half_read_leaves_no_task_alive() -> None:
    node, streams = Lingering(), list[Any]()
    inner = chain(x=says("x"), y=node).compile()

    async def reads(state: Any) -> dict[str, Any]:
        stream = inner.astream({"log": []}, stream_mode=["updates", "custom"])
        streams.append(stream)  # alive, so no garbage collection ends it
        assert await anext(stream) == ("updates", {"x": {"log": ["x"]}})
        assert await anext(stream) == ("custom", "started")
        return {"log": ["read"]}

    async with asyncio.timeout(DEADLINE):
        assert (await chain(a=reads).compile().ainvoke({"log": []}))["log"] == ["read"]
        assert (node.cleaned, others()) == (["node"], set())


async def test_a_nested_stream_left_half_read_ends_with_a_started_run(system: ActorSystem) -> None:
    node, streams = Lingering(), list[Any]()
    inner = chain(y=node).compile()

    async def reads(state: Any) -> dict[str, Any]:
        streams.append(inner.astream({"log": []}, stream_mode="custom"))
        assert await anext(streams[0]) == "started"
        return {"log": ["read"]}

    before = others()
    run = await system.start(chain(a=reads).compile(), {"log": []})
    assert (await run.result())["log"] == ["read"]
    assert (node.cleaned, await settled() - before) == (["node"], set())


# --- closing a system --------------------------------------------------------------------------


async def test_a_system_left_by_a_timeout_while_it_drains_leaves_no_run_alive() -> None:
    node = Lingering()
    graph = chain(a=node).compile(checkpointer=MemorySaver())
    system = ActorSystem(drain_timeout=None)

    async def use() -> None:
        async with asyncio.timeout(None) as limit, system:
            run = await system.start(graph, {"log": []}, on("t"))
            await node.started.wait()
            limit.reschedule(asyncio.get_running_loop().time())  # fires as the block is left
        raise AssertionError(run)

    with pytest.raises(TimeoutError):
        await use()
    [run] = system.runs.values()
    assert (run.status, node.cleaned, system.stats().live) == ("cancelled", ["node"], 0)
    assert others() == set()
    await assert_free(graph, node)


async def test_a_close_that_is_cancelled_again_and_again_sees_every_run_to_its_end() -> None:
    node, system = Lingering(), ActorSystem(drain_timeout=None)
    graph = chain(a=node).compile(checkpointer=MemorySaver())
    async with asyncio.timeout(DEADLINE):
        run = await system.start(graph, {"log": []}, on("t"))
        await node.started.wait()
        closing = asyncio.create_task(system.aclose())
        await let_all_run()
        assert not closing.done()
        assert await cancel_until_done(closing) > 1
        assert closing.cancelled()
        assert (run.status, node.cleaned, others()) == ("cancelled", ["node"], set())
        await assert_free(graph, node)


async def test_closing_twice_at_once_and_once_more_is_harmless() -> None:
    node, system = Gated(), ActorSystem(drain_timeout=None)
    async with asyncio.timeout(DEADLINE):
        run = await system.start(chain(a=node).compile(), {"log": []})
        await node.started.wait()
        closing = [asyncio.create_task(system.aclose()) for _ in range(2)]
        await let_all_run()
        assert not any(task.done() for task in closing)
        node.gate.set()
        await asyncio.gather(*closing)
        await system.aclose()
        assert (await run.result())["log"] == ["gated"]
        assert others() == set()


# --- leaving a call ----------------------------------------------------------------------------


async def call(graph: CompiledGraph) -> Any:
    return await graph.ainvoke({"log": []}, on("t"))


async def batch(graph: CompiledGraph) -> Any:
    return await graph.abatch([{"log": []}], on("t"))


async def batch_as_completed(graph: CompiledGraph) -> Any:
    return await all_of(graph.abatch_as_completed([{"log": []}], on("t")))


@pytest.mark.parametrize("door", [call, batch, batch_as_completed])
async def test_a_call_left_by_anyio_leaves_nothing_alive_and_its_thread_free(door: Any) -> None:
    node = Lingering()
    graph = chain(a=node).compile(checkpointer=MemorySaver())

    async def give_up(scope: anyio.CancelScope) -> None:
        await node.started.wait()
        scope.deadline = anyio.current_time()

    with anyio.move_on_after(DEADLINE) as scope:
        giving_up = asyncio.create_task(give_up(scope))
        await door(graph)
    assert scope.cancelled_caught
    assert (giving_up.done(), node.cleaned, others()) == (True, ["node"], set())
    await assert_free(graph, node)


@pytest.mark.parametrize("door", [call, batch, batch_as_completed])
async def test_a_call_cancelled_again_and_again_leaves_nothing_alive_and_its_thread_free(
    door: Any,
) -> None:
    node = Lingering()
    graph = chain(a=node).compile(checkpointer=MemorySaver())
    async with asyncio.timeout(DEADLINE):
        calling = asyncio.create_task(door(graph))
        await node.started.wait()
        assert await cancel_until_done(calling) > 1
        assert calling.cancelled()
        assert (node.cleaned, others()) == (["node"], set())
        await assert_free(graph, node)


async def test_a_stream_closed_under_a_cancelled_scope_leaves_nothing_alive() -> None:
    node = Lingering()
    graph = chain(a=node).compile(checkpointer=MemorySaver())
    with anyio.move_on_after(DEADLINE) as scope:
        stream = graph.astream({"log": []}, on("t"), stream_mode="custom")
        assert await anext(stream) == "started"
        scope.cancel()
        await stream.aclose()
    assert (node.cleaned, others()) == (["node"], set())
    await assert_free(graph, node)


async def test_a_close_of_a_stream_cancelled_again_and_again_leaves_nothing_alive() -> None:
    node = Lingering()
    graph = chain(a=node).compile(checkpointer=MemorySaver())
    async with asyncio.timeout(DEADLINE):
        stream = graph.astream({"log": []}, on("t"), stream_mode="custom")
        assert await anext(stream) == "started"
        closing = asyncio.create_task(stream.aclose())
        await asyncio.sleep(0)  # it has begun to close
        assert await cancel_until_done(closing) > 1
        assert (node.cleaned, others()) == (["node"], set())
        await assert_free(graph, node)


# --- many inputs -------------------------------------------------------------------------------


class OddError(BaseException):
    """What a node should not raise, and some library does."""


async def second_is_odd(state: Any) -> dict[str, Any]:
    if state["n"] == 1:
        raise OddError(state["n"])
    return {"log": [state["n"]]}


def second_is_odd_in_a_thread(state: Any) -> dict[str, Any]:
    if state["n"] == 1:
        raise OddError(state["n"])
    return {"log": [state["n"]]}


THREE = [{"log": [], "n": n} for n in range(3)]


@pytest.mark.parametrize("node", [second_is_odd, second_is_odd_in_a_thread])
@pytest.mark.parametrize("concurrency", [1, 3])
async def test_an_odd_error_in_a_batch_is_a_result_like_any_other(
    node: Any, concurrency: int
) -> None:
    graph, config = chain(a=node).compile(), {"max_concurrency": concurrency}
    async with asyncio.timeout(DEADLINE):
        given = await graph.abatch(THREE, config, return_exceptions=True)
        assert [type(result) for result in given] == [dict, OddError, dict]
        with pytest.raises(OddError):
            await graph.abatch(THREE, config)
        assert others() == set()


@pytest.mark.parametrize("node", [second_is_odd, second_is_odd_in_a_thread])
async def test_an_odd_error_as_completed_is_given_or_raised(node: Any) -> None:
    graph = chain(a=node).compile()
    async with asyncio.timeout(DEADLINE):
        completed = graph.abatch_as_completed(THREE, return_exceptions=True)
        given = {index: type(result) async for index, result in completed}
        assert given == {0: dict, 1: OddError, 2: dict}
        with pytest.raises(OddError):
            async for _ in graph.abatch_as_completed(THREE):
                pass
        assert await settled() == set()


# --- what a started run shows ------------------------------------------------------------------


async def test_output_keys_of_a_start_narrow_the_result_and_the_chunks(system: ActorSystem) -> None:
    graph = chain(a=says("a", n=1, text="x")).compile()
    one = await system.start(graph, {"log": []}, output_keys="n")
    assert await one.result() == 1
    async with one.stream("values") as chunks:
        assert [chunk.data for chunk in await all_of(chunks)][-1] == 1
    two = await system.start(graph, {"log": []}, output_keys=["n", "text"])
    assert await two.result() == {"n": 1, "text": "x"}
    assert [chunk.data for chunk in await all_of(two.stream("updates"))] == [
        {"a": {"n": 1, "text": "x"}}
    ]


async def test_the_stream_mode_of_a_start_is_what_its_readers_see(system: ActorSystem) -> None:
    run = await system.start(
        chain(a=says("a")).compile(), {"log": []}, stream_mode=["values", "updates"]
    )
    assert [chunk.mode for chunk in await all_of(run.stream())] == [
        "values",
        "updates",
        "values",
    ]
    assert [chunk.mode for chunk in await all_of(run.stream("updates"))] == ["updates"]
    plain = await system.start(chain(a=says("a")).compile(), {"log": []})
    assert [chunk.mode for chunk in await all_of(plain.stream())] == ["updates"]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"steam_mode": "values"}, OptionError),
        ({"subgraphs": True}, OptionError),
        ({"output_keys": "nothing"}, ConfigError),
        ({"output_keys": ["n", "nothing"]}, ConfigError),
        ({"stream_mode": "vaules"}, UnknownStreamModeError),
        ({"stream_mode": ["values", "vaules"]}, UnknownStreamModeError),
    ],
)
async def test_what_a_start_cannot_do_is_refused_before_anything_is_opened(
    system: ActorSystem, options: Any, error: type[Exception]
) -> None:
    before = others()
    with pytest.raises(error):
        await system.start(chain(a=says("a")).compile(), {"log": []}, {"run_id": "r"}, **options)
    stats = system.stats()
    assert (stats.live, stats.finished, dict(system.runs), others()) == (0, 0, {}, before)


async def test_a_state_of_one_value_gives_it_bare(system: ActorSystem) -> None:
    builder: StateGraph = StateGraph(Annotated[list, operator.add])
    builder.add_node("a", lambda state: ["a", len(state)])
    graph = builder.add_edge("__start__", "a").add_edge("a", "__end__").compile()
    run = await system.start(graph, ["in"])
    assert await run.result() == ["in", "a", 1]
    assert await graph.ainvoke(["in"]) == ["in", "a", 1]


# --- readers of a run --------------------------------------------------------------------------


async def test_every_way_to_leave_a_reader_frees_its_cursor(system: ActorSystem) -> None:
    gated = Gated()
    run = await system.start(chain(a=saying("a"), b=gated).compile(), {"log": []})
    plain = run.stream()
    await anext(plain)
    async with run.stream() as managed, aclosing(run.stream()) as closed:
        await anext(managed)
        await anext(closed)
        assert system.stats().subscribers == 3
    assert system.stats().subscribers == 1
    for _ in range(2):  # closing again is harmless
        await plain.aclose()
        assert system.stats().subscribers == 0
    for reader in (plain, managed, closed):
        with pytest.raises(StopAsyncIteration):
            await anext(reader)
    assert run.status == "running"
    gated.gate.set()
    assert (await run.result())["log"] == ["a", "gated"]


# --- what cannot be ----------------------------------------------------------------------------


async def test_a_thread_id_that_is_no_text_is_refused(system: ActorSystem) -> None:
    graph = chain(a=says("a")).compile(checkpointer=MemorySaver())
    with pytest.raises(ConfigError, match="surrogate"):
        await graph.ainvoke({"log": []}, on("\ud800"))
    with pytest.raises(ConfigError, match="surrogate"):
        await graph.aget_state(on("\ud800"))
    with pytest.raises(ConfigError, match="surrogate"):
        await system.start(graph, {"log": []}, on("\ud800"))
    assert system.stats().live == 0


async def test_a_start_from_a_foreign_loop_leaves_its_run_id_free(system: ActorSystem) -> None:
    graph = chain(a=says("a")).compile()

    async def start() -> Run:
        return await system.start(graph, {"log": []}, {"run_id": "r"})

    await (await system.start(graph, {"log": []})).result()  # its loop is this one

    with pytest.raises(WrongLoopError):
        await asyncio.to_thread(lambda: asyncio.run(start()))
    gc.collect()  # a coroutine that was never awaited would warn, which fails the test
    assert system.stats().live == 0
    assert "r" not in system.runs
    run = await system.start(graph, {"log": []}, {"run_id": "r"})
    assert (await run.result())["log"] == ["a"]


class WithoutRewind:
    """Has all of a saver but `rewind`."""

    def __init__(self) -> None:
        saver = MemorySaver()
        self.serializer = saver.serializer
        self.claim, self.release = saver.claim, saver.release
        self.commit, self.synced = saver.commit, saver.synced
        self.load, self.history = saver.load, saver.history


@pytest.mark.parametrize("saver", [WithoutRewind(), MemorySaver, object(), "yes"])
def test_what_is_no_whole_saver_is_refused_by_compile(saver: Any) -> None:
    with pytest.raises(CheckpointerTypeError):
        chain(a=says("a")).compile(checkpointer=saver)


class Full(MemorySaver):
    async def commit(self, batch: Any) -> None:
        raise OSError("disk full")


async def test_a_commit_that_fails_is_told_to_the_caller_and_not_logged(
    system: ActorSystem, caplog: pytest.LogCaptureFixture
) -> None:
    graph = chain(a=says("a")).compile(checkpointer=Full())
    with pytest.raises(OSError, match="disk full"):
        await graph.ainvoke({"log": []}, on("t"))
    run = await system.start(graph, {"log": []}, on("t"))
    with pytest.raises(OSError, match="disk full"):
        await run.result()
    await let_all_run()
    gc.collect()
    assert caplog.records == []


# --- loops that are handed on ------------------------------------------------------------------


def test_tasks_that_a_node_left_behind_do_not_go_on_inside_a_later_call() -> None:
    told: list[str] = []
    gates: list[asyncio.Event] = []

    async def lingers(gate: asyncio.Event) -> None:
        try:
            await gate.wait()
            told.append("resumed")
        finally:
            told.append("ended")

    left: list[asyncio.Task[None]] = []

    async def leaves(state: Any) -> dict[str, Any]:
        gates.append(asyncio.Event())
        left.append(asyncio.create_task(lingers(gates[0])))
        await asyncio.sleep(0)
        return {"log": ["left"]}

    async def opens(state: Any) -> dict[str, Any]:
        gates[0].set()
        await let_all_run()
        return {"log": ["opened"]}

    assert chain(a=leaves).compile().invoke({"log": []})["log"] == ["left"]
    assert (told, left[0].cancelled()) == (["ended"], True)
    assert chain(a=opens).compile().invoke({"log": []})["log"] == ["opened"]
    assert told == ["ended"]
