"""Runs across processes: drained, killed, started again."""

from __future__ import annotations

import asyncio
import json
import operator
import shutil
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, TypedDict

import orjson
import pytest
from langgraph_sdk.client import LangGraphClient

from actors import START, StateGraph, interrupt
from agent_server.ended import PastRun
from agent_server.endings import Endings
from agent_server.finding import find_run
from agent_server.live import LiveRun
from agent_server.readers import Look, RunReader
from agent_server.records import Run
from agent_server.recovering import AT_ONCE
from agent_server.run_rows import add_run, stop_runs
from agent_server.subscriptions import Filter
from agent_server.tables import server_tables
from agent_server.thread_notices import ThreadNotices
from agent_server.thread_rows import mark_thread
from streaming import Event, RunFailed, RunFinished
from tests.agent_server.database import rewrite_runs
from tests.agent_server.harness import graphs
from tests.agent_server.harness.gate import Gate
from tests.agent_server.harness.server import ServerProcess
from tests.agent_server.lib_streams import Frame, frames_in
from tests.agent_server.stage import Doors, Stage, crashed, said, stage

SERVED = {"agent": graphs.agent, "fail": graphs.fail}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "server.db"


@pytest.fixture
async def gate() -> AsyncIterator[Gate]:
    async with Gate() as gate:
        yield gate


async def store(at: Stage, run: Run, *, rollback: bool = False) -> None:
    """Leave a run as a process that died would have."""

    def unit(db: sqlite3.Connection) -> None:
        add_run(db, run)
        mark_thread(db, run.thread_id, status="busy", now=run.created_at)
        if rollback:
            stop_runs(db, [run.run_id], "rollback")

    await at.tables.write(unit)


async def finished(at: Stage, thread_id: str) -> list[Run]:
    """A thread's runs once all have ended, the oldest first."""
    runs = list(await at.runs.list(thread_id))
    for run in runs:
        live = at.dispatcher.live(run.run_id)
        if live is not None:
            await live.settled()
    return [await at.runs.get(thread_id, run.run_id) for run in reversed(runs)]


# --- rows that were left ------------------------------------------------------------------------


async def test_runs_that_waited_run_in_their_order(path: Path) -> None:
    async with stage(path, SERVED) as at:
        thread = await at.thread()
        for topic in ("a", "b", "c"):
            await store(at, at.order("agent", {"topic": topic}, thread))
    async with stage(path, SERVED) as at:
        assert [run.status for run in await finished(at, thread)] == ["success"] * 3
        assert (await at.threads.get(thread)).values["topic"] == "c and cats"


async def test_a_run_that_ran_has_another_attempt(path: Path) -> None:
    async with stage(path, SERVED) as at:
        thread = await at.thread()
        run = at.order("agent", {"topic": "a"}, thread)
        await store(at, replace(run, status="running", attempt=1))
    async with stage(path, SERVED) as at:
        (ended,) = await finished(at, thread)
        assert (ended.status, ended.attempt) == ("success", 2)


async def test_many_runs_that_were_left_are_started_a_few_at_a_time(path: Path) -> None:
    """So that requests have their turns in between."""
    doors, count = Doors(1), 5 * AT_ONCE
    async with stage(path, {"agent": doors.graph}) as at:
        for _ in range(count):
            await store(at, at.order("agent", {"log": ["a"]}, await at.thread()))
    async with stage(path, {"agent": doors.graph}, drain=0) as at:
        started = [at.dispatcher.stats().running]
        while started[-1] < count:
            await asyncio.sleep(0)
            started.append(at.dispatcher.stats().running)
        assert max(after - before for before, after in pairwise(started)) <= AT_ONCE


async def test_the_last_of_many_runs_that_were_left_can_be_cancelled_before_its_start(
    path: Path,
) -> None:
    doors, count = Doors(1), 20 * AT_ONCE
    async with stage(path, {"agent": doors.graph}) as at:
        runs = [at.order("agent", {"log": ["a"]}, await at.thread()) for _ in range(count)]
        for run in runs:
            await store(at, run)
    async with stage(path, {"agent": doors.graph}, drain=0) as at:
        last = runs[-1]
        await at.dispatcher.cancel(last.thread_id, [last.run_id], "interrupt", wait=True)
        (ended,) = await at.runs.list(last.thread_id)
        assert (ended.status, ended.attempt) == ("interrupted", 0)


