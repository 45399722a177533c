"""What leaves a scheduler: a commit that may wait is seen through in a task of its own."""

from __future__ import annotations

import asyncio
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from actors import START, ActorSystem, StateGraph
from checkpoint import (
    Batch,
    DatabaseUnwritableError,
    MemorySaver,
    SaverClosedError,
    SqliteSaver,
    instant,
    is_instant,
)
from checkpoint.testing_faults import FaultPlan
from streaming import testing_faults as log_faults
from streaming.chunk import event_id_of
from tests.actors.engine import DEADLINE, State, chain, noting, says
from tests.waiting import let_all_run

CONFIG = {"configurable": {"thread_id": "1"}}


class Instant(MemorySaver):
    """Notes which task each commit runs in."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks: set[str] = set()

    @instant
    async def commit(self, batch: Batch) -> None:
        task = asyncio.current_task()
        self.tasks.add(task.get_name().split(" ")[0] if task else "")
        await super().commit(batch)


class Unmarked(Instant):
    async def commit(self, batch: Batch) -> None:
        await super().commit(batch)


@pytest.mark.parametrize(("saver", "tasks"), [(Instant(), {"run", "a"}), (Unmarked(), {"commit"})])
async def test_only_a_commit_that_may_wait_gets_a_task_of_its_own(
    saver: Instant, tasks: set[str]
) -> None:
    await chain(a=says("a"), b=says("b")).compile(checkpointer=saver).ainvoke({"log": []}, CONFIG)

    assert saver.tasks == tasks
    assert len(await saver.history("1")) == 4


class Held(MemorySaver):
    """Commits events when it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.let_go = asyncio.Event(), asyncio.Event()

    async def commit(self, batch: Batch) -> None:
        if batch.events:
            self.asked.set()
            await self.let_go.wait()
        await super().commit(batch)


async def test_nobody_sees_a_step_before_its_rows_are_committed_with_it() -> None:
    saver = Held()
    graph = chain(a=says("a")).compile(checkpointer=saver)
    async with ActorSystem(event_log=saver.events) as system:
        run = await system.start(graph, {"log": []}, CONFIG)
        await saver.asked.wait()
        await let_all_run()
        held = run.log.last, run.log.visible, await saver.events.last(run.run_id)
        saver.let_go.set()
        await run.result()
    assert held[0] > held[1] == held[2]


async def test_a_step_begins_when_the_one_before_it_is_committed() -> None:
    order: list[Any] = []

    class Noted(MemorySaver):
        async def commit(self, batch: Batch) -> None:
            await let_all_run()  # whoever does not wait begins now
            await super().commit(batch)
            order.extend(record.metadata.step for record in batch.checkpoints)

    def noting(name: str) -> Any:
        async def node(state: Any) -> None:
            order.append(name)

        return node

    graph = chain(a=noting("a"), b=noting("b")).compile(checkpointer=Noted())
    async with ActorSystem() as system:
        await (await system.start(graph, {"log": []}, CONFIG)).result()
    assert order == [-1, 0, "a", 1, "b", 2]


def slowly(commit: Any) -> Any:
    """A commit that may wait, while it looks like the one that may not."""

    @wraps(commit)
    async def waiting(saver: MemorySaver, batch: Batch) -> None:
        await asyncio.sleep(0)
        await commit(saver, batch)

    return waiting


class Wrapped(MemorySaver):
    commit = slowly(MemorySaver.commit)


def test_a_wrapper_that_looks_like_a_marked_commit_is_not_marked() -> None:
    assert not is_instant(Wrapped())


def test_a_commit_written_anew_has_not_inherited_the_mark() -> None:
    assert is_instant(MemorySaver())
    assert is_instant(Instant())
    assert not is_instant(Unmarked())


