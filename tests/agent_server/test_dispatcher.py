"""Runs on real parts: taken, started at their turn, ended, and what is stored of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from actors import START, StateGraph, StateUpdate
from agent_server.errors import ConflictError, InvalidError, NotFoundError, OverloadedError
from agent_server.live import LiveRun
from agent_server.states import NEWEST, States
from tests.agent_server.harness import graphs
from tests.agent_server.stage import Doors, Stage, said, stage, unknown


class Odd(dict[str, Any]):
    """A value that nothing can store."""


async def fail_late(state: graphs.Story) -> graphs.Story:
    raise OSError("/secret/path is gone")


secret = StateGraph(graphs.Story).add_node(fail_late).add_edge(START, "fail_late").compile()


@pytest.fixture
def doors() -> Doors:
    return Doors()


@pytest.fixture
async def at(tmp_path: Path, doors: Doors) -> AsyncIterator[Stage]:
    served = {
        "agent": graphs.agent,
        "fail": graphs.fail,
        "secret": secret,
        "hitl": graphs.hitl,
        "steps": doors.graph,
    }
    async with stage(tmp_path / "server.db", served, max_runs=8, drain=0.5) as parts:
        yield parts


async def one_at_work_and_one_waiting(at: Stage, doors: Doors) -> tuple[str, LiveRun, LiveRun]:
    """A thread, a run that is in its second step there, and one that comes after it."""
    thread = await at.thread()
    first = await at.start("steps", {"log": ["first"]}, thread)
    waiting = await at.start("steps", {"log": ["never"]}, thread)
    await doors.arrival()
    doors.let_on()
    await doors.arrival()
    return thread, first, waiting


async def test_a_stateless_run_gives_its_values_and_leaves_nothing(at: Stage) -> None:
    live = await at.end("agent", {"topic": "x"})
    assert live.run.status == "success"
    assert said(live) == {"topic": "x and cats", "joke": "This is a joke about x and cats"}
    assert await at.runs.find(None, live.run.run_id) is None
    assert await at.saver.athreads() == []
    assert said(at.dispatcher.ended.get(live.run.run_id)) == said(live)


async def test_a_run_on_a_thread_is_stored_with_the_thread_before_it_is_accepted(
    at: Stage, doors: Doors
) -> None:
    thread = await at.thread()
    live = await at.start("steps", {"log": ["in"]}, thread)
    row = await at.runs.get(thread, live.run.run_id)
    assert (row.status, row.attempt, row.order.input) == ("running", 1, {"log": ["in"]})
    busy = await at.threads.get(thread)
    assert busy.status == "busy"
    assert busy.metadata == {"graph_id": "steps", "assistant_id": "assistant of steps"}
    doors.open()
    await live.settled()
    idle = await at.threads.get(thread)
    assert (idle.status, idle.values) == ("idle", {"log": ["in", "step1", "step2", "step3"]})
    assert (await at.runs.get(thread, live.run.run_id)).status == "success"


async def test_a_background_run_without_a_thread_has_a_row_while_it_is_open(
    at: Stage, doors: Doors
) -> None:
    live = await at.dispatcher.accept_background(at.order("steps", {"log": []}))
    row = await at.runs.get(live.run.thread_id, live.run.run_id)
    assert row.stateless
    doors.open()
    await live.settled()
    assert said(live) == {"log": ["step1", "step2", "step3"]}
    assert await at.runs.find(None, live.run.run_id) is None


async def test_a_background_run_is_on_the_disk_when_it_is_accepted(tmp_path: Path) -> None:
    points: list[str] = []
    async with stage(tmp_path / "server.db", {"agent": graphs.agent}, faults=points.append) as at:
        order = at.order("agent", {"topic": "x"}, await at.thread(), after_seconds=3600)
        points.clear()
        await at.dispatcher.accept_background(order)
        assert "synced" in points[points.index("tables committed") :]


async def test_a_kept_run_without_a_thread_makes_one(at: Stage) -> None:
    live = await at.end("agent", {"topic": "k"}, on_completion="keep")
    thread = await at.threads.get(live.run.thread_id)
    assert thread.values == said(live)
    assert [run.run_id for run in await at.runs.list(thread.thread_id)] == [live.run.run_id]


async def test_a_thread_that_is_not_there_is_refused_or_made(at: Stage) -> None:
    thread = unknown()
    with pytest.raises(NotFoundError, match="Thread or assistant not found"):
        await at.start("agent", {"topic": "x"}, thread)
    assert at.dispatcher.stats().pending == 0
    order = at.order("agent", {"topic": "x"}, thread)
    live = await at.dispatcher.accept(order, if_not_exists="create")
    await live.settled()
    assert (await at.threads.get(thread)).status == "idle"


async def test_what_a_node_raises_is_the_error_of_run_and_thread(at: Stage) -> None:
    thread = await at.thread()
    live = await at.end("fail", {"topic": "x"}, thread)
    error = {"error": "ValueError", "message": "boom: x"}
    assert said(live) == {"__error__": error}
    row = await at.runs.get(thread, live.run.run_id)
    assert (row.status, row.error) == ("error", error)
    left = await at.threads.get(thread)
    assert (left.status, left.error, left.values) == ("error", error, {"topic": "x", "joke": "pre"})


async def test_errors_that_may_tell_of_the_machine_keep_their_message(at: Stage) -> None:
    live = await at.end("secret", {"topic": "x"})
    assert live.run.error == {"error": "OSError", "message": "An internal error occurred"}


async def test_a_run_that_cannot_begin_fails_with_the_reason(at: Stage) -> None:
    thread = await at.thread()
    live = await at.end("agent", {"topic": "x"}, thread, interrupt_before=["nobody"])
    assert live.run.status == "error"
    assert "Interrupt node `nobody` not found" in live.run.error["message"]
    assert live.log is None
    assert (await at.threads.get(thread)).status == "error"


async def test_a_question_makes_the_thread_wait_and_its_answer_goes_on(at: Stage) -> None:
    thread = await at.thread()
    asked = await at.end("hitl", {"text": "a"}, thread)
    assert asked.run.status == "success"
    (question,) = said(asked)["__interrupt__"]
    assert question["value"] == {"question": "ok?", "text": "a!"}
    waiting = await at.threads.get(thread)
    assert (waiting.status, waiting.values) == ("interrupted", {"text": "a!"})
    ((shown,),) = waiting.interrupts.values()
    assert shown["id"] == question["id"]
    answered = await at.end("hitl", None, thread, command={"resume": "yes"})
    assert said(answered) == {"text": "a! done", "approved": "yes"}
    assert (await at.threads.get(thread)).interrupts == {}


async def test_a_break_is_gone_past_with_no_input(at: Stage) -> None:
    thread = await at.thread()
    stopped = await at.end("agent", {"topic": "a"}, thread, interrupt_before=["generate_joke"])
    assert (stopped.run.status, said(stopped)) == ("success", {"topic": "a and cats"})
    assert (await at.threads.get(thread)).status == "interrupted"
    assert said(await at.end("agent", None, thread))["joke"].endswith("a and cats")


async def test_a_run_may_start_from_an_older_checkpoint(at: Stage) -> None:
    thread = await at.thread()
    await at.end("agent", {"topic": "a"}, thread)
    async with at.graphs.open("agent") as graph:
        config = {"configurable": {"thread_id": thread}}
        history = [state async for state in graph.aget_state_history(config)]
    before_joke = next(state for state in history if state.next == ("generate_joke",))
    old = before_joke.config["configurable"]["checkpoint_id"]
    forked = await at.end("agent", None, thread, checkpoint_id=old)
    assert said(forked)["joke"] == "This is a joke about a and cats"


async def test_durability_exit_leaves_one_checkpoint(at: Stage) -> None:
    thread = await at.thread()
    await at.end("agent", {"topic": "a"}, thread, durability="exit")
    (info,) = await at.saver.athreads()
    assert info.checkpoints == 1


async def test_the_recursion_limit_of_the_config_holds(at: Stage) -> None:
    live = await at.end("agent", {"topic": "a"}, config={"recursion_limit": 1})
    assert live.run.error["error"] == "GraphRecursionError"


async def test_runs_of_a_thread_run_one_after_the_other_in_order(at: Stage, doors: Doors) -> None:
    thread = await at.thread()
    lives = [await at.start("steps", {"log": [name]}, thread) for name in ("a", "b", "c")]
    assert [run.status for run in await at.runs.list(thread)] == ["pending", "pending", "running"]
    assert await doors.arrival() == "step1"
    assert doors.arrived == 0
    doors.open()
    for live in lives:
        await live.settled()
    ran = ["step1", "step2", "step3"]
    assert said(lives[-1]) == {"log": ["a", *ran, "b", *ran, "c", *ran]}
    assert [run.attempt for run in await at.runs.list(thread)] == [1, 1, 1]


async def test_the_thread_is_busy_until_its_last_run_has_ended(at: Stage, doors: Doors) -> None:
    thread = await at.thread()
    first = await at.start("steps", {"log": []}, thread)
    second = await at.start("steps", {"log": []}, thread)
    for _ in range(3):
        await doors.arrival()
        doors.let_on()
    await first.settled()
    assert (await at.threads.get(thread)).status == "busy"
    doors.open()
    await second.settled()
    assert (await at.threads.get(thread)).status == "idle"


async def test_a_slow_run_holds_up_no_other_thread(at: Stage, doors: Doors) -> None:
    slow = await at.start("steps", {"log": []}, await at.thread())
    await doors.arrival()
    quick = await at.end("agent", {"topic": "x"}, await at.thread())
    assert (quick.run.status, slow.is_settled) == ("success", False)
    doors.open()


async def test_reject_is_refused_on_a_busy_thread_and_changes_nothing(
    at: Stage, doors: Doors
) -> None:
    thread = await at.thread()
    first = await at.start("steps", {"log": []}, thread)
    with pytest.raises(ConflictError, match="already running a task"):
        await at.start("steps", {"log": []}, thread, multitask_strategy="reject")
    assert [run.run_id for run in await at.runs.list(thread)] == [first.run.run_id]
    doors.open()
    await first.settled()
    assert said(await at.end("agent", {"topic": "x"}, thread, multitask_strategy="reject"))


async def test_interrupt_stops_the_others_and_goes_on_from_what_they_have_done(
    at: Stage, doors: Doors
) -> None:
    thread, first, waiting = await one_at_work_and_one_waiting(at, doors)
    second = await at.start("steps", {"log": ["second"]}, thread, multitask_strategy="interrupt")
    assert (await at.runs.get(thread, first.run.run_id)).status == "interrupted"
    doors.open()
    await second.settled()
    assert said(second)["log"] == ["first", "step1", "second", "step1", "step2", "step3"]
    assert (first.run.status, waiting.run.status) == ("interrupted", "interrupted")
    statuses = [run.status for run in await at.runs.list(thread)]
    assert statuses == ["success", "interrupted", "interrupted"]
    assert (await at.threads.get(thread)).error is None


async def test_rollback_undoes_the_others_and_goes_on_from_before_them(
    at: Stage, doors: Doors
) -> None:
    thread = await at.thread()
    await at.end("agent", {"topic": "x"}, await at.thread())
    first = await at.start("steps", {"log": ["first"]}, thread)
    waiting = await at.start("steps", {"log": ["never"]}, thread)
    await doors.arrival()
    doors.let_on()
    await doors.arrival()
    second = await at.start("steps", {"log": ["second"]}, thread, multitask_strategy="rollback")
    for gone in (first, waiting):
        with pytest.raises(NotFoundError):
            await at.runs.get(thread, gone.run.run_id)
    doors.open()
    await second.settled()
    assert said(second)["log"] == ["second", "step1", "step2", "step3"]
    assert [run.run_id for run in await at.runs.list(thread)] == [second.run.run_id]
    assert at.dispatcher.live(first.run.run_id) is None
    assert await at.saver.events.last(first.run.run_id) == 0


async def test_a_run_that_is_being_interrupted_keeps_what_it_has_done_when_a_rollback_comes(
    at: Stage, doors: Doors
) -> None:
    thread, first, waiting = await one_at_work_and_one_waiting(at, doors)
    second, third = await asyncio.gather(
        at.start("steps", {"log": ["second"]}, thread, multitask_strategy="interrupt"),
        at.start("steps", {"log": ["third"]}, thread, multitask_strategy="rollback"),
    )
    doors.open()
    await third.settled()
    assert said(third)["log"] == ["first", "step1", "third", "step1", "step2", "step3"]
    assert (first.run.status, waiting.run.status) == ("interrupted", "interrupted")
    runs = [run.run_id for run in await at.runs.list(thread)]
    assert second.run.run_id not in runs
    assert {first.run.run_id, third.run.run_id} <= set(runs)


async def test_a_delayed_run_starts_when_it_is_due_and_holds_up_nobody(at: Stage) -> None:
    thread = await at.thread()
    delayed = await at.start("agent", {"topic": "later"}, thread, after_seconds=0.2)
    assert (await at.runs.get(thread, delayed.run.run_id)).status == "pending"
    at_once = await at.end("agent", {"topic": "now"}, thread)
    assert not delayed.is_settled
    await delayed.settled()
    order = [run.run_id for run in await at.runs.list(thread)]
    assert order == [at_once.run.run_id, delayed.run.run_id]
    assert (await at.threads.get(thread)).values["topic"] == "later and cats"


async def test_more_runs_than_allowed_are_refused(at: Stage, doors: Doors) -> None:
    lives = [await at.start("steps", {"log": []}) for _ in range(8)]
    with pytest.raises(OverloadedError, match="8 runs wait or run here"):
        await at.start("agent", {"topic": "x"})
    assert at.dispatcher.stats().running == 8
    doors.open()
    for live in lives:
        await live.settled()
    assert (await at.end("agent", {"topic": "x"})).run.status == "success"


async def test_a_webhook_to_a_private_address_is_refused_before_anything_is_stored(
    at: Stage,
) -> None:
    thread = await at.thread()
    for url in ("http://127.0.0.1/x", "http://localhost/x", "http://[::1]/", "http://10.0.0.1"):
        with pytest.raises(InvalidError, match="private address"):
            await at.start("agent", {"topic": "x"}, thread, webhook=url)
    assert await at.runs.list(thread) == []


async def test_who_asked_may_be_gone_before_the_run_is_stored(at: Stage) -> None:
    thread = await at.thread()
    asking = asyncio.create_task(at.start("agent", {"topic": "x"}, thread))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    (job,) = list(at.dispatcher._register)
    await job.live.settled()
    (run,) = await at.runs.list(thread)
    assert run.status == "success"


async def test_context_and_configurable_reach_the_nodes(tmp_path: Path) -> None:
    def tell(state: graphs.Story, config: Any) -> graphs.Story:
        given = config["configurable"]
        wanted = ("thread_id", "run_id", "graph_id", "assistant_id", "mine")
        return {"joke": " ".join(str(given[name]) for name in wanted)}

    tells = StateGraph(graphs.Story).add_node(tell).add_edge(START, "tell").compile()
    async with stage(tmp_path / "server.db", {"tells": tells}) as at:
        thread = await at.thread()
        sneaky = {"mine": "m", "thread_id": "other", "run_id": "other"}
        live = await at.end("tells", {}, thread, config={"configurable": sneaky})
        expected = f"{thread} {live.run.run_id} tells assistant of tells m"
        assert said(live) == {"joke": expected}


async def test_values_that_cannot_be_stored_fail_the_run_and_not_the_server(tmp_path: Path) -> None:
    def give(state: graphs.Story) -> Any:
        return {"joke": object()}

    gives = StateGraph(graphs.Story).add_node(give).add_edge(START, "give").compile()
    async with stage(tmp_path / "server.db", {"gives": gives, "agent": graphs.agent}) as at:
        thread = await at.thread()
        live = await at.end("gives", {"topic": "x"}, thread)
        assert live.run.status == "error"
        assert (await at.runs.get(thread, live.run.run_id)).status == "error"
        assert (await at.end("agent", {"topic": "x"}, thread)).run.status == "success"


async def test_a_deleted_run_is_gone_with_its_events(at: Stage, doors: Doors) -> None:
    thread = await at.thread()
    ended = await at.end("agent", {"topic": "x"}, thread)
    assert await at.saver.events.last(ended.run.run_id) > 0
    running = await at.start("steps", {"log": []}, thread)
    await doors.arrival()
    for live in (ended, running):
        await at.dispatcher.delete(thread, live.run.run_id)
        assert await at.runs.find(thread, live.run.run_id) is None
        assert await at.saver.events.last(live.run.run_id) == 0
        assert at.dispatcher.live(live.run.run_id) is None
    assert running.run.status == "interrupted"
    with pytest.raises(NotFoundError):
        await at.dispatcher.delete(thread, ended.run.run_id)
    assert (await at.threads.get(thread)).status == "interrupted"


async def test_what_waiting_runs_were_given_is_bounded_in_bytes(
    tmp_path: Path, doors: Doors
) -> None:
    large = {"log": ["x" * 100_000]}
    served = {"steps": doors.graph}
    async with stage(tmp_path / "server.db", served, queue_bytes=1_000_000) as at:
        thread = await at.thread()
        taken = list[LiveRun]()
        for _ in range(10):
            taken.append(await at.start("steps", large, thread))
        with pytest.raises(OverloadedError, match=r"were given 1\d{6} bytes"):
            await at.start("steps", large, thread)
        with pytest.raises(OverloadedError):  # nor without a thread
            await at.start("steps", {"log": []})
        await at.dispatcher.cancel(thread, [taken[-1].run.run_id], "interrupt", wait=True)
        taken[-1] = await at.start("steps", {"log": []}, thread)
        doors.open()
        for each in taken:
            assert (await each.settled()).status == "success"
        assert at.dispatcher._register.size == 0


# --- several who ask at once -------------------------------------------------------------------


async def test_a_run_that_comes_to_nothing_is_in_nobodys_way(at: Stage) -> None:
    thread = unknown()
    found = await asyncio.gather(
        at.start("agent", {"topic": "x"}, thread),
        at.start("agent", {"topic": "x"}, thread, multitask_strategy="reject"),
        return_exceptions=True,
    )
    assert [type(each) for each in found] == [NotFoundError, NotFoundError]


async def test_who_is_rejected_can_see_what_is_in_the_way(at: Stage, doors: Doors) -> None:
    thread = await at.thread()
    first = asyncio.create_task(at.start("steps", {"log": []}, thread))
    await asyncio.sleep(0)
    with pytest.raises(ConflictError, match="already running a task"):
        await at.start("steps", {"log": []}, thread, multitask_strategy="reject")
    assert (await at.threads.get(thread)).status == "busy"
    doors.open()
    await (await first).settled()


async def test_no_run_begins_while_somebody_has_its_thread_alone(at: Stage, doors: Doors) -> None:
    thread = await at.thread()
    async with at.dispatcher.alone(thread):
        live = await at.start("steps", {"log": []}, thread)
        other = await at.start("steps", {"log": []}, await at.thread())
        await doors.arrival()  # of the other one
        assert (await at.runs.get(thread, live.run.run_id)).status == "pending"
    await doors.arrival()
    doors.open()
    await other.settled()
    await live.settled()
    assert live.run.status == "success"


async def test_an_update_waits_until_nobody_has_its_thread_alone(at: Stage, doors: Doors) -> None:
    """So the row shows the newest state, whoever else updates or runs the thread."""
    doors.open()
    thread = await at.thread()
    await at.end("steps", {"log": []}, thread)
    states = States(at.threads, at.graphs, at.dispatcher)
    update = [[StateUpdate({"log": ["updated"]}, "step3")]]
    async with at.dispatcher.alone(thread):
        updating = asyncio.create_task(states.update(thread, NEWEST, update))
        for _ in range(20):  # more than an update asks of the database
            await at.tables.write(lambda _: None)
        assert not updating.done()
    await updating
    assert (await at.threads.get(thread)).values["log"][-2:] == ["step3", "updated"]


async def test_a_run_that_is_cancelled_before_its_turn_does_not_say_how_the_thread_stands(
    at: Stage, doors: Doors
) -> None:
    """What it could say is how the run that is at work stands at that moment."""
    thread, first, waiting = await one_at_work_and_one_waiting(at, doors)
    await at.dispatcher.cancel(thread, [waiting.run.run_id], "interrupt", wait=True)
    found = await at.threads.get(thread)
    assert (found.status, found.values) == ("busy", None)
    doors.open()
    await first.settled()
    found = await at.threads.get(thread)
    assert (found.status, found.values["log"]) == ("idle", ["first", "step1", "step2", "step3"])
