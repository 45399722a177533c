"""Which runs a process knows, and for how long."""

from __future__ import annotations

from agent_server.lanes import Job
from agent_server.live import LiveRun
from agent_server.orders import RunBody, run_from
from agent_server.register import MAX_BYTES, MAX_ENDED, Register
from tests.agent_server.database import Clock
from tests.agent_server.stage import assistant_of


def job(thread_id: str = "thread") -> Job:
    body, assistant = RunBody(assistant_id="agent"), assistant_of("agent")
    run = run_from(body, assistant, thread_id=thread_id, now=0.0)
    return Job(LiveRun(run), row=True, begun=False)


def test_an_open_run_is_known_by_its_id_and_its_thread() -> None:
    register, one = Register(10.0, Clock()), job()
    register.add(one)
    register.lane("thread").add(one)
    assert register.live(one.run_id) is one.live
    assert register.job(one.run_id) is one
    assert register.jobs_of("thread") == [one]
    assert register.jobs_of("other") == []
    assert list(register) == [one]


def test_an_ended_run_is_no_job_and_known_until_the_retention_is_over() -> None:
    clock = Clock()
    register, one = Register(10.0, clock), job()
    register.add(one)
    register.remove(one, keep=True)
    assert (len(register), register.job(one.run_id)) == (0, None)
    assert register.live(one.run_id) is one.live
    clock.now += 11
    assert register.live(one.run_id) is None


def test_a_run_that_is_not_to_be_kept_is_not() -> None:
    register, one = Register(10.0, Clock()), job()
    register.add(one)
    register.remove(one, keep=False)
    assert register.live(one.run_id) is None


def test_only_so_many_ended_runs_are_known_and_the_newest_stay() -> None:
    register, jobs = Register(10.0, Clock()), [job() for _ in range(MAX_ENDED + 3)]
    for each in jobs:
        register.add(each)
        register.remove(each, keep=True)
    known = [register.live(each.run_id) is not None for each in jobs]
    assert known == [False] * 3 + [True] * MAX_ENDED


def test_only_so_much_is_held_in_memory_and_the_newest_stays() -> None:
    register, jobs = Register(10.0, Clock()), [job() for _ in range(4)]
    for each in jobs:
        each.live.settle("success", {"text": "x" * (MAX_BYTES // 3)})
        register.add(each)
        register.remove(each, keep=True)
    assert [register.live(each.run_id) is not None for each in jobs] == [False, False, True, True]


def test_a_lane_goes_with_its_last_run() -> None:
    register, one = Register(10.0, Clock()), job()
    register.add(one)
    register.lane("thread").add(one)
    one.state = "waiting"
    assert register.take("thread") is one
    register.remove(one, keep=False)
    assert register.take("thread") is None
    assert register._lanes == {}


def test_a_run_that_was_pulled_lets_the_others_pass() -> None:
    register, first, second = Register(10.0, Clock()), job(), job()
    for each in (first, second):
        each.state = "waiting"
        register.add(each)
        register.lane("thread").add(each)
    register.pull(first)
    assert register.take("thread") is second


def test_what_ended_on_a_deleted_thread_is_not_known_any_more() -> None:
    register, ended, opened, other = Register(10.0, Clock()), job(), job(), job("other")
    for each in (ended, opened, other):
        register.add(each)
    for each in (ended, other):
        register.remove(each, keep=True)
    register.forget_thread("thread")
    known = [register.live(each.run_id) for each in (ended, opened, other)]
    assert known == [None, opened.live, other.live]