@pytest.mark.parametrize("durability", ["sync", "async"])
@pytest.mark.parametrize("then", [{"b": says("b")}, {}], ids=["another step", "the end"])
async def test_a_chunk_of_a_file_is_shown_when_its_step_is_committed(
    tmp_path: Path, durability: Any, then: dict[str, Any]
) -> None:
    plan = FaultPlan()
    hold = plan.hold("checkpoint committed", nth=2)
    async with SqliteSaver(tmp_path / "db", faults=plan) as saver:
        graph = chain(a=says("a"), **then).compile(checkpointer=saver)
        async with ActorSystem() as system:
            run = await system.start(graph, {"log": []}, CONFIG, durability=durability)
            first = asyncio.ensure_future(anext(run.stream("updates")))
            assert await asyncio.to_thread(hold.wait)
            await let_all_run()
            early = first.done()
            hold.let_go()
            chunk = await first
            await run.result()
    assert not early
    assert chunk.data == {"a": {"log": ["a"]}}


async def test_with_durability_sync_a_step_begins_when_the_one_before_it_is_on_the_disk(
    tmp_path: Path,
) -> None:
    plan, flushed = FaultPlan(), list[int]()

    async def counts(state: Any) -> None:
        flushed.append(plan.passed["synced"])

    async with SqliteSaver(tmp_path / "db", faults=plan) as saver:
        graph = chain(a=counts, b=counts, c=counts).compile(checkpointer=saver)
        await graph.ainvoke({"log": []}, CONFIG, durability="sync")
    assert flushed == [1, 2, 3]


@pytest.mark.parametrize("grace", [1.0, 0.0])
async def test_a_run_that_is_cancelled_in_a_commit_ends_after_it_and_shows_what_it_has_stored(
    tmp_path: Path, grace: float
) -> None:
    plan = FaultPlan()
    hold = plan.hold("checkpoint committed", nth=2)
    async with SqliteSaver(tmp_path / "db", faults=plan) as saver:
        graph = chain(a=says("a"), b=says("b")).compile(checkpointer=saver)
        async with ActorSystem() as system:
            run = await system.start(graph, {"log": []}, CONFIG)
            assert await asyncio.to_thread(hold.wait)
            cancelling = asyncio.create_task(run.cancel(grace=grace))
            await let_all_run()
            early = cancelling.done(), run.status
            hold.let_go()
            await cancelling
            shown = [chunk.data async for chunk in run.stream("updates")]
        state = await graph.aget_state(CONFIG)
    assert (early, run.status) == ((False, "running"), "cancelled")
    assert shown == [{"a": {"log": ["a"]}}]
    assert (state.values, state.next) == ({"log": ["a"]}, ("b",))


async def test_a_commit_that_fails_after_a_step_ends_the_run_with_its_error(tmp_path: Path) -> None:
    plan = FaultPlan()
    plan.fail("checkpoint applied", nth=2)
    async with SqliteSaver(tmp_path / "db", faults=plan) as saver:
        graph = chain(a=says("a"), b=says("b")).compile(checkpointer=saver)
        async with ActorSystem() as system:
            run = await system.start(graph, {"log": []}, CONFIG)
            shown = list[Any]()

            async def read() -> None:
                async for chunk in run.stream("updates"):
                    shown.append(chunk)

            with pytest.raises(DatabaseUnwritableError):
                await read()
        state = await graph.aget_state(CONFIG)
        again = await graph.ainvoke(None, CONFIG)
    assert (shown, state.next) == ([], ("a",))
    assert again == {"log": ["a", "b"]}


async def test_a_commit_that_fails_under_a_durable_log_ends_the_run(tmp_path: Path) -> None:
    plan = FaultPlan()
    plan.fail("checkpoint applied", nth=2)
    async with SqliteSaver(tmp_path / "db", faults=plan) as saver, asyncio.timeout(DEADLINE):
        graph = chain(a=says("a"), b=says("b")).compile(checkpointer=saver)
        async with ActorSystem(event_log=saver.events) as system:
            run = await system.start(graph, {"log": []}, CONFIG)
            with pytest.raises(DatabaseUnwritableError):
                await anext(run.stream("updates"))
            with pytest.raises(DatabaseUnwritableError):
                await run.result()
        state = await graph.aget_state(CONFIG)
        again = await graph.ainvoke(None, CONFIG)
    assert state.next == ("a",)
    assert again == {"log": ["a", "b"]}


