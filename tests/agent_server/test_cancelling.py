"""Cancelling runs that run, wait, are about to begin, or have ended."""

from __future__ import annotations

import asyncio
import gc
import operator
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest

from actors import START, StateGraph, interrupt
from agent_server.errors import ElsewhereError, NotFoundError
from agent_server.live import LiveRun
from agent_server.outcome import STOPPED
from checkpoint import new_id
from checkpoint.testing_faults import FaultPlan, Hold
from tests.agent_server.database import keep_run
from tests.agent_server.harness import graphs
from tests.agent_server.stage import Doors, Stage, said, stage, unknown
from tests.waiting import let_all_run

NO_RUNS = "No runs found to cancel."
NO_OPEN_RUNS = "No matching runs to cancel. Please verify the thread ID and run IDs are correct"


@pytest.fixture
def doors() -> Doors:
    return Doors()


@pytest.fixture
async def at(tmp_path: Path, doors: Doors) -> AsyncIterator[Stage]:
    never = asyncio.Event()

    @asynccontextmanager
    async def hanging(config: Any) -> AsyncIterator[Any]:
        await never.wait()
        yield graphs.agent

    served = {"agent": graphs.agent, "steps": doors.graph, "hanging": hanging}
    async with stage(tmp_path / "server.db", served, drain=0.5) as parts:
        yield parts


async def in_second_step(at: Stage, doors: Doors, thread: str) -> LiveRun:
    live = await at.start("steps", {"log": []}, thread)
    await doors.arrival()
    doors.let_on()
    await doors.arrival()
    return live


async def test_a_run_that_another_server_has_is_cancelled_there(at: Stage) -> None:
    thread, run_id = await at.thread(), new_id()
    await at.tables.write(lambda db: keep_run(db, run_id, thread, "running"))
    with pytest.raises(ElsewhereError, match="was taken by another server of this database"):
        await at.dispatcher.cancel(thread, [run_id], "interrupt", wait=False)
    assert (await at.runs.get(thread, run_id)).status == "running"


async def test_an_interrupted_run_keeps_what_it_has_done(at: Stage, doors: Doors) -> None:
    thread = await at.thread()
    live = await in_second_step(at, doors, thread)
    await at.dispatcher.cancel(thread, [live.run.run_id], "interrupt", wait=False)
    assert (await at.runs.get(thread, live.run.run_id)).status == "interrupted"
    await live.settled()
    assert said(live) == {"log": ["step1"]}
    left = await at.threads.get(thread)
    assert (left.status, left.values) == ("interrupted", {"log": ["step1"]})
    assert left.error == STOPPED["interrupt"]
    doors.open()
    assert said(await at.end("steps", None, thread)) == {"log": ["step1", "step2", "step3"]}


async def test_a_rolled_back_run_was_never_there(at: Stage, doors: Doors) -> None:
    thread = await at.thread()
    live = await in_second_step(at, doors, thread)
    await at.dispatcher.cancel(thread, [live.run.run_id], "rollback", wait=True)
    assert await at.runs.find(thread, live.run.run_id) is None
    assert at.dispatcher.live(live.run.run_id) is None
    left = await at.threads.get(thread)
    assert (left.status, left.values, left.error) == ("idle", None, STOPPED["rollback"])
    assert await at.saver.athreads() == []
    with pytest.raises(NotFoundError, match=NO_RUNS):
        await at.dispatcher.cancel(thread, [live.run.run_id], "rollback", wait=False)


async def test_a_rollback_leaves_what_earlier_runs_have_done(at: Stage, doors: Doors) -> None:
    thread = await at.thread()
    doors.open()
    await at.end("steps", {"log": ["kept"]}, thread)
    kept = await at.threads.get(thread)
    for _ in range(3):
        await doors.arrival()
    doors.shut()
    live = await in_second_step(at, doors, thread)
    await at.dispatcher.cancel(thread, [live.run.run_id], "rollback", wait=True)
    assert (await at.threads.get(thread)).values == kept.values