@pytest.fixture
async def deadly(path: Path) -> Run:
    """A run that took three processes down with it, each time after its first events; another
    one waits behind it."""
    doors = Doors(1)
    async with stage(path, {"agent": doors.graph}, drain=0) as at:
        live = await at.start("agent", {"log": ["a"]}, await at.thread())
        await doors.arrival()
        left = await crashed(at, path)
    for suffix in ("", "-wal"):
        shutil.copy(f"{left}{suffix}", f"{path}{suffix}")
    async with server_tables(path) as tables:
        await tables.write(lambda db: rewrite_runs(db, crashes="2"))
    return live.run


async def events_of(at: Stage, run: Run) -> list[Event]:
    found = await find_run(at, run.thread_id, run.run_id)  # type: ignore[arg-type]
    assert found.log is not None
    async with found.log.read() as events:
        return list(await events.batch())


async def test_a_run_is_given_up_when_it_crashed_too_often_and_the_next_one_runs(
    path: Path, deadly: Run
) -> None:
    async with stage(path, SERVED) as at:
        following = await at.end("agent", {"topic": "b"}, deadly.thread_id)
        assert following.run.status == "success"
        lost = await at.runs.get(deadly.thread_id, deadly.run_id)
        assert lost.status == "error"
        assert "died 3 times" in lost.error["message"]
        answer = await Endings(at.tables, at.graphs, at.threads).of(lost)
        assert orjson.loads(answer) == {"__error__": lost.error}


async def test_the_log_of_a_run_that_was_given_up_says_so_once(path: Path, deadly: Run) -> None:
    async with stage(path, SERVED) as at:
        events = await events_of(at, deadly)
        assert [event.id for event in events] == list(range(1, len(events) + 1))
        *before, last = events
        assert isinstance(last, RunFailed)
        assert "died 3 times" in last.message
        assert not any(isinstance(event, RunFailed | RunFinished) for event in before)
    # killed again, before its row was written
    async with server_tables(path) as tables:
        await tables.write(
            lambda db: rewrite_runs(db, status="'pending'", error="NULL", crashes="3")
        )
    async with stage(path, SERVED) as at:
        again = await at.runs.get(deadly.thread_id, deadly.run_id)
        assert (again.status, again.attempt) == ("error", 1)
        assert await events_of(at, deadly) == events


async def test_readers_of_a_run_that_was_given_up_end_with_its_error(
    path: Path, deadly: Run
) -> None:
    async with stage(path, SERVED) as at:
        past = await find_run(at, deadly.thread_id, deadly.run_id)  # type: ignore[arg-type]
        whole = await frames_from(past, after=0)
        assert [frame.name for frame in whole] == ["metadata", "values", "error"]
        ids = [frame.id for frame in whole if frame.id is not None]
        assert ids == sorted(set(ids))
        for frame in whole[:-1]:
            rest = await frames_from(past, after=frame.id)
            assert rest == whole[whole.index(frame) + 1 :]
        assert [frame.name for frame in await frames_from(past, after=None)] == ["error"]


async def test_a_session_on_its_thread_hears_that_it_failed(path: Path, deadly: Run) -> None:
    wanted = Filter(frozenset({"lifecycle"}))
    async with stage(path, SERVED) as at:
        notices = ThreadNotices(at, deadly.thread_id, wanted.shows)  # type: ignore[arg-type]
        told = [(await anext(notices))["params"]["data"] for _ in range(2)]
        notices.close()
    assert [each["event"] for each in told] == ["running", "failed"]
    assert "died 3 times" in told[1]["error"]


async def frames_from(past: LiveRun | PastRun, after: int | None) -> list[Frame]:
    look = Look(modes=["values"], after=after, from_now=after is None)
    return frames_in(b"".join([piece async for piece in RunReader(past, look)]))


