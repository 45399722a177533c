"""Which runs a process knows, and for how long."""

from __future__ import annotations

import pytest

from agent_server.ended import EndedRuns
from agent_server.lanes import Job
from agent_server.live import LiveRun
from agent_server.orders import RunBody, run_from
from agent_server.register import Register
from checkpoint import MsgpackSerializer
from tests.agent_server.database import Clock
from tests.agent_server.stage import assistant_of


def register_of() -> Register:
    return Register(
        EndedRuns(MsgpackSerializer(), retention=10.0, max_bytes=1 << 20, clock=Clock())
    )


def job(thread_id: str | None = "thread") -> Job:
    body, assistant = RunBody(assistant_id="agent"), assistant_of("agent")
    run = run_from(body, assistant, thread_id=thread_id, now=0.0)
    return Job(LiveRun(run), row=True, begun=False)


def test_an_open_run_is_known_by_its_id_and_its_thread() -> None:
    register, one = register_of(), job()
    register.add(one)
    register.lane("thread").add(one)
    assert register.live(one.run_id) is one.live
    assert register.job(one.run_id) is one
    assert register.jobs_of("thread") == [one]
    assert register.jobs_of("other") == []
    assert list(register) == [one]


def test_an_ended_run_is_no_job_any_more() -> None:
    register, one = register_of(), job()
    register.add(one)
    register.remove(one, keep=True)
    assert (len(register), register.job(one.run_id), register.live(one.run_id)) == (0, None, None)


@pytest.mark.parametrize(
    ("thread_id", "keep", "known"),
    [(None, True, True), (None, False, False), ("thread", True, False)],
)
def test_what_nobody_else_knows_of_an_ended_run_is_kept(
    thread_id: str | None, keep: bool, known: bool
) -> None:
    register, one = register_of(), job(thread_id)
    register.add(one)
    assert register.ended(one.run_id) is None
    one.live.settle("success", b"{}")
    register.remove(one, keep=keep)
    assert (register.ended(one.run_id) is not None) is known


def test_a_lane_goes_with_its_last_run() -> None:
    register, one = register_of(), job()
    register.add(one)
    register.lane("thread").add(one)
    one.state = "waiting"
    assert register.take("thread") is one
    register.remove(one, keep=False)
    assert register.take("thread") is None
    assert register._lanes == {}


def test_a_run_that_was_pulled_lets_the_others_pass() -> None:
    register, first, second = register_of(), job(), job()
    for each in (first, second):
        each.state = "waiting"
        register.add(each)
        register.lane("thread").add(each)
    register.pull(first)
    assert register.take("thread") is second


def test_a_run_is_known_by_what_it_has_instead_of_a_thread() -> None:
    register, one, other = register_of(), job(None), job(None)
    for each in (one, other):
        register.add(each)
    assert register.known_on(one.thread_id) == [one.live]
    one.live.settle("success", b"{}")
    register.remove(one, keep=True)
    (past,) = register.known_on(one.thread_id)
    assert past.run == one.live.run
    assert register.known_on("thread") == []
