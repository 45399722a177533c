"""The actor system: what it starts, finds, keeps, drains and closes; its durable event log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from actors import (
    START,
    ActorSystem,
    ConfigError,
    RunUnknownError,
    StateGraph,
    SystemClosedError,
    get_stream_writer,
)
from checkpoint import MemorySaver
from streaming import Gap, LogFailedError, RunLogExistsError, StreamWriter
from tests.actors.engine import DEADLINE, Gated, chain, on, saying, says
from tests.waiting import let_all_run


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(DEADLINE):
        yield


async def all_of(reader: AsyncIterator[Any]) -> list[Any]:
    return [chunk async for chunk in reader]


# --- starting and finding ----------------------------------------------------------------------


async def test_a_run_is_found_again_by_its_id_also_after_its_end() -> None:
    async with ActorSystem() as system:
        gated = Gated()
        run = await system.start(chain(a=gated).compile(), {"log": []})
        assert system.runs[run.run_id] is run
        await gated.started.wait()
        gated.gate.set()
        await run.result()
        assert system.runs[run.run_id] is run
        assert [chunk.data for chunk in await all_of(system.runs[run.run_id].stream())]


async def test_the_registry_cannot_be_changed_from_outside() -> None:
    async with ActorSystem() as system:
        with pytest.raises(TypeError):
            system.runs["x"] = None  # pyright: ignore[reportIndexIssue]


async def test_the_registry_and_the_logs_are_bounded() -> None:
    graph = chain(a=saying("a")).compile()
    async with ActorSystem(max_finished=3) as system:
        for number in range(10):
            run = await system.start(graph, {"log": []}, {"run_id": f"r{number}"})
            await run.result()
        assert list(system.runs) == ["r7", "r8", "r9"]
        assert system.stats().finished == 3


async def test_live_runs_do_not_count_against_the_bound() -> None:
    gated = Gated()
    async with ActorSystem(max_finished=1) as system:
        runs = [await system.start(chain(a=gated).compile(), {"log": []}) for _ in range(5)]
        assert set(system.runs) == {run.run_id for run in runs}
        gated.gate.set()
        for run in runs:
            await run.ended()
        assert len(system.runs) == 1


async def test_one_run_id_has_one_live_run() -> None:
    gated = Gated()
    graph = chain(a=gated).compile()
    async with ActorSystem() as system:
        first = await system.start(graph, {"log": []}, {"run_id": "r"})
        with pytest.raises(RunLogExistsError, match="'r'"):
            await system.start(graph, {"log": []}, {"run_id": "r"})
        assert system.runs["r"] is first
        gated.gate.set()
        await first.result()
        again = await system.start(graph, {"log": []}, {"run_id": "r"})
        assert system.runs["r"] is again
        await again.result()


async def test_a_call_that_cannot_be_is_refused_at_start_and_leaves_nothing() -> None:
    graph = chain(a=saying("a")).compile(checkpointer=MemorySaver())
    async with ActorSystem() as system:
        with pytest.raises(ConfigError, match="thread_id"):
            await system.start(graph, {"log": []})
        with pytest.raises(ConfigError):
            await system.start(graph, {"log": []}, on("t"), durability="now")  # pyright: ignore[reportArgumentType]
        assert (dict(system.runs), system.stats().live) == ({}, 0)


@pytest.mark.parametrize("wrong", [-1, float("nan"), "10"])
def test_a_drain_timeout_that_cannot_be_is_refused(wrong: Any) -> None:
    with pytest.raises(ConfigError, match="drain_timeout"):
        ActorSystem(drain_timeout=wrong)


# --- closing -----------------------------------------------------------------------------------


async def test_closing_waits_for_runs_that_end_before_the_deadline() -> None:
    gated = Gated()
    system = ActorSystem(drain_timeout=None)
    run = await system.start(chain(a=gated).compile(), {"log": []})
    closing = asyncio.create_task(system.aclose())
    await gated.started.wait()
    await let_all_run()
    assert not closing.done()
    gated.gate.set()
    await closing
    assert run.status == "success"


async def test_closing_cancels_what_outlives_the_deadline() -> None:
    gated = Gated()
    before = asyncio.all_tasks()
    async with ActorSystem(drain_timeout=0) as system:
        run = await system.start(chain(a=gated).compile(), {"log": []})
        await gated.started.wait()
    assert (run.status, gated.cancelled, gated.cleaned) == ("cancelled", 1, 1)
    assert asyncio.all_tasks() - before == set()


async def test_nothing_is_started_while_and_after_a_system_closes() -> None:
    gated = Gated()
    graph = chain(a=gated).compile()
    system = ActorSystem()
    await system.start(graph, {"log": []})
    closing = asyncio.create_task(system.aclose())
    await gated.started.wait()
    with pytest.raises(SystemClosedError):
        await system.start(graph, {"log": []})
    gated.gate.set()
    await closing
    with pytest.raises(SystemClosedError):
        await system.start(graph, {"log": []})


async def test_a_start_that_the_close_overtakes_is_refused_and_leaves_nothing() -> None:
    events = StandIn()
    events.gate.clear()
    graph = chain(a=saying("a")).compile(checkpointer=MemorySaver())
    system = ActorSystem(event_log=events)
    starting = asyncio.create_task(system.start(graph, {"log": []}, on("t")))
    await events.asked.wait()
    await system.aclose()
    events.gate.set()
    with pytest.raises(SystemClosedError):
        await starting
    assert (dict(system.runs), system.stats().live) == ({}, 0)


async def test_closing_twice_and_at_once_is_harmless() -> None:
    system = ActorSystem()
    run = await system.start(chain(a=saying("a")).compile(), {"log": []})
    await asyncio.gather(system.aclose(), system.aclose())
    await system.aclose()
    assert run.status == "success"


async def test_readers_end_when_the_system_closes() -> None:
    gated = Gated()
    async with ActorSystem(drain_timeout=0) as system:
        run = await system.start(chain(a=saying("a"), b=gated).compile(), {"log": []})
        reader = asyncio.create_task(all_of(run.stream()))
        await gated.started.wait()
    assert [chunk.data for chunk in await reader] == [{"a": {"log": ["a"]}}]


async def test_an_error_in_the_block_is_not_hidden_by_the_close() -> None:
    gated = Gated()

    async def fails() -> None:
        async with ActorSystem(drain_timeout=0) as system:
            await system.start(chain(a=gated).compile(), {"log": []})
            await gated.started.wait()
            raise LookupError

    with pytest.raises(LookupError):
        await fails()
    assert gated.cleaned == 1


async def test_runs_of_a_hundred_callers_share_one_system() -> None:
    graph = chain(a=saying("a"), b=saying("b")).compile(checkpointer=MemorySaver())
    async with ActorSystem() as system:
        runs = [await system.start(graph, {"log": [n]}, on(str(n))) for n in range(100)]
        results = await asyncio.gather(*(run.result() for run in runs))
    assert [result["log"] for result in results] == [[n, "a", "b"] for n in range(100)]


# --- the durable event log ---------------------------------------------------------------------


class StandIn:
    """An event log at the edge: may hold `last` back, may fail to append."""

    def __init__(self) -> None:
        self.rows: dict[str, list[bytes]] = {}
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()
        self.broken = False

    async def last(self, run_id: str) -> int:
        self.asked.set()
        await self.gate.wait()
        return len(self.rows.get(run_id, ()))

    async def append(self, run_id: str, rows: Sequence[tuple[int, bytes]]) -> None:
        if self.broken:
            raise OSError("disk full")
        self.rows.setdefault(run_id, []).extend(data for _, data in rows)

    async def read(self, run_id: str, after: int, limit: int) -> Sequence[tuple[int, bytes]]:
        return list(enumerate(self.rows.get(run_id, [])[after : after + limit], after + 1))


async def talks(state: Any) -> dict[str, Any]:
    get_stream_writer()({"said": len(state["log"])})
    return {"log": ["t"]}


MODES: Any = ["values", "updates", "custom", "tasks"]


async def test_a_reader_in_a_new_system_gets_what_the_first_one_streamed() -> None:
    saver = MemorySaver()
    graph = chain(a=says("a"), t=talks, b=saying("b")).compile(checkpointer=saver)
    async with ActorSystem(event_log=saver.events) as first:
        run = await first.start(graph, {"log": ["in"]}, on("t"))
        await run.result()
        whole = await all_of(run.stream(MODES))
    async with ActorSystem(event_log=saver.events) as second:
        log = await second.find_log(graph, run.run_id, on("t"))
        again = await all_of(log.subscribe(MODES))
        assert [(c.id, c.mode, c.data) for c in again] == [(c.id, c.mode, c.data) for c in whole]
        for chunk in (whole[0], whole[len(whole) // 2], whole[-1]):
            rest = await all_of(log.subscribe(MODES, after=chunk.id))
            assert [c.id for c in rest] == [c.id for c in whole if c.id > chunk.id]


async def test_a_log_is_found_by_the_id_of_its_run_wherever_it_is() -> None:
    saver, gated = MemorySaver(), Gated()
    graph = chain(a=gated).compile(checkpointer=saver)
    async with ActorSystem(event_log=saver.events) as first:
        run = await first.start(graph, {"log": []}, on("t"))
        assert await first.find_log(graph, run.run_id) is run.log
        gated.gate.set()
        await run.result()
        assert await first.find_log(graph, run.run_id) is run.log
    async with ActorSystem(event_log=saver.events) as second:
        found = [await second.find_log(graph, run.run_id, on("t")) for _ in range(2)]
        assert found[0] is found[1]
        assert [c.data for c in await all_of(found[0].subscribe("updates"))] == [
            {"a": {"log": ["gated"]}}
        ]


@pytest.mark.parametrize("durable", [True, False])
async def test_a_run_that_nobody_knows_is_named(durable: bool) -> None:
    saver = MemorySaver()
    graph = chain(a=saying("a")).compile(checkpointer=saver)
    async with ActorSystem(event_log=saver.events if durable else None) as system:
        with pytest.raises(RunUnknownError, match="'nobody'") as caught:
            await system.find_log(graph, "nobody", on("t"))
        assert isinstance(caught.value, LookupError)
        assert system.stats().live == 0


async def test_rows_are_gapless_and_committed_before_they_are_seen() -> None:
    saver = MemorySaver()
    graph = chain(a=says("a"), t=talks).compile(checkpointer=saver)
    async with ActorSystem(event_log=saver.events) as system:
        run = await system.start(graph, {"log": []}, on("t"))
        async for chunk in run.stream(MODES):
            assert isinstance(chunk.id, int)
            assert await saver.events.last(run.run_id) >= chunk.id // 8
        rows = await saver.events.read(run.run_id, 0, 1000)
    assert [number for number, _ in rows] == list(range(1, len(rows) + 1))


async def test_with_exit_durability_the_values_come_from_the_log() -> None:
    saver = MemorySaver()
    graph = chain(a=says("a"), b=saying("b")).compile(checkpointer=saver)
    async with ActorSystem(event_log=saver.events) as system:
        run = await system.start(graph, {"log": []}, on("t"), durability="exit")
        await run.result()
        values = [chunk.data["log"] for chunk in await all_of(run.stream("values"))]
    assert values == [[], ["a"], ["a", "b"]]


async def test_a_stateless_run_keeps_nothing_in_the_log() -> None:
    saver = MemorySaver()
    graph = chain(a=saying("a")).compile(checkpointer=saver)
    async with ActorSystem(event_log=saver.events) as system:
        run = await system.start(graph, {"log": []}, on("t"), stateless=True)
        await run.result()
        assert await saver.events.last(run.run_id) == 0


async def test_an_event_log_that_breaks_ends_the_run_and_tells_its_readers() -> None:
    events = StandIn()
    events.broken = True
    gated = Gated()
    graph = chain(t=talks, a=gated).compile(checkpointer=MemorySaver())
    gated.gate.set()
    async with ActorSystem(event_log=events, drain_timeout=1) as system:
        run = await system.start(graph, {"log": []}, on("t"))
        await run.ended()
        assert run.status in ("error", "success")
        with pytest.raises((LogFailedError, OSError)):
            await all_of(run.stream())
    assert await graph.ainvoke({"log": []}, on("t"), on_busy="reject")


async def test_cancelling_a_run_with_an_event_log_closes_its_log() -> None:
    saver = MemorySaver()
    gated = Gated()
    graph = chain(a=saying("a"), b=gated).compile(checkpointer=saver)
    async with ActorSystem(event_log=saver.events) as system:
        run = await system.start(graph, {"log": []}, on("t"))
        await gated.started.wait()
        await run.cancel()
        assert [c.data for c in await all_of(run.stream())] == [{"a": {"log": ["a"]}}]
        assert await saver.events.last(run.run_id) == run.log.last


async def test_what_a_runs_events_take_in_memory_is_bounded() -> None:
    async def talk(state: dict[str, Any], writer: StreamWriter) -> dict[str, Any]:
        for _ in range(50):
            writer("x" * 10_000)
        return {}

    builder = StateGraph(dict).add_node(talk).add_edge(START, "talk")
    async with ActorSystem(ring_bytes=100_000) as system:
        run = await system.start(builder.compile(), {}, stateless=True)
        await run.ended()
        events, size = run.log.held
        assert (events < 15, size <= 100_000) == (True, True)
        first = await anext(aiter(run.stream("custom")))
        assert isinstance(first, Gap)


def test_a_bound_that_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="ring_bytes=0"):
        ActorSystem(ring_bytes=0)