async def test_a_run_that_had_ended_before_the_last_crash_is_not_given_up(path: Path) -> None:
    async with stage(path, SERVED) as at:
        thread = await at.thread()
        live = await at.end("agent", {"topic": "a"}, thread)
        await at.tables.write(
            lambda db: (
                rewrite_runs(db, status="'running'", crashes="2"),
                mark_thread(db, thread, status="busy", now=0.0),
            )
        )
    async with stage(path, SERVED) as at:
        run = await at.runs.get(thread, live.run.run_id)
        assert (run.status, run.error) == ("success", None)


async def test_a_rollback_that_was_cut_short_is_finished(path: Path) -> None:
    async with stage(path, SERVED) as at:
        thread = await at.thread()
        await at.end("agent", {"topic": "kept"}, thread)
        undone = await at.end("agent", {"topic": "undone"}, thread)
        await at.tables.write(
            lambda db: (
                rewrite_runs(db, f"id = '{undone.run.run_id}'", status="'rollback'"),
                mark_thread(db, thread, status="busy", now=0.0),
            )
        )
    async with stage(path, SERVED) as at:
        left = await at.threads.get(thread)
        assert (left.status, left.values["topic"]) == ("idle", "kept and cats")
        (only,) = await at.runs.list(thread)
        assert only.run_id != undone.run.run_id
        assert await at.saver.events.last(undone.run.run_id) == 0


async def test_a_thread_whose_cancelled_run_did_not_live_to_settle_is_not_busy_for_ever(
    path: Path,
) -> None:
    async with stage(path, SERVED) as at:
        thread = await at.thread()
        run = replace(at.order("agent", {"topic": "a"}, thread), status="interrupted", attempt=1)
        await store(at, run)
    async with stage(path, SERVED) as at:
        assert (await at.threads.get(thread)).status == "idle"
        assert (await at.runs.get(thread, run.run_id)).status == "interrupted"


@pytest.mark.parametrize("pause", ["interrupt", "before", "after"])
async def test_a_run_that_had_paused_before_the_crash_does_not_ask_again(
    path: Path, pause: str
) -> None:
    doors = Doors()
    doors.open()
    options = {} if pause == "interrupt" else {f"interrupt_{pause}": ["step2"]}
    served = {"steps": doors.graph, "hitl": graphs.hitl}
    graph = "hitl" if pause == "interrupt" else "steps"
    async with stage(path, served) as at:
        thread = await at.thread()
        live = await at.end(graph, {"text": "a", "log": []}, thread, **options)
        shown = await at.threads.get(thread)
        events = await at.saver.events.last(live.run.run_id)
        await at.tables.write(
            lambda db: (
                rewrite_runs(db, status="'running'"),
                db.execute("DELETE FROM server_answer"),
                mark_thread(db, thread, status="busy", now=0.0),
            )
        )
    async with stage(path, served) as at:
        (ended,) = await finished(at, thread)
        assert ended.status == "success"
        assert await at.saver.events.last(ended.run_id) == events
        left = await at.threads.get(thread)
        assert (left.status, left.interrupts) == ("interrupted", shown.interrupts)
        assert await Endings(at.tables, at.graphs, at.threads).of(ended) == live.answer


@pytest.mark.parametrize(("graph", "status"), [("agent", "success"), ("fail", "error")])
async def test_a_run_whose_log_says_that_it_has_ended_does_not_run_again(
    path: Path, graph: str, status: str
) -> None:
    async with stage(path, SERVED) as at:
        thread = await at.thread()
        run = (await at.end(graph, {"topic": "a"}, thread)).run
        events = await at.saver.events.last(run.run_id)
        await at.tables.write(
            lambda db: (
                rewrite_runs(db, status="'running'", error="NULL"),
                mark_thread(db, thread, status="busy", now=0.0),
            )
        )
    async with stage(path, SERVED) as at:
        (ended,) = await finished(at, thread)
        assert ended.status == status
        assert ended.error == run.error
        assert await at.saver.events.last(run.run_id) == events
        assert (await at.threads.get(thread)).status == ("idle" if graph == "agent" else "error")


