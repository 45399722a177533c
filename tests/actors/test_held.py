"""Nodes that call another graph by its sync twins, which writes more than a reader may be behind.

The loop of the outer run is held up meanwhile: nobody reads what is written, and what writes must
not wait for a reader.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from typing import Any, TypedDict

import pytest

from actors import START, ActorSystem, CompiledGraph, Run, StateGraph, get_stream_writer
from checkpoint import DatabaseError, SqliteSaver
from checkpoint.testing_faults import FaultPlan
from streaming import LogFailedError, waiting
from tests.actors.engine import DEADLINE, on
from tests.waiting import let_all_run

MUCH = 3000


class State(TypedDict, total=False):
    n: int


def write(state: State) -> State:
    writer = get_stream_writer()
    for n in range(MUCH):
        writer(n)
    return {}


async def awrite(state: State) -> State:
    writer = get_stream_writer()
    for n in range(MUCH):
        writer(n)
        await writer.drain()
    return {}


def by_stream(graph: CompiledGraph) -> int:
    return len(list(graph.stream({}, stream_mode="custom")))


def by_invoke(graph: CompiledGraph) -> int:
    graph.invoke({})
    return MUCH


def graph_of(node: Any, *, alone: bool, saver: Any = None) -> CompiledGraph:
    builder = StateGraph(State).add_node("node", node).add_edge(START, "node")
    if not alone:  # a lone sync node of a sync call has no thread of its own
        builder.add_node("idle", lambda state: None).add_edge(START, "idle")
    return builder.compile(checkpointer=saver)


@pytest.fixture(params=[write, awrite])
def inner(request: pytest.FixtureRequest) -> CompiledGraph:
    return graph_of(request.param, alone=True)


@pytest.fixture(params=[by_stream, by_invoke])
def call(request: pytest.FixtureRequest) -> Callable[[CompiledGraph], int]:
    return request.param


@pytest.fixture(params=[True, False], ids=["alone", "beside another"])
def alone(request: pytest.FixtureRequest) -> bool:
    return request.param


@pytest.fixture(params=["sync", "async"])
def node(
    request: pytest.FixtureRequest, inner: CompiledGraph, call: Callable[[CompiledGraph], int]
) -> Any:
    def calls(state: State) -> State:
        return {"n": call(inner)}

    async def acalls(state: State) -> State:
        return {"n": call(inner)}

    return calls if request.param == "sync" else acalls


def written(chunks: list[Any]) -> int:
    return sum(1 for ns, mode, _ in chunks if mode == "custom" and ns)


MODES: Any = {"stream_mode": ["custom", "updates"], "subgraphs": True}


def test_a_sync_stream_has_all_that_was_written(node: Any, alone: bool) -> None:
    chunks = list(graph_of(node, alone=alone).stream({}, **MODES))
    assert ((), "updates", {"node": {"n": MUCH}}) in chunks
    assert written(chunks) == MUCH


def test_two_streams_at_a_time_do_not_wait_for_each_other(inner: CompiledGraph) -> None:
    async def node(state: State) -> State:
        both = zip(*(inner.stream({}, stream_mode="custom") for _ in range(2)), strict=True)
        return {"n": sum(1 for first, second in both if first == second)}

    assert written(list(graph_of(node, alone=True).stream({}, **MODES))) == 2 * MUCH


async def tell(state: State) -> State:
    get_stream_writer()("x")
    return {}


def steps(count: int) -> CompiledGraph:
    builder = StateGraph(State)
    names = [f"step{number}" for number in range(count)]
    for before, name in zip([START, *names], names, strict=False):
        builder.add_node(name, tell).add_edge(before, name)
    return builder.compile()


async def check_runs(
    value: State, node: Any, path: Path, *, alone: bool = True, durability: Any = "async"
) -> None:
    """Some runs of a node, with a durable log, end and give this, and the log has it all."""
    async with (
        asyncio.timeout(DEADLINE),
        SqliteSaver(path / "threads.db") as saver,
        ActorSystem(event_log=saver.events) as system,
    ):
        graph = graph_of(node, alone=alone, saver=saver)
        for number in range(5):
            run = await system.start(graph, {}, on(str(number)), durability=durability)
            assert (await run.output()).value == value
            last = run.log.last
            rows = await saver.events.read(run.run_id, 0, 1_000)
            assert [event_id for event_id, _ in rows] == [*range(1, last + 1)]


@pytest.mark.parametrize("durability", ["async", "sync", "exit"])
async def test_two_streams_that_are_read_in_turns_do_not_wait_for_each_others_loops(
    tmp_path: Path, durability: Any
) -> None:
    """A step of one is stored when its reader has just got what it wrote, and reads the other."""

    def node(state: State) -> State:
        streams = [steps(4).stream({}, stream_mode="custom") for _ in range(2)]
        return {"n": sum(1 for both in zip(*streams, strict=True) if both == ("x", "x"))}

    await check_runs({"n": 4}, node, tmp_path, durability=durability)


def read_in_turns(graph: CompiledGraph) -> int:
    return sum(
        1 for _ in zip(*(graph.stream({}, stream_mode="custom") for _ in range(2)), strict=True)
    )


def in_threads(graph: CompiledGraph) -> int:
    """As a batch of LangChain's does it: threads with the node's context, for which it waits."""
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(copy_context().run, graph.invoke, {"n": 0}) for _ in range(2)]
        return len([call.result() for call in calls])


@pytest.mark.parametrize("durability", ["async", "sync", "exit"])
@pytest.mark.parametrize(
    "call",
    [
        lambda graph: len(graph.invoke({"n": 0})),
        lambda graph: len(list(graph.stream({}, stream_mode="custom"))),
        read_in_turns,
        in_threads,
    ],
    ids=["invoke", "stream", "streams in turns", "threads"],
)
async def test_a_loop_that_a_sync_call_holds_up_may_have_events_on_their_way_to_the_file(
    tmp_path: Path, call: Callable[[CompiledGraph], int], durability: Any
) -> None:
    found: list[int] = []

    async def node(state: State) -> State:
        get_stream_writer()("progress")
        await let_all_run(3)  # they are being written
        found.append(call(steps(4)))
        return {"n": 1}

    await check_runs({"n": 1}, node, tmp_path, durability=durability)
    assert found in ([4] * 5, [2] * 5, [1] * 5)


async def test_a_stream_that_another_thread_reads_on_is_written_for_the_loop_that_waits_for_it(
    tmp_path: Path,
) -> None:
    async def node(state: State) -> State:
        chunks = steps(4).stream({}, stream_mode="custom")
        assert next(chunks) == "x"
        get_stream_writer()("progress")
        await let_all_run(3)
        rest: list[Any] = []
        reader = threading.Thread(target=lambda: rest.extend(chunks))  # without the context
        reader.start()
        reader.join()
        return {"n": len(rest)}

    await check_runs({"n": 3}, node, tmp_path)


@pytest.mark.parametrize("kept", [None, True], ids=["of the call", "of the thread"])
async def test_a_loop_of_a_sync_call_may_be_held_up_with_writes_on_their_way(
    tmp_path: Path, kept: Any
) -> None:
    """That of the run, and of its pump, goes on."""

    async def done(state: State) -> State:
        get_stream_writer()("done")
        return {}

    async def calls(state: State) -> State:
        await let_all_run(6)  # what its sibling did is being written
        return {"n": len(list(steps(4).stream({}, stream_mode="custom")))}

    below = StateGraph(State).add_node("done", done).add_node("calls", calls)
    inner = below.add_edge(START, "done").add_edge(START, "calls").compile(checkpointer=kept)

    def node(state: State) -> State:
        return inner.invoke({})

    await check_runs({"n": 4}, node, tmp_path, alone=False)


async def test_what_cannot_be_written_for_a_held_loop_fails_the_call(tmp_path: Path) -> None:
    plan = FaultPlan()
    begun: asyncio.Future[Run] = asyncio.get_running_loop().create_future()

    async def node(state: State) -> State:
        await (await begun).log.flush()  # or it would be looked for in vain
        plan.cut("events applied", plan.passed["events applied"] + 1)
        with pytest.raises(DatabaseError, match="cannot be written"):
            list(steps(4).stream({}, stream_mode="custom"))
        return {"n": 1}

    async with (
        SqliteSaver(tmp_path / "threads.db", faults=plan) as saver,
        ActorSystem(event_log=saver.events) as system,
    ):
        run = await system.start(graph_of(node, alone=True, saver=saver), {}, on("t"))
        begun.set_result(run)
        with pytest.raises((LogFailedError, DatabaseError)):
            await run.output()


def test_an_async_stream_has_all_that_was_written(node: Any, alone: bool) -> None:
    async def read() -> list[Any]:
        return [chunk async for chunk in graph_of(node, alone=alone).astream({}, **MODES)]

    chunks = asyncio.run(read())
    assert ((), "updates", {"node": {"n": MUCH}}) in chunks
    assert written(chunks) == MUCH


def test_a_run_in_the_background_ends_and_has_all_in_its_log(node: Any, tmp_path: Path) -> None:
    async def work() -> None:
        async with (
            SqliteSaver(tmp_path / "threads.db") as saver,
            ActorSystem(event_log=saver.events) as system,
        ):
            graph = graph_of(node, alone=True, saver=saver)
            run = await system.start(graph, {}, on("t"))
            assert (await run.output()).value == {"n": MUCH}
            assert await saver.events.last(run.run_id) == run.log.last > MUCH

    asyncio.run(work())


def test_a_stream_left_half_read_holds_up_its_loop_for_one_turn_only() -> None:
    async def work() -> tuple[bool, bool]:
        loop = asyncio.get_running_loop()
        left = graph_of(write, alone=True).stream({}, stream_mode="custom")
        next(left)
        before = waiting.is_held(loop)
        await asyncio.sleep(0)
        return before, waiting.is_held(loop)

    assert asyncio.run(work()) == (True, False)


def test_who_waited_for_a_reader_goes_on_when_the_loop_is_held_up_again() -> None:
    go_on, waits = threading.Event(), asyncio.Event()

    def write_and_wait(state: State) -> State:
        get_stream_writer()("first")
        assert go_on.wait(DEADLINE)
        return write(state)

    async def node(state: State) -> State:
        chunks = graph_of(write_and_wait, alone=True).stream({}, stream_mode="custom")
        assert next(chunks) == "first"
        await asyncio.sleep(0)  # the loop is held up no more
        go_on.set()
        while not waiting._rooms:  # noqa: ASYNC110 - the writing thread comes to wait
            await asyncio.sleep(0)
        waits.set()
        return {"n": len(list(chunks))}

    async def read() -> list[Any]:
        found: list[Any] = []
        async for chunk in graph_of(node, alone=True).astream({}, **MODES):
            await waits.wait()
            found.append(chunk)
        return found

    assert written(asyncio.run(read())) == 1 + MUCH