async def test_a_stateless_run_can_be_cancelled_by_its_id_alone(at: Stage, doors: Doors) -> None:
    live = await at.start("steps", {"log": []})
    await doors.arrival()
    await at.dispatcher.cancel(None, [live.run.run_id], "interrupt", wait=True)
    assert (live.run.status, said(live)) == ("interrupted", {})


@pytest.mark.parametrize("action", ["interrupt", "rollback"])
async def test_a_waiting_run_never_begins_and_the_next_one_does(
    at: Stage, doors: Doors, action: Any
) -> None:
    thread = await at.thread()
    first = await at.start("steps", {"log": ["1"]}, thread)
    second = await at.start("steps", {"log": ["2"]}, thread)
    third = await at.start("steps", {"log": ["3"]}, thread)
    await at.dispatcher.cancel(thread, [second.run.run_id], action, wait=True)
    assert second.log is None
    found = await at.runs.find(thread, second.run.run_id)
    assert (found and found.status) == ("interrupted" if action == "interrupt" else None)
    assert not first.is_settled
    doors.open()
    await third.settled()
    assert "2" not in said(third)["log"]


async def test_a_delayed_run_that_is_cancelled_leaves_its_thread_idle(at: Stage) -> None:
    thread = await at.thread()
    live = await at.start("agent", {"topic": "x"}, thread, after_seconds=1000)
    assert (await at.threads.get(thread)).status == "busy"
    await at.dispatcher.cancel(thread, [live.run.run_id], "interrupt", wait=True)
    left = await at.threads.get(thread)
    assert (left.status, left.values, left.error) == ("idle", None, None)
    held = weakref.ref(live)
    del live
    await at.tables.write(lambda _: None)  # the writer remembers what it wrote last
    gc.collect()
    assert held() is None, "nothing waits for the moment at which it was due"


@pytest.mark.parametrize("action", ["interrupt", "rollback"])
async def test_a_run_whose_graph_never_opens_can_be_cancelled(at: Stage, action: Any) -> None:
    live = await at.start("hanging", {"topic": "x"})
    await at.dispatcher.cancel(None, [live.run.run_id], action, wait=True)
    assert live.run.status == "interrupted"


async def test_a_run_is_cancelled_in_its_very_first_turn(at: Stage) -> None:
    live = await at.start("agent", {"topic": "x"})
    await at.dispatcher.cancel(None, [live.run.run_id], "interrupt", wait=True)
    assert live.run.status == "interrupted"
    assert at.dispatcher.stats().running == 0


async def test_what_is_not_there_and_what_has_ended_are_told_apart(at: Stage) -> None:
    thread, other = await at.thread(), await at.thread()
    ended = await at.end("agent", {"topic": "x"}, thread)
    cases = [
        (thread, unknown(), NO_RUNS),
        (other, ended.run.run_id, NO_RUNS),
        (thread, ended.run.run_id, NO_OPEN_RUNS),
    ]
    for thread_id, run_id, told in cases:
        with pytest.raises(NotFoundError, match=told):
            await at.dispatcher.cancel(thread_id, [run_id], "interrupt", wait=False)


async def test_a_run_is_cancelled_once(at: Stage, doors: Doors) -> None:
    thread = await at.thread()
    live = await in_second_step(at, doors, thread)
    await at.dispatcher.cancel(thread, [live.run.run_id], "interrupt", wait=False)
    with pytest.raises(NotFoundError, match=NO_OPEN_RUNS):
        await at.dispatcher.cancel(thread, [live.run.run_id], "rollback", wait=False)
    await live.settled()
    assert (await at.runs.get(thread, live.run.run_id)).status == "interrupted"