async def test_a_delayed_run_keeps_its_time(path: Path) -> None:
    async with stage(path, SERVED) as at:
        thread = await at.thread()
        await at.start("agent", {"topic": "a"}, thread, after_seconds=1000)
        soon = await at.start("agent", {"topic": "b"}, thread, after_seconds=0.2)
    async with stage(path, SERVED) as at:
        live = at.dispatcher.live(soon.run.run_id)
        if live is not None:
            await live.settled()
        assert [run.status for run in await at.runs.list(thread)] == ["success", "pending"]


async def test_a_graph_that_is_gone_fails_its_runs_and_nothing_else(path: Path) -> None:
    async with stage(path, SERVED) as at:
        thread = await at.thread()
        await store(at, at.order("agent", {"topic": "a"}, thread))
    async with stage(path, {"fail": graphs.fail}) as at:
        (ended,) = await finished(at, thread)
        assert ended.status == "error"
        assert (await at.threads.get(thread)).status == "error"


# --- a shutdown -----------------------------------------------------------------------------------


async def test_a_drain_stops_after_the_step_and_the_next_process_goes_on_there(path: Path) -> None:
    doors = Doors()
    async with stage(path, {"steps": doors.graph}, drain=30) as at:
        thread = await at.thread()
        running = await at.start("steps", {"log": []}, thread)
        waiting = await at.start("steps", {"log": []}, thread)
        await doors.arrival()
        draining = asyncio.create_task(at.dispatcher.drain())
        await asyncio.sleep(0)
        await at.tables.write(lambda db: None)  # behind what the drain writes first
        await asyncio.sleep(0)
        doors.open()
        await draining
    assert (running.run.status, waiting.run.status) == ("pending", "pending")
    assert doors.arrived == 0
    async with stage(path, {"steps": doors.graph}) as at:
        first, second = await finished(at, thread)
        assert (first.status, first.attempt) == ("success", 2)
        assert (second.status, second.attempt) == ("success", 1)
        log = (await at.threads.get(thread)).values["log"]
        assert log == ["step1", "step2", "step3"] * 2


async def test_a_step_that_outlives_the_drain_is_cancelled_and_runs_again(path: Path) -> None:
    doors = Doors()
    async with stage(path, {"steps": doors.graph}, drain=0.05) as at:
        thread = await at.thread()
        await at.start("steps", {"log": []}, thread)
        await doors.arrival()
        stateless = await at.start("steps", {"log": []})
        await doors.arrival()
    assert stateless.run.status == "error"
    assert "shut down" in said(stateless)["__error__"]["message"]
    doors.open()
    async with stage(path, {"steps": doors.graph}) as at:
        (ended,) = await finished(at, thread)
        assert (ended.status, ended.attempt) == ("success", 2)
        assert (await at.threads.get(thread)).values["log"] == ["step1", "step2", "step3"]


async def test_shutdowns_are_no_crashes(path: Path) -> None:
    doors = Doors()
    async with stage(path, {"steps": doors.graph}, drain=0.05) as at:
        thread = await at.thread()
        await at.start("steps", {"log": []}, thread)
        await doors.arrival()
    for _ in range(5):
        async with stage(path, {"steps": doors.graph}, drain=0.05):
            await doors.arrival()
    doors.open()
    async with stage(path, {"steps": doors.graph}) as at:
        (ended,) = await finished(at, thread)
        assert (ended.status, ended.attempt) == ("success", 7)


# --- processes that are killed --------------------------------------------------------------------


async def joined(client: LangGraphClient, thread: str, run: str) -> dict[str, Any]:
    found: Any = await client.runs.join(thread, run)
    return found


