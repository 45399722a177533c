"""What requests see of a run that this process has accepted."""

from __future__ import annotations

import asyncio

from actors import END, START, ActorSystem, StateGraph
from agent_server.live import LiveRun
from agent_server.orders import RunBody, run_from
from tests.agent_server.stage import assistant_of


def live_run() -> LiveRun:
    body, assistant = RunBody(assistant_id="agent"), assistant_of("agent")
    return LiveRun(run_from(body, assistant, thread_id="thread", now=0.0))


async def test_all_who_wait_are_told_of_its_end() -> None:
    live = live_run()
    waiting = [asyncio.create_task(live.settled()) for _ in range(3)]
    await asyncio.sleep(0)
    assert not live.is_settled
    live.settle("error", b'{"__error__":{}}', {"error": "E", "message": "m"})
    ends = [await each for each in waiting]
    assert {end.status for end in ends} == {"error"}
    assert ends[0].error == {"error": "E", "message": "m"}


async def test_one_that_ends_before_it_began_has_no_events() -> None:
    live = live_run()
    waiting = asyncio.create_task(live.begun())
    await asyncio.sleep(0)
    live.settle("interrupted", b"{}")
    assert await waiting is None


async def test_one_that_is_suspended_is_over_for_this_process_only() -> None:
    live = live_run()
    live.suspend()
    run = await live.settled()
    assert (live.is_settled, run.ended, run.status) == (True, False, "pending")


async def test_an_ended_run_keeps_its_events_and_lets_go_of_what_it_ran_on() -> None:
    graph = StateGraph(dict).add_node("node", lambda state: {"a": 1})
    graph.add_edge(START, "node").add_edge("node", END)
    live = live_run()
    async with ActorSystem("test") as system:
        engine = await system.start(graph.compile(), {}, {}, stateless=True)
        live.begin(engine, 1)
        assert live.engine is engine
        await engine.ended()
        live.settle("success", b'{"a":1}')
    assert live.engine is None
    assert live.log is engine.log
    assert live.log.last > 0
