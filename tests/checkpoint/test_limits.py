"""What callers of administration may ask for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from checkpoint import InvalidArgumentError, InvalidLimitError
from checkpoint.limits import checked_limit, checked_timeout, ids_of, keep_of
from checkpoint.prune import Keep

NOW = 1_700_000_000.0
MOMENT = datetime.fromtimestamp(NOW, UTC)


def test_the_latest_is_kept_unless_more_is_asked_for() -> None:
    assert keep_of("keep_latest", None, None, NOW) == Keep(1, None)
    assert keep_of("keep_latest", 7, None, NOW) == Keep(7, None)


def test_deleting_keeps_nothing() -> None:
    assert keep_of("delete", None, None, NOW) is None


@pytest.mark.parametrize(
    "older_than",
    [
        90,
        90.0,
        timedelta(minutes=1.5),
        MOMENT - timedelta(seconds=90),
        (MOMENT - timedelta(seconds=90)).astimezone(timezone(timedelta(hours=-7))),
    ],
)
def test_a_time_may_be_given_in_many_ways(older_than: Any) -> None:
    assert keep_of("keep_latest", None, older_than, NOW) == Keep(1, NOW - 90)


@pytest.mark.parametrize("keep_last", [0, -1, True, False, 2.0, "2", [2]])
def test_a_number_to_keep_that_cannot_be_is_refused(keep_last: Any) -> None:
    with pytest.raises(InvalidLimitError, match=r"keep_last=.*at least 1"):
        keep_of("keep_latest", keep_last, None, NOW)


@pytest.mark.parametrize("older_than", [0, -5, timedelta(0), MOMENT, MOMENT + timedelta(days=1)])
def test_a_time_that_has_not_passed_is_refused(older_than: Any) -> None:
    with pytest.raises(InvalidLimitError, match="everything is older"):
        keep_of("keep_latest", None, older_than, NOW)


@pytest.mark.parametrize("older_than", [True, "1d", float("nan"), float("inf"), b"1", [1], 10**400])
def test_what_is_no_time_is_refused(older_than: Any) -> None:
    with pytest.raises(InvalidLimitError, match="is no time"):
        keep_of("keep_latest", None, older_than, NOW)


def test_a_moment_without_a_time_zone_is_refused() -> None:
    with pytest.raises(InvalidLimitError, match="time zone"):
        keep_of("keep_latest", None, MOMENT.replace(tzinfo=None), NOW)


def test_an_unknown_strategy_and_a_contradiction_are_refused() -> None:
    strategy: Any = "keep_some"
    with pytest.raises(InvalidLimitError, match=r"'keep_some'.*'keep_latest', 'delete'"):
        keep_of(strategy, None, None, NOW)
    with pytest.raises(InvalidLimitError, match="keeps nothing"):
        keep_of("delete", 3, None, NOW)
    with pytest.raises(InvalidLimitError, match="keeps nothing"):
        keep_of("delete", None, 3, NOW)


def test_ids_are_sorted_and_each_stands_once() -> None:
    assert ids_of("run_ids", ["b", "a", "b"]) == ("a", "b")
    assert ids_of("run_ids", iter(())) == ()
    assert ids_of("thread_ids", ["a", ""]) == ("", "a"), "runs take the empty text for a name, too"


@pytest.mark.parametrize("ids", ["abc", b"abc", ["a", None], [1], 5, ["\ud800"]])
def test_what_is_no_list_of_ids_is_refused(ids: Any) -> None:
    with pytest.raises(InvalidArgumentError, match=r"run_ids=.*nothing was changed"):
        ids_of("run_ids", ids)


def test_numbers_of_threads_and_seconds_are_checked() -> None:
    assert [checked_limit(good) for good in (None, 0, 3)] == [None, 0, 3]
    assert [checked_timeout(good) for good in (0, 1.5)] == [0, 1.5]
    bad: Any
    for bad in (-1, True, 1.5, "1"):
        with pytest.raises(InvalidLimitError, match="limit="):
            checked_limit(bad)
    for bad in (-1, True, "1", None, float("nan"), float("inf"), 10**400):
        with pytest.raises(InvalidLimitError, match="timeout="):
            checked_timeout(bad)
