"""How often something happens."""

from __future__ import annotations

from checkpoint.rate import SPAN, Rate


def noted(*moments: float) -> Rate:
    rate = Rate()
    for moment in moments:
        rate.note(moment)
    return rate


def test_a_rate_is_the_mean_of_the_whole_seconds_before_this_one() -> None:
    rate = noted(100.0, 100.9, 101.5, 109.99)
    assert rate.per_second(110.0) == 4 / SPAN
    assert rate.per_second(109.995) == 3 / SPAN  # the second that runs is not whole


def test_what_is_longer_ago_counts_no_more_but_in_the_total() -> None:
    rate = noted(100.0, 101.0, 105.0)
    assert [rate.per_second(now) for now in (110, 111, 112, 116)] == [0.3, 0.2, 0.1, 0.0]
    assert rate.total == 3


def test_a_place_is_taken_over_by_a_later_second() -> None:
    rate = noted(*[100.0] * 5, 100.0 + SPAN + 1)
    assert rate.per_second(100 + SPAN + 2) == 1 / SPAN
    assert rate.total == 6


def test_nothing_happened_yet() -> None:
    assert (Rate().per_second(0.0), Rate().total) == (0.0, 0)


def test_a_steady_rate_is_itself() -> None:
    rate = noted(*(second + part / 20 for second in range(50) for part in range(20)))
    assert rate.per_second(50.0) == 20
