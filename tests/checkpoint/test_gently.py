"""Long reads leave the interpreter to others now and then, short ones do not."""

from __future__ import annotations

from checkpoint.gently import AT_ONCE, PAUSE, gently


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += 20 * seconds  # on a busy machine


def test_all_rows_come_in_order_and_none_before_it_is_asked_for() -> None:
    asked = list[int]()
    rows = gently(asked.append(n) or n for n in range(3))
    assert (next(rows), asked) == (0, [0])
    assert list(rows) == [1, 2]
    assert list(gently([])) == []


def test_a_read_that_takes_long_pauses_each_time_it_has_worked_for_so_long() -> None:
    clock, work = Clock(), list[int]()
    for n in gently(range(10), clock=clock, sleep=clock.sleep):
        clock.now += AT_ONCE * 0.4
        work.append(len(clock.slept))
        assert n == len(work) - 1
    assert work == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3], "a pause is no work"
    assert clock.slept == [PAUSE] * 3


def test_a_short_read_does_not_pause() -> None:
    clock = Clock()
    for _ in gently(range(10), clock=clock, sleep=clock.sleep):
        clock.now += AT_ONCE / 20
    assert clock.slept == []
