"""Policies as values: what they take, what they refuse, and the one form they are brought into."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any

import pytest

from actors import CachePolicy, GraphBuildError, NodeError, RetryPolicy, TimeoutPolicy
from actors.cache_keys import default_cache_key
from actors.policies import caching_of, limits_of, retries_of
from actors.retry import default_retry_on


def test_the_defaults_are_those_that_users_know() -> None:
    policy = RetryPolicy()
    assert policy.initial_interval == 0.5
    assert policy.backoff_factor == 2.0
    assert policy.max_interval == 128.0
    assert policy.max_attempts == 3
    assert policy.jitter is True
    assert policy.retry_on is default_retry_on
    assert CachePolicy() == CachePolicy(key_func=default_cache_key, ttl=None)
    assert TimeoutPolicy() == TimeoutPolicy(None, None, "auto")


@pytest.mark.parametrize(
    "fields",
    [
        {"initial_interval": -1},
        {"initial_interval": math.inf},
        {"initial_interval": math.nan},
        {"initial_interval": "1"},
        {"initial_interval": True},
        {"max_interval": -0.1},
        {"max_interval": None},
        {"backoff_factor": -2},
        {"backoff_factor": None},
        {"max_attempts": 0},
        {"max_attempts": -3},
        {"max_attempts": 2.0},
        {"max_attempts": True},
        {"retry_on": 5},
        {"retry_on": "ValueError"},
        {"retry_on": [ValueError, 5]},
        {"retry_on": int},
        {"retry_on": None},
    ],
)
def test_a_retry_policy_that_makes_no_sense_is_refused(fields: dict[str, Any]) -> None:
    (name, value) = next(iter(fields.items()))
    with pytest.raises(GraphBuildError, match=r"RetryPolicy\(") as refused:
        RetryPolicy(**fields)
    assert f"RetryPolicy({name}={value!r}) cannot be: " in str(refused.value)
    assert "; give " in str(refused.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"initial_interval": 0},
        {"max_interval": math.inf},
        {"max_interval": 0},
        {"backoff_factor": 1},
        {"max_attempts": 1},
        {"retry_on": ValueError},
        {"retry_on": (ValueError, KeyError)},
        {"retry_on": [OSError]},
        {"retry_on": []},
        {"retry_on": BaseException},
        {"retry_on": lambda error: True},
    ],
)
def test_the_edges_of_what_makes_sense_are_taken(fields: dict[str, Any]) -> None:
    policy = RetryPolicy(**fields)
    assert {name: getattr(policy, name) for name in fields} == fields


@pytest.mark.parametrize("ttl", [0, -1, math.inf, math.nan, "60", True])
def test_a_time_to_live_that_keeps_nothing_is_refused(ttl: Any) -> None:
    with pytest.raises(GraphBuildError, match=r"ttl=.*nothing is kept so long; give seconds"):
        CachePolicy(ttl=ttl)


def test_a_key_function_that_cannot_be_called_is_refused() -> None:
    with pytest.raises(GraphBuildError, match=r"CachePolicy\(key_func=5\) cannot be: it cannot be"):
        CachePolicy(key_func=5)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("field", ["run_timeout", "idle_timeout"])
@pytest.mark.parametrize(
    "value", [0, -1, math.inf, math.nan, "1", True, timedelta(0), timedelta(-1)]
)
def test_a_time_limit_that_leaves_no_time_is_refused(field: str, value: Any) -> None:
    with pytest.raises(GraphBuildError, match=f"{field} must be greater than 0: .*give seconds"):
        TimeoutPolicy(**{field: value})


def test_what_refreshes_a_limit_is_one_of_two_things() -> None:
    assert TimeoutPolicy(idle_timeout=1, refresh_on="heartbeat").refresh_on == "heartbeat"
    with pytest.raises(GraphBuildError, match=r"refresh_on='writes'\) cannot be: .*'auto' or"):
        TimeoutPolicy(idle_timeout=1, refresh_on="writes")  # pyright: ignore[reportArgumentType]


def test_times_are_seconds_whatever_they_were_given_as() -> None:
    policy = TimeoutPolicy(run_timeout=timedelta(minutes=2), idle_timeout=0.5)
    assert policy.run_seconds == 120.0
    assert policy.idle_seconds == 0.5
    assert TimeoutPolicy().run_seconds == math.inf
    assert TimeoutPolicy().idle_seconds == math.inf


def test_one_retry_policy_or_several_become_a_tuple() -> None:
    first, second = RetryPolicy(), RetryPolicy(max_attempts=9)
    assert retries_of(None, "Node 'a'") == ()
    assert retries_of(first, "Node 'a'") == (first,)
    assert retries_of([first, second], "Node 'a'") == (first, second)
    assert retries_of((), "Node 'a'") == ()


@pytest.mark.parametrize("given", [5, [5], "retry", [RetryPolicy(), None], {"max_attempts": 2}])
def test_what_is_no_retry_policy_is_refused_with_its_owner(given: Any) -> None:
    with pytest.raises(GraphBuildError, match=r"Node 'a' has retry_policy=.*give a RetryPolicy"):
        retries_of(given, "Node 'a'")


@pytest.mark.parametrize("given", [5, "x", CachePolicy, {}])
def test_what_is_no_cache_policy_is_refused_with_its_owner(given: Any) -> None:
    with pytest.raises(GraphBuildError, match=r"Node 'a' has cache_policy=.*give a CachePolicy"):
        caching_of(given, "Node 'a'")


def test_a_cache_policy_stays_as_it_is() -> None:
    policy = CachePolicy(ttl=5)
    assert caching_of(policy, "Node 'a'") is policy
    assert caching_of(None, "Node 'a'") is None


@pytest.mark.parametrize("given", [3, 3.0, timedelta(seconds=3), TimeoutPolicy(run_timeout=3)])
def test_seconds_and_timedeltas_limit_the_run_of_an_attempt(given: Any) -> None:
    policy = limits_of(given, "Node 'a'")
    assert policy is not None
    assert policy.run_seconds == 3.0
    assert policy.idle_timeout is None


def test_a_policy_that_limits_nothing_is_none() -> None:
    assert limits_of(None, "Node 'a'") is None
    assert limits_of(TimeoutPolicy(), "Node 'a'") is None


@pytest.mark.parametrize("given", ["3", True, [3], math.nan])
def test_what_is_no_time_is_refused_with_its_owner(given: Any) -> None:
    with pytest.raises(GraphBuildError, match=r"Node 'a' has timeout=.*give seconds, a timedelta"):
        limits_of(given, "Node 'a'")


def test_policies_are_equal_by_value_and_cannot_be_changed() -> None:
    assert RetryPolicy(max_attempts=2) == RetryPolicy(max_attempts=2)
    with pytest.raises(AttributeError):
        RetryPolicy().max_attempts = 9  # pyright: ignore[reportAttributeAccessIssue]


def test_a_node_error_names_the_node_and_holds_what_it_raised() -> None:
    error = ValueError("no")
    told = NodeError("answer", error)
    assert told.node == "answer"
    assert told.error is error
