"""SIGKILL while others wait, while a state is updated, again and again, and without durability."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from checkpoint import SqliteSaver
from tests.faults.crashes import DOORS, Crashes
from tests.faults.forks import KILLED, ForkServer
from tests.faults.witness import Received, Reference, points_of
from tests.faults.work import INPUT, Effects, build, message

CONFIG: Any = {"configurable": {"thread_id": "thread"}}
AT_ONCE = 10.0
"""Seconds, on a busy machine; who waited for a timeout would wait for thirty."""


@pytest.fixture
def job(tmp_path: Path) -> dict[str, Any]:
    return {
        "path": tmp_path / "threads.db",
        "effects": tmp_path / "effects",
        "thread": "thread",
        "durability": "async",
    }


@pytest.fixture
def later(job: dict[str, Any]) -> Iterator[Effects]:
    """The effects of what the test's own process runs, as attempt 2."""
    effects = Effects(job["effects"], 2)
    yield effects
    effects.close()


def test_a_process_that_waits_takes_over_at_once_from_one_that_was_killed(
    server: ForkServer, job: dict[str, Any], reference: Reference
) -> None:
    owner = server.start("run", input=INPUT, attempt=1, hang_at="2/work 1", **job)
    finished = {"2/work 0", "2/work 2", "2/left", "2/right"}
    while not finished <= Received(owner.lines).tasks:
        assert owner.listen(lines=len(owner.lines) + 1)
    waiting = server.start("takeover", attempt=2, **job)
    assert waiting.listen(lines=1)
    assert waiting.listen(lines=2, seconds=0.1), "it waits while the owner lives"
    assert waiting.lines == ["waiting"]
    killed = time.monotonic()
    assert owner.kill() == KILLED
    assert waiting.end() == 0
    assert time.monotonic() - killed < AT_ONCE
    assert waiting.lines[-1] == reference.final
    counts = Effects.read(job["effects"])
    assert set(counts[1]) & set(counts[2]) == {"2/work 1"}
    assert counts[1] + counts[2] == Counter([*reference.tasks, "2/work 1"])


def test_two_that_wait_take_turns_when_the_owner_is_killed(
    server: ForkServer, job: dict[str, Any], reference: Reference
) -> None:
    owner = server.start("run", input=INPUT, attempt=1, hang_at="1/work 1", **job)
    assert owner.listen(lines=2)
    others = [server.start("takeover", attempt=n, **job) for n in (2, 3)]
    for other in others:
        assert other.listen(lines=1)
    assert owner.kill() == KILLED
    assert [other.end() for other in others] == [0, 0]
    assert [other.lines[-1] for other in others] == [reference.final] * 2
    counts = Effects.read(job["effects"])
    assert sorted(len(counts.get(n, ())) > 0 for n in (2, 3)) == [False, True]


def test_whoever_contends_for_a_thread_goes_on_rightly_when_one_is_killed_at_random(
    server: ForkServer, tmp_path: Path, job: dict[str, Any], reference: Reference
) -> None:
    moments = Crashes(server, tmp_path, reference).measured("contended", durability="async")
    kills = 0
    for number in range(10):
        job |= {"thread": f"thread {number}", "effects": tmp_path / f"{number}.effects"}
        first = server.start("run", input=INPUT, attempt=1, **job)
        if not first.listen(lines=1):  # the thread is the first one's
            pytest.fail("the first process ended")
        second = server.start("takeover", attempt=2, **job)
        moments.await_one(first)
        kills += first.kill() == KILLED
        assert second.end() == 0
        assert second.lines[-1] == reference.final
        counts = Effects.read(job["effects"])
        one, two = (counts.get(attempt, Counter[str]()) for attempt in (1, 2))
        assert set(one.values()) | set(two.values()) <= {1}
        assert one.keys() | two.keys() == reference.tasks
        assert Received(first.lines).tasks.isdisjoint(two)
    print(f"\n{kills} owners killed")
    assert kills > 0


def test_a_process_on_another_thread_of_the_file_does_not_notice_that_one_was_killed(
    server: ForkServer, tmp_path: Path, job: dict[str, Any], reference: Reference
) -> None:
    moments = Crashes(server, tmp_path, reference).measured("beside", durability="async")
    kills = 0
    for number in range(10):
        names = [f"killed {number}", f"beside {number}"]
        jobs = [job | {"thread": name, "effects": tmp_path / name} for name in names]
        killed, beside = (server.start("run", input=INPUT, attempt=1, **j) for j in jobs)
        moments.await_one(killed)
        kills += killed.kill() == KILLED
        assert beside.end() == 0
        received = Received(beside.lines)
        assert received.ended
        assert received.values[-1] == reference.final
        assert set(Effects.read(tmp_path / names[1])[1].values()) == {1}
    print(f"\n{kills} killed beside another")
    assert kills > 0