async def test_a_killed_servers_runs_go_on_where_they_were(path: Path, gate: Gate) -> None:
    async with ServerProcess(path) as server, server.client() as client:
        thread = (await client.threads.create())["thread_id"]
        done = await client.runs.create(thread, "agent", input={"topic": "done"})
        await joined(client, thread, done["run_id"])
        given = {"gate": gate.address, "log": []}
        running = await client.runs.create(thread, "slow", input=given)
        waiting = await client.runs.create(thread, "slow", input=given)
        assert await gate.arrival() == "step1"
        gate.let_on()
        assert await gate.arrival() == "step2"
        await server.kill()
        await server.restart()
        assert await gate.arrival() == "step2"
        gate.open()
        values = await joined(client, thread, running["run_id"])
        steps = [f"step{number}" for number in range(1, 6)]
        assert values["log"] == steps
        assert (await joined(client, thread, waiting["run_id"]))["log"] == steps * 2
        runs = await client.runs.list(thread)
        assert [run["status"] for run in runs] == ["success"] * 3
        with sqlite3.connect(path) as db:
            attempts = dict(db.execute("SELECT id, attempt FROM server_run").fetchall())
        db.close()
        assert [attempts[run["run_id"]] for run in (done, running, waiting)] == [1, 2, 1]


async def test_what_was_cancelled_before_the_kill_stays_so(path: Path, gate: Gate) -> None:
    async with ServerProcess(path) as server, server.client() as client:
        threads = [(await client.threads.create())["thread_id"] for _ in range(2)]
        given = {"gate": gate.address, "log": []}
        runs = [await client.runs.create(each, "slow", input=given) for each in threads]
        for _ in runs:
            await gate.arrival()
        for thread, run, action in zip(threads, runs, ("interrupt", "rollback"), strict=True):
            await client.runs.cancel(thread, run["run_id"], action=action)
        await server.kill()
        await server.restart()
        (shown,) = await client.runs.list(threads[0])
        assert shown["status"] == "interrupted"
        assert await client.runs.list(threads[1]) == []
        statuses = [(await client.threads.get(each))["status"] for each in threads]
        assert statuses == ["interrupted", "idle"]
        assert (await client.threads.get_state(threads[1]))["values"] == {}


DEADLY = """
import os
from typing import TypedDict
from actors import START, StateGraph

class State(TypedDict, total=False):
    n: int

def die(state: State) -> State:
    os._exit(9)

def live(state: State) -> State:
    return {"n": 1}

deadly = StateGraph(State).add_node(die).add_edge(START, "die").compile()
good = StateGraph(State).add_node(live).add_edge(START, "live").compile()
"""


async def test_a_run_that_kills_the_process_three_times_is_an_error(
    path: Path, tmp_path: Path
) -> None:
    (tmp_path / "deadly.py").write_text(DEADLY)
    served = {"deadly": "./deadly.py:deadly", "good": "./deadly.py:good"}
    config = tmp_path / "langgraph.json"
    config.write_text(json.dumps({"graphs": served}))
    async with ServerProcess(path, config=config) as server, server.client() as client:
        thread = (await client.threads.create())["thread_id"]
        later = (await client.threads.create())["thread_id"]
        good = await client.runs.create(later, "good", input={}, after_seconds=2)
        deadly = await client.runs.create(thread, "deadly", input={"n": 0})
        await server.ended()
        for _ in range(2):  # it may be gone before it has said that it listens
            try:
                await server.restart()
            except RuntimeError:
                continue
            finally:
                await server.ended()
        await server.restart()
        lost = await client.runs.get(thread, deadly["run_id"])
        assert lost["status"] == "error"
        answer = await client.runs.join(thread, deadly["run_id"])
        assert "died 3 times" in answer["__error__"]["message"]
        assert await joined(client, later, good["run_id"]) == {"n": 1}


async def test_a_terminated_server_leaves_its_runs_to_the_next_one(path: Path, gate: Gate) -> None:
    async with ServerProcess(path, drain="0.2") as server, server.client() as client:
        thread = (await client.threads.create())["thread_id"]
        given = {"gate": gate.address, "log": []}
        run = await client.runs.create(thread, "slow", input=given)
        assert await gate.arrival() == "step1"
        gate.let_on()
        assert await gate.arrival() == "step2"
        assert await server.stop() == 0
        await server.restart()
        assert await gate.arrival() == "step2"
        gate.open()
        values = await joined(client, thread, run["run_id"])
        assert values["log"] == [f"step{number}" for number in range(1, 6)]


