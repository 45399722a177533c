"""The order in which a thread's runs have their turn."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent_server.lanes import Job, Lane
from agent_server.live import LiveRun
from agent_server.orders import RunBody, run_from
from tests.agent_server.stage import assistant_of


def job(*, stored: bool = True) -> Job:
    run = run_from(
        RunBody(assistant_id="agent"), assistant_of("agent"), thread_id="thread", now=0.0
    )
    made = Job(LiveRun(run), row=True, begun=False)
    made.state = "waiting" if stored else "storing"
    return made


def test_one_runs_and_the_others_follow_in_their_order() -> None:
    lane, first, second, third = Lane(), job(), job(), job()
    for each in (first, second, third):
        lane.add(each)
    assert lane.take() is first
    assert first.state == "running"
    assert lane.take() is None
    lane.drop(first)
    assert lane.take() is second
    lane.drop(second)
    assert lane.take() is third
    assert list(lane) == [third]


def test_nobody_overtakes_one_that_is_still_being_stored() -> None:
    lane, first, second = Lane(), job(stored=False), job()
    lane.add(first)
    lane.add(second)
    assert lane.take() is None
    first.state = "waiting"
    assert lane.take() is first


def test_a_delayed_one_waits_for_nobody_and_nobody_for_it() -> None:
    lane, later, now = Lane(), job(), job()
    lane.delay(later)
    assert lane.is_free
    lane.add(now)
    assert lane.take() is now
    lane.ripen(later)
    lane.ripen(later)
    lane.drop(now)
    assert lane.take() is later
    lane.drop(later)
    assert lane.is_empty


def test_one_that_was_dropped_does_not_ripen() -> None:
    lane, later = Lane(), job()
    lane.delay(later)
    lane.drop(later)
    lane.ripen(later)
    assert lane.is_empty


def test_a_job_may_be_stopped_once_and_not_when_it_is_over() -> None:
    waiting, over, stopped = job(), job(), job()
    over.state, stopped.stop = "settling", "interrupt"
    assert [each.may_stop for each in (waiting, over, stopped)] == [True, False, False]


@given(st.lists(st.sampled_from(["add", "take", "drop running", "drop first", "delay", "ripen"])))
def test_any_moves_keep_the_order_and_at_most_one_running(moves: list[str]) -> None:
    lane, added, delayed = Lane(), list[Job](), list[Job]()
    taken, dropped = list[Job](), set[Job]()
    for move in moves:
        if move == "add":
            added.append(job())
            lane.add(added[-1])
        elif move == "delay":
            delayed.append(job())
            lane.delay(delayed[-1])
        elif move == "ripen" and delayed:
            added.append(delayed.pop(0))
            lane.ripen(added[-1])
        elif move == "take" and (found := lane.take()) is not None:
            taken.append(found)
        elif move == "drop running" and taken:
            lane.drop(taken[-1])
            dropped.add(taken[-1])
        elif move == "drop first" and added:
            lane.drop(added[0])
            dropped.add(added[0])
        assert sum(each.state == "running" for each in lane) <= 1
    assert taken == [each for each in added if each in taken]
    assert set(lane) == {*added, *delayed} - dropped


def test_none_is_taken_while_somebody_holds_the_lane() -> None:
    lane, first = Lane(), job()
    lane.add(first)
    lane.holders += 1
    assert lane.take() is None
    assert (lane.is_free, lane.is_empty) == (False, False)
    lane.holders -= 1
    assert lane.take() is first


def test_only_another_one_that_has_its_turn_is_at_work_beside_a_job() -> None:
    lane, first, second = Lane(), job(), job()
    lane.add(first)
    lane.add(second)
    assert not lane.has_at_work(second)
    lane.take()
    assert lane.has_at_work(second)
    assert not lane.has_at_work(first)
    first.state = "settling"
    assert lane.has_at_work(second)
    lane.drop(first)
    assert not lane.has_at_work(second)
