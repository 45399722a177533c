"""What becomes of runs that an earlier process left open."""

from __future__ import annotations

from dataclasses import replace

from agent_server.orders import RunBody, run_from
from agent_server.recovery import gave_up, recovery
from agent_server.run_rows import OpenRun, RowStatus
from tests.agent_server.stage import assistant_of


def left(status: RowStatus, crashes: int = 0) -> OpenRun:
    run = run_from(RunBody(assistant_id="a"), assistant_of("a"), thread_id="thread", now=0.0)
    shown = "running" if status == "rollback" else status
    return OpenRun(replace(run, status=shown), status, crashes)


def test_nothing_was_left() -> None:
    plan = recovery([], 3)
    assert (plan.crashed, plan.undone, plan.given_up, plan.going_on) == ((), (), (), ())


def test_what_waited_and_what_ran_goes_on_in_order_and_only_what_ran_has_crashed() -> None:
    running, waiting = left("running"), left("pending")
    plan = recovery([running, waiting], 3)
    assert plan.going_on == (running.run, waiting.run)
    assert plan.crashed == (running.run.run_id,)


def test_a_run_is_given_up_at_the_last_crash_that_is_allowed() -> None:
    twice, once, waiting = left("running", 2), left("running", 1), left("pending", 2)
    plan = recovery([twice, once, waiting], 3)
    assert plan.given_up == (twice.run,)
    assert plan.going_on == (once.run, waiting.run)


def test_what_was_being_undone_is_undone_and_does_not_go_on() -> None:
    undone = left("rollback")
    plan = recovery([undone], 3)
    assert (plan.undone, plan.going_on, plan.crashed) == ((undone.run,), (), ())


def test_a_run_that_is_given_up_says_why() -> None:
    assert "died 3 times" in gave_up(3)["message"]