async def test_all_that_wait_or_run_can_be_cancelled_at_once(at: Stage, doors: Doors) -> None:
    thread = await at.thread()
    running = await at.start("steps", {"log": []}, thread)
    waiting = await at.start("steps", {"log": []}, thread)
    await doors.arrival()
    await at.dispatcher.cancel_all("pending", "interrupt")
    await waiting.settled()
    assert not running.is_settled
    with pytest.raises(NotFoundError, match=NO_RUNS):
        await at.dispatcher.cancel_all("pending", "interrupt")
    await at.dispatcher.cancel_all("all", "interrupt")
    await running.settled()
    assert (await at.threads.get(thread)).status == "interrupted"


async def test_many_runs_on_many_threads_are_cancelled_whatever_they_do(
    at: Stage, doors: Doors
) -> None:
    lives = [await at.start("steps", {"log": []}, await at.thread()) for _ in range(10)]
    lives += [await at.start("steps", {"log": []}) for _ in range(10)]
    await at.dispatcher.cancel_all("all", "interrupt")
    for live in lives:
        assert (await live.settled()).status == "interrupted"
    assert at.dispatcher.stats().running == 0


class Asked(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


def answering(doors: Doors) -> Any:
    """A graph that asks, takes what is answered, and does the last step at a door."""

    def ask(state: Asked) -> Asked:
        return {"log": [interrupt("?")]}

    async def last(state: Asked) -> Asked:
        await doors.pass_by("last")
        return {"log": ["last"]}

    builder = StateGraph(Asked).add_node(ask).add_node(last)
    return builder.add_edge(START, "ask").add_edge("ask", "last").compile()


@pytest.mark.parametrize("way", ["cancelled", "another run"])
async def test_an_answer_is_taken_back_also_if_the_run_ends_while_its_row_is_written(
    tmp_path: Path, doors: Doors, way: str
) -> None:
    plan = FaultPlan()

    async def reached(hold: Hold) -> None:
        assert await asyncio.to_thread(hold.wait)

    served = {"asks": answering(doors), "agent": graphs.agent}
    async with stage(tmp_path / "server.db", served, faults=plan) as at:
        thread = await at.thread()
        await at.end("asks", {"log": []}, thread)
        live = await at.start("asks", None, thread, command={"resume": "yes"})
        await doors.arrival()
        ending = plan.hold("syncing", plan.passed["syncing"] + 1)
        doors.open()
        await reached(ending)  # all is done, and waits for the disk

        writing = plan.hold("tables applied", plan.passed["tables applied"] + 1)
        if way == "cancelled":
            ids = [live.run.run_id]
            asked: Any = at.dispatcher.cancel(thread, ids, "rollback", wait=True)
        else:
            more = {"command": {"resume": "no"}, "multitask_strategy": "rollback"}
            asked = at.end("asks", None, thread, **more)
        asking = asyncio.ensure_future(asked)
        await reached(writing)
        ending.let_go()
        await at.saver.synced()  # the engine, which waited for it before, goes on
        await let_all_run()  # it is through, or waits for the writer
        writing.let_go()
        other = await asking
        if way == "cancelled":
            left = await at.threads.get(thread)
            assert (left.status, left.values) == ("interrupted", {"log": []})
            [(question,)] = left.interrupts.values()
            assert question["value"] == "?"
        else:
            assert said(other) == {"log": ["no", "last"]}
        with pytest.raises(NotFoundError):
            await at.runs.get(thread, live.run.run_id)


async def test_a_run_that_has_ended_is_not_rolled_back(tmp_path: Path, doors: Doors) -> None:
    async with stage(tmp_path / "server.db", {"asks": answering(doors)}) as at:
        thread = await at.thread()
        await at.end("asks", {"log": []}, thread)
        live = await at.start("asks", None, thread, command={"resume": "yes"})
        await doors.arrival()
        doors.open()
        assert live.engine is not None
        await live.engine.ended()
        with pytest.raises(NotFoundError):
            await at.dispatcher.cancel(thread, [live.run.run_id], "rollback", wait=False)
        await live.settled()
        assert (live.run.status, said(live)) == ("success", {"log": ["yes", "last"]})
