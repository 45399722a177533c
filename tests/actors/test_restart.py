"""The budget and the back-off of restarts, with the time passed in."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import ConfigError
from actors.restart import RestartHistory, RestartPolicy


def test_the_delay_grows_by_the_factor_up_to_its_maximum() -> None:
    policy = RestartPolicy(budget=9, first_delay=0.1, factor=2.0, max_delay=1.0)
    assert [policy.delay(earlier) for earlier in range(6)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_the_first_delay_is_bounded_by_the_maximum_too() -> None:
    assert RestartPolicy(first_delay=10.0, max_delay=1.0).delay(0) == 1.0


@pytest.mark.parametrize("policy", [RestartPolicy(first_delay=0.0), RestartPolicy(factor=1.0)])
def test_a_delay_that_cannot_grow_is_found_at_once(policy: RestartPolicy) -> None:
    assert policy.delay(10**12) == policy.first_delay


def test_restarts_beyond_the_budget_are_refused() -> None:
    history = RestartHistory(RestartPolicy(budget=2, window=10.0))
    assert history.next_delay(0.0) is not None
    assert history.next_delay(1.0) is not None
    assert history.next_delay(2.0) is None


def test_restarts_older_than_the_window_do_not_count() -> None:
    history = RestartHistory(RestartPolicy(budget=2, window=10.0, first_delay=0.5))
    history.next_delay(0.0)
    history.next_delay(5.0)
    assert history.next_delay(10.0) == 1.0
    assert history.next_delay(11.0) is None
    assert history.next_delay(100.0) == 0.5


def test_a_budget_of_nothing_never_restarts() -> None:
    assert RestartHistory(RestartPolicy(budget=0)).next_delay(0.0) is None


def test_a_cleared_history_has_a_whole_budget() -> None:
    history = RestartHistory(RestartPolicy(budget=1))
    history.next_delay(0.0)
    history.clear()
    assert history.next_delay(0.0) is not None


@pytest.mark.parametrize(
    "values",
    [
        {"budget": -1},
        {"window": -0.1},
        {"first_delay": float("nan")},
        {"max_delay": -1},
        {"factor": 0.5},
    ],
)
def test_a_policy_that_cannot_be_is_refused_with_its_value(values: dict[str, Any]) -> None:
    ((name, value),) = values.items()
    with pytest.raises(ConfigError, match=f"{name}={value!r}"):
        RestartPolicy(**values)


@given(st.lists(st.floats(0, 100), max_size=60), st.integers(0, 5), st.floats(0.1, 50))
def test_no_window_ever_holds_more_restarts_than_the_budget(
    gaps: list[float], budget: int, window: float
) -> None:
    history = RestartHistory(RestartPolicy(budget=budget, window=window))
    now, granted = 0.0, list[float]()
    for gap in gaps:
        now += gap
        if history.next_delay(now) is not None:
            granted.append(now)
    for end in granted:
        assert sum(1 for time in granted if end - window < time <= end) <= budget
