"""What the dispatcher counts."""

from __future__ import annotations

from dataclasses import replace

from agent_server.lanes import Job
from agent_server.live import LiveRun
from agent_server.orders import RunBody, run_from
from agent_server.tally import Tally
from tests.agent_server.stage import assistant_of


def job(*, begun: bool = False, attempt: int = 0, delay: float | None = None) -> Job:
    body = RunBody(assistant_id="agent", after_seconds=delay)
    run = run_from(body, assistant_of("agent"), thread_id="thread", now=100.0)
    return Job(LiveRun(replace(run, attempt=attempt)), row=True, begun=begun)


def test_a_run_waits_from_its_asking_to_its_turn_and_runs_until_its_end() -> None:
    tally, one = Tally(), job()
    tally.began(one, 103.0)
    one.live.settle("success", b"{}")
    tally.over(one, 110.0)
    assert (tally.queue_seconds.total, tally.run_seconds.total) == (3.0, 7.0)
    assert tally.ended == {"success": 1}


def test_a_delay_is_no_waiting() -> None:
    tally = Tally()
    tally.began(job(delay=50.0), 151.0)
    assert tally.queue_seconds.total == 1.0


def test_another_attempt_after_a_crash_has_not_waited_since_the_run_was_asked_for() -> None:
    tally = Tally()
    tally.began(job(begun=False, attempt=1), 9_000.0)
    assert tally.queue_seconds.total == 0
    tally.began(job(begun=True, attempt=1), 101.0)
    assert tally.queue_seconds.total == 1.0


def test_one_that_never_had_its_turn_has_not_run() -> None:
    tally, one = Tally(), job()
    one.live.settle("interrupted", b"{}")
    tally.over(one, 110.0)
    assert (tally.ended["interrupted"], tally.run_seconds.total) == (1, 0)
