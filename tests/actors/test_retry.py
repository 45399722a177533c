"""Whether and when a node that raised runs again."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from actors import GraphDrained, NodeCancelledError, NodeTimeoutError, RetryPolicy
from actors.errors import GraphInterrupt, InvalidUpdateError, ParentCommand
from actors.retry import default_retry_on, retry_delay
from actors.values import Command


def never() -> float:
    raise AssertionError("the dice were thrown")


def plain(**fields: Any) -> RetryPolicy:
    return RetryPolicy(jitter=False, **{"retry_on": Exception, **fields})


def test_each_wait_is_so_many_times_the_last_up_to_the_longest() -> None:
    policy = plain(initial_interval=1, backoff_factor=3, max_interval=10, max_attempts=6)
    waits = [retry_delay([policy], ValueError(), failures, never) for failures in range(1, 7)]
    assert waits == [1, 3, 9, 10, 10, None]


def test_jitter_adds_what_the_dice_say() -> None:
    policy = RetryPolicy(initial_interval=2, retry_on=Exception)
    assert retry_delay([policy], ValueError(), 1, lambda: 0.25) == 2.25
    assert retry_delay([policy], ValueError(), 2, lambda: 0.75) == 4.75


def test_the_longest_wait_bounds_the_growth_and_not_the_jitter() -> None:
    policy = RetryPolicy(initial_interval=5, max_interval=1, retry_on=Exception)
    assert retry_delay([policy], ValueError(), 1, lambda: 0.5) == 1.5


def test_growth_beyond_all_numbers_is_the_longest_wait() -> None:
    policy = plain(backoff_factor=1e300, max_interval=7, max_attempts=100)
    assert retry_delay([policy], ValueError(), 50, never) == 7
    still = plain(initial_interval=0, backoff_factor=1e300, max_attempts=100)
    assert retry_delay([still], ValueError(), 50, never) == 0


def test_one_attempt_is_no_retry() -> None:
    assert retry_delay([plain(max_attempts=1)], ValueError(), 1, never) is None


def test_without_a_policy_nothing_runs_again() -> None:
    assert retry_delay((), ConnectionError(), 1, never) is None


def test_the_first_policy_that_covers_the_error_decides() -> None:
    policies = [
        plain(retry_on=KeyError, initial_interval=1),
        plain(retry_on=LookupError, initial_interval=2, max_attempts=2),
        plain(retry_on=Exception, initial_interval=3),
    ]
    assert retry_delay(policies, KeyError(), 1, never) == 1
    assert retry_delay(policies, IndexError(), 1, never) == 2
    assert retry_delay(policies, IndexError(), 2, never) is None
    assert retry_delay(policies, ValueError(), 1, never) == 3


@pytest.mark.parametrize(
    ("retry_on", "error", "again"),
    [
        (KeyError, KeyError(), True),
        (LookupError, KeyError(), True),
        (KeyError, ValueError(), False),
        ((KeyError, ValueError), ValueError(), True),
        ([KeyError, OSError], ValueError(), False),
        ([], ValueError(), False),
        (lambda error: "again" in str(error), ValueError("again"), True),
        (lambda error: "again" in str(error), ValueError("never"), False),
        (lambda error: 1, ValueError(), True),
    ],
)
def test_classes_lists_and_functions_say_what_is_covered(
    retry_on: Any, error: Exception, again: bool
) -> None:
    assert (retry_delay([plain(retry_on=retry_on)], error, 1, never) is not None) is again


def test_an_error_of_the_function_that_is_asked_comes_out() -> None:
    def asked(error: Exception) -> bool:
        raise RuntimeError("the condition is wrong")

    with pytest.raises(RuntimeError, match="the condition is wrong"):
        retry_delay([plain(retry_on=asked)], ValueError(), 1, never)


@pytest.mark.parametrize(
    "signal",
    [
        GraphInterrupt(),
        GraphDrained("shutdown"),
        ParentCommand(Command(graph=Command.PARENT)),
        NodeCancelledError("a"),
        KeyboardInterrupt(),
        SystemExit(),
    ],
)
def test_what_is_no_failure_never_runs_again(signal: BaseException) -> None:
    def asked(error: Exception) -> bool:
        raise AssertionError("it was asked about")

    assert retry_delay([plain(retry_on=BaseException)], signal, 1, never) is None
    assert retry_delay([plain(retry_on=asked)], signal, 1, never) is None


class OwnError(Exception):
    """An error of the user's own."""


def status(code: int) -> httpx.HTTPStatusError:
    request = httpx.Request("GET", "http://localhost")
    return httpx.HTTPStatusError("no", request=request, response=httpx.Response(code))


@pytest.mark.parametrize(
    "error",
    [
        ConnectionError(),
        ConnectionResetError(),
        BrokenPipeError(),
        OwnError(),
        InvalidUpdateError(),
        NodeTimeoutError("a", 1.0, kind="run", run_timeout=1.0),
        AssertionError(),
        EOFError(),
        status(500),
        status(503),
    ],
)
def test_what_may_go_well_the_next_time_is_tried_again_by_default(error: Exception) -> None:
    assert default_retry_on(error) is True


@pytest.mark.parametrize(
    "error",
    [
        ValueError(),
        TypeError(),
        ZeroDivisionError(),
        ImportError(),
        KeyError(),
        NameError(),
        SyntaxError(),
        RuntimeError(),
        RecursionError(),
        NotImplementedError(),
        ReferenceError(),
        StopIteration(),
        StopAsyncIteration(),
        OSError(),
        TimeoutError(),
        FileNotFoundError(),
        status(404),
        status(400),
        status(301),
    ],
)
def test_what_would_only_be_raised_again_is_not_tried_again_by_default(error: Exception) -> None:
    assert default_retry_on(error) is False
