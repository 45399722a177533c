"""Measuring an attempt against its limits, with a clock that the test turns."""

from __future__ import annotations

import math

import pytest

from actors import TimeoutPolicy
from actors.timeouts import Stopwatch


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def watch_of(policy: TimeoutPolicy) -> tuple[Stopwatch, Clock]:
    clock = Clock()
    return Stopwatch(policy, clock), clock


def test_a_run_limit_counts_from_the_start_whatever_happens() -> None:
    watch, clock = watch_of(TimeoutPolicy(run_timeout=5))
    clock.now += 4
    watch.progress()
    watch.heartbeat()
    assert watch.left() == 1
    assert watch.exceeded() is None
    clock.now += 1
    assert watch.left() == 0
    assert watch.exceeded() == "run"
    assert watch.elapsed == 5


@pytest.mark.parametrize("sign", ["progress", "heartbeat"])
def test_an_idle_limit_counts_from_the_last_sign_of_progress(sign: str) -> None:
    watch, clock = watch_of(TimeoutPolicy(idle_timeout=5))
    clock.now += 4
    getattr(watch, sign)()
    clock.now += 4
    assert watch.exceeded() is None
    assert watch.left() == 1
    clock.now += 2
    assert watch.left() == -1
    assert watch.exceeded() == "idle"
    assert watch.elapsed == 10


def test_only_heartbeats_count_where_the_policy_says_so() -> None:
    watch, clock = watch_of(TimeoutPolicy(idle_timeout=5, refresh_on="heartbeat"))
    clock.now += 4
    watch.progress()
    assert watch.left() == 1
    watch.heartbeat()
    assert watch.left() == 5


@pytest.mark.parametrize(("run", "idle", "kind"), [(5, 3, "idle"), (3, 5, "run"), (4, 4, "run")])
def test_of_two_limits_the_one_that_is_passed_first_is_named(
    run: int, idle: int, kind: str
) -> None:
    watch, clock = watch_of(TimeoutPolicy(run_timeout=run, idle_timeout=idle))
    assert watch.left() == min(run, idle)
    clock.now += 10
    assert watch.exceeded() == kind


def test_a_limit_that_progress_has_moved_leaves_the_other() -> None:
    watch, clock = watch_of(TimeoutPolicy(run_timeout=5, idle_timeout=3))
    clock.now += 2.5
    watch.progress()
    clock.now += 2.5
    assert watch.exceeded() == "run"


def test_without_limits_there_is_all_the_time() -> None:
    watch, clock = watch_of(TimeoutPolicy())
    clock.now += 1e9
    assert watch.left() == math.inf
    assert watch.exceeded() is None
