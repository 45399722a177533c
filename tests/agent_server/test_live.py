"""What requests see of a run that this process has accepted."""

from __future__ import annotations

import asyncio

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
    live.settle("error", {"__error__": {}}, {"error": "E", "message": "m"})
    ends = [await each for each in waiting]
    assert {end.status for end in ends} == {"error"}
    assert ends[0].error == {"error": "E", "message": "m"}


async def test_one_that_ends_before_it_began_has_no_events() -> None:
    live = live_run()
    waiting = asyncio.create_task(live.begun())
    await asyncio.sleep(0)
    live.settle("interrupted", {})
    assert await waiting is None


async def test_one_that_is_suspended_is_over_for_this_process_only() -> None:
    live = live_run()
    live.suspend()
    run = await live.settled()
    assert (live.is_settled, run.ended, run.status) == (True, False, "pending")