# --- copies of a database as a crash leaves it ---------------------------------------------------


class Review(TypedDict, total=False):
    text: str
    log: Annotated[list[str], operator.add]


def review(doors: Doors) -> Any:
    """Asks, then stands at a door inside the node that has the answer, then at another one."""

    async def ask(state: Review) -> Review:
        answer = interrupt("ok?")
        await doors.pass_by("ask")
        return {"log": [f"asked: {answer}"]}

    async def after(state: Review) -> Review:
        await doors.pass_by("after")
        return {"log": ["after"]}

    builder = StateGraph(Review).add_node(ask).add_node(after)
    return builder.add_edge(START, "ask").add_edge("ask", "after").compile()


@pytest.mark.parametrize("door", ["ask", "after"])
async def test_an_answer_that_was_given_before_the_crash_is_not_lost(path: Path, door: str) -> None:
    doors = Doors()
    async with stage(path, {"review": review(doors)}, drain=0) as at:
        thread = await at.thread()
        await at.end("review", {"text": "a"}, thread)
        await at.start("review", None, thread, command={"resume": "yes"})
        while await doors.arrival() != door:
            doors.let_on()
        left = await crashed(at, path)
    doors.open()
    async with stage(left, {"review": review(doors)}) as at:
        _, resumed = await finished(at, thread)
        assert (resumed.status, resumed.attempt, resumed.error) == ("success", 2, None)
        assert (await at.threads.get(thread)).values["log"] == ["asked: yes", "after"]


async def test_an_update_that_came_with_the_run_is_made_once(path: Path) -> None:
    doors = Doors()
    async with stage(path, {"review": review(doors)}, drain=0) as at:
        thread = await at.thread()
        await at.end("review", {"text": "a"}, thread)
        command = {"resume": "yes", "update": {"log": ["update"]}}
        await at.start("review", None, thread, command=command)
        await doors.arrival()
        doors.let_on()
        await doors.arrival()
        left = await crashed(at, path)
    doors.open()
    async with stage(left, {"review": review(doors)}) as at:
        _, resumed = await finished(at, thread)
        assert resumed.status == "success"
        log = (await at.threads.get(thread)).values["log"]
        assert sorted(log) == ["after", "asked: yes", "update"]


async def test_a_fork_from_an_older_checkpoint_goes_on_from_where_it_was(path: Path) -> None:
    doors = Doors()
    async with stage(path, {"steps": doors.graph}, drain=0) as at:
        thread = await at.thread()
        doors.open()
        await at.end("steps", {"log": ["first"]}, thread)
        for _ in range(3):
            await doors.arrival()
        doors.shut()
        async with at.graphs.open("steps") as graph:
            config = {"configurable": {"thread_id": thread}}
            history = [state async for state in graph.aget_state_history(config)]
        old = next(state for state in history if state.next == ("step2",))
        checkpoint = old.config["configurable"]["checkpoint_id"]
        await at.start("steps", None, thread, checkpoint_id=checkpoint)
        assert await doors.arrival() == "step2"
        doors.let_on()
        assert await doors.arrival() == "step3"
        left = await crashed(at, path)
    doors.open()
    async with stage(left, {"steps": doors.graph}) as at:
        assert (await finished(at, thread))[-1].status == "success"
        assert await doors.arrival() == "step3"
        log = (await at.threads.get(thread)).values["log"]
        assert log == ["first", "step1", "step2", "step3"]


async def test_a_background_run_without_a_thread_begins_anew_after_a_crash(path: Path) -> None:
    doors = Doors()
    async with stage(path, {"steps": doors.graph}, drain=0) as at:
        live = await at.dispatcher.accept_background(at.order("steps", {"log": ["in"]}))
        await doors.arrival()
        left = await crashed(at, path)
    async with stage(left, {"steps": doors.graph}) as at:
        again = at.dispatcher.live(live.run.run_id)
        doors.open()
        await again.settled()
        assert said(again) == {"log": ["in", "step1", "step2", "step3"]}
        assert await at.runs.find(None, live.run.run_id) is None