async def test_a_step_in_a_file_takes_its_rows_into_its_own_transaction(tmp_path: Path) -> None:
    plan = FaultPlan()
    hold = plan.hold("checkpoint committed", nth=2)
    async with SqliteSaver(tmp_path / "db", faults=plan) as saver:
        graph = chain(a=says("a"), b=says("b")).compile(checkpointer=saver)
        async with ActorSystem(event_log=saver.events) as system:
            run = await system.start(graph, {"log": []}, CONFIG)
            assert await asyncio.to_thread(hold.wait)
            stored = await saver.events.last(run.run_id)
            hold.let_go()
            chunk = await anext(run.stream("updates"))
            await run.result()
    assert chunk.data == {"a": {"log": ["a"]}}
    assert event_id_of(chunk.id) <= stored


async def test_a_step_waits_for_the_rows_that_were_on_their_way_before_it() -> None:
    plan = log_faults.FaultPlan()
    hold = plan.hold("append")
    saver = MemorySaver()
    graph = chain(a=says("a"), b=says("b")).compile(checkpointer=saver)
    async with ActorSystem(event_log=saver.events, faults=plan) as system:
        run = await system.start(graph, {"log": []}, CONFIG)
        await hold.wait()
        await let_all_run()
        early = await saver.load("1")
        hold.let_go()
        assert await run.result() == {"log": ["a", "b"]}
    assert early is None


async def test_a_node_that_cancels_its_own_task_at_its_end_has_its_step_stored(
    tmp_path: Path,
) -> None:
    async def ends(state: Any) -> dict[str, Any]:
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_soon(task.cancel)
        task.cancel()
        return {"log": ["a"]}

    async with SqliteSaver(tmp_path / "db") as saver:
        graph = chain(a=ends, b=says("b")).compile(checkpointer=saver)
        async with asyncio.timeout(10):
            assert await graph.ainvoke({"log": []}, CONFIG) == {"log": ["a", "b"]}


async def test_a_stream_that_is_cancelled_as_its_commit_is_answered_ends(tmp_path: Path) -> None:
    plan = FaultPlan()
    hold = plan.hold("checkpoint committed", nth=2)
    answered = plan.hold("checkpoint answered", nth=2)
    async with SqliteSaver(tmp_path / "db", faults=plan) as saver:
        graph = chain(a=says("a"), b=says("b")).compile(checkpointer=saver)
        stream = graph.astream({"log": []}, CONFIG, stream_mode="updates")
        chunk = asyncio.ensure_future(anext(stream))
        assert await asyncio.to_thread(hold.wait)
        loop = asyncio.get_running_loop()
        run: Any = stream._run  # its cancel and the answer have to come in one turn of the loop

        def both() -> None:
            loop.call_soon(run.cancel_nowait)
            hold.let_go()
            assert answered.wait()
            answered.let_go()

        loop.call_soon(both)
        assert await chunk == {"a": {"log": ["a"]}}
        closing = asyncio.create_task(stream.aclose())
        done, _ = await asyncio.wait({closing}, timeout=DEADLINE)
        assert done
        assert (await graph.aget_state(CONFIG)).next == ("b",)


async def test_a_node_that_cancels_its_own_task_ends_a_run_that_cannot_store_that(
    tmp_path: Path,
) -> None:
    saver = SqliteSaver(tmp_path / "db")

    async def ends(state: Any) -> None:
        await saver.aclose()
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(0)

    builder = StateGraph(State).add_node("a", ends, error_handler=says("handled"))
    async with saver:
        graph = builder.add_edge(START, "a").compile(checkpointer=saver)
        async with asyncio.timeout(10):
            with pytest.raises(SaverClosedError):
                await graph.ainvoke({"log": []}, CONFIG)


@pytest.mark.parametrize("durability", ["sync", "async"])
async def test_a_reader_paces_steps_that_are_stored_in_a_file(
    tmp_path: Path, durability: Any
) -> None:
    ran = list[str]()
    async with SqliteSaver(tmp_path / "db") as saver:
        nodes = {name: noting(name, ran) for name in "abc"}
        graph = chain(**nodes).compile(checkpointer=saver)
        stream = graph.astream({"log": []}, CONFIG, stream_mode="updates", durability=durability)
        for name in ["a", "b"]:
            assert await anext(stream) == {name: {"log": [name]}}
            await let_all_run()
            assert ran[-1] == name
        await stream.aclose()
        assert ran == ["a", "b"]
        assert (await graph.aget_state(CONFIG)).next == ("c",)