@pytest.mark.parametrize("door", DOORS)
def test_a_thread_that_is_killed_again_and_again_gets_to_its_end(
    door: str, server: ForkServer, job: dict[str, Any], reference: Reference
) -> None:
    dice = random.Random(door)
    seen: set[str] = set()
    attempt, value, received = 0, INPUT, Received([])
    while not received.ended:
        attempt += 1
        child = server.start(door, input=value, attempt=attempt, **job)
        # More than is told of what is there already: the state, and the step's kept updates.
        child.listen(lines=dice.randrange(4, 14))
        child.kill()
        received = Received(child.lines)
        value = None if received.lines else value
        counts = Effects.read(job["effects"]).get(attempt, Counter())
        assert seen.isdisjoint(counts), "an update that was seen does not run again"
        assert set(counts.values()) <= {1}
        seen |= received.tasks
    print(f"\n{door}: {attempt - 1} kills on the way")
    assert attempt > 3
    total = sum(Effects.read(job["effects"]).values(), Counter[str]())
    assert set(total) == reference.tasks
    with SqliteSaver(job["path"]) as saver:
        effects = Effects(job["effects"], 0)
        assert points_of(build(effects, saver), CONFIG) == reference.points
        effects.close()


def test_an_update_that_was_confirmed_survives_and_no_half_of_one_is_left(
    server: ForkServer, job: dict[str, Any], later: Effects
) -> None:
    dice, confirmed, kills = random.Random("update"), 0, 0
    with SqliteSaver(job["path"]) as saver:
        build(later, saver).invoke(INPUT, CONFIG)
    for _ in range(12):
        child = server.start("update", attempt=1, **job)
        child.listen(lines=dice.randrange(1, 8))
        child.listen(lines=1_000, seconds=dice.uniform(0, 0.004))
        kills += child.kill() == KILLED
        with SqliteSaver(job["path"]) as saver:
            graph = build(later, saver)
            state = graph.get_state(CONFIG)
            log = [entry["key"] for entry in state.values["log"] if "update" in entry["key"]]
            new = log[confirmed:]
            assert new == [f"update {number}" for number in range(1, len(new) + 1)]
            assert len(new) - len(child.lines) in {0, 1}
            assert state.values["total"] == len(new)
            assert state.next == ()
            confirmed = len(log)
            steps = [step for step, _, _ in points_of(graph, CONFIG)]
            assert steps == list(range(-1, len(steps) - 1))
    print(f"\n{kills} kills, {confirmed} updates")
    assert kills == 12


@pytest.mark.parametrize("door", DOORS)
def test_without_durability_a_killed_run_leaves_the_state_before_it(
    door: str,
    server: ForkServer,
    tmp_path: Path,
    job: dict[str, Any],
    later: Effects,
    reference: Reference,
) -> None:
    crashes = Crashes(server, tmp_path, reference)
    moments = crashes.measured(f"exit {door}", durability="exit")
    kills = 0
    for number in range(10):
        job |= {"thread": f"thread {number}", "durability": "exit"}
        config: Any = {"configurable": {"thread_id": job["thread"]}}
        with SqliteSaver(job["path"]) as saver:
            graph = build(later, saver)
            before = {"log": [message("before")], "round": 0, "total": 7}
            graph.update_state(config, before, as_node="inner")
            points, state = points_of(graph, config), graph.get_state(config)
        assert state.next == ("plan",)
        child = server.start(door, input=INPUT, attempt=1, **job)
        moments.await_one(child)
        killed = child.kill() == KILLED and not Received(child.lines).ended
        with SqliteSaver(job["path"]) as saver:
            graph = build(later, saver)
            left = points_of(graph, config)
            if killed and len(left) == len(points):  # not just after its one checkpoint
                kills += 1
                assert left == points
                assert graph.get_state(config) == state
                graph.invoke(INPUT, config, durability="exit")
            final = graph.get_state(config)
        assert final.next == ()
        assert final.values["log"] == [message("before"), *reference.final["log"]]
    print(f"\n{door}: {kills} kills before the end")
    assert kills > 0
