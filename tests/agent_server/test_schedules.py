"""When a cron fires."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_server.errors import InvalidError
from agent_server.schedules import check_schedule, next_after, zone_of

BERLIN = "Europe/Berlin"


def times(schedule: str, timezone: str, begin: str, count: int) -> list[str]:
    """So many local times at which it fires, after a moment."""
    moment = datetime.fromisoformat(begin).timestamp()
    found: list[str] = []
    for _ in range(count):
        following = next_after(schedule, timezone, moment)
        assert following is not None
        assert following > moment
        moment = following
        found.append(datetime.fromtimestamp(moment, ZoneInfo(timezone)).isoformat())
    return found


def test_a_schedule_is_read_in_its_time_zone() -> None:
    assert times("0 9 * * 1", BERLIN, "2027-01-01T00:00:00+00:00", 2) == [
        "2027-01-04T09:00:00+01:00",
        "2027-01-11T09:00:00+01:00",
    ]
    assert times("0 0 1 1 *", "UTC", "2026-11-21T00:00:00+00:00", 1) == [
        "2027-01-01T00:00:00+00:00"
    ]


def test_it_never_fires_at_the_moment_it_is_asked_for() -> None:
    assert times("* * * * *", "UTC", "2027-01-01T00:00:00+00:00", 1) == [
        "2027-01-01T00:01:00+00:00"
    ]


def test_a_sixth_field_is_seconds() -> None:
    assert times("* * * * * */20", "UTC", "2027-01-01T00:00:50+00:00", 2) == [
        "2027-01-01T00:01:00+00:00",
        "2027-01-01T00:01:20+00:00",
    ]


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("@hourly", "2027-01-06T13:00:00+01:00"),
        ("@daily", "2027-01-07T00:00:00+01:00"),
        ("@midnight", "2027-01-07T00:00:00+01:00"),
        ("@weekly", "2027-01-10T00:00:00+01:00"),
        (" @Monthly ", "2027-02-01T00:00:00+01:00"),
        ("@yearly", "2028-01-01T00:00:00+01:00"),
        ("@annually", "2028-01-01T00:00:00+01:00"),
    ],
)
def test_usual_schedules_have_names(name: str, first: str) -> None:
    check_schedule(name)
    assert times(name, BERLIN, "2027-01-06T12:30:00+01:00", 1) == [first]


def test_a_time_that_the_clocks_leave_out_fires_when_they_are_set() -> None:
    assert times("30 2 * * *", BERLIN, "2027-03-27T00:00:00+01:00", 3) == [
        "2027-03-27T02:30:00+01:00",
        "2027-03-28T03:00:00+02:00",
        "2027-03-29T02:30:00+02:00",
    ]


def test_a_time_that_the_clocks_show_twice_fires_once() -> None:
    assert times("30 2 * * *", BERLIN, "2027-10-30T00:00:00+02:00", 3) == [
        "2027-10-30T02:30:00+02:00",
        "2027-10-31T02:30:00+02:00",
        "2027-11-01T02:30:00+01:00",
    ]


def test_what_fires_each_hour_fires_in_both_hours_that_look_alike() -> None:
    assert times("30 * * * *", BERLIN, "2027-10-31T01:00:00+02:00", 4) == [
        "2027-10-31T01:30:00+02:00",
        "2027-10-31T02:30:00+02:00",
        "2027-10-31T02:30:00+01:00",
        "2027-10-31T03:30:00+01:00",
    ]


def test_a_day_that_never_comes_never_fires() -> None:
    assert next_after("0 0 30 2 *", "UTC", 0.0) is None


@pytest.mark.parametrize(
    "schedule",
    [
        *("", "xx", "* * * *", "* * * * * * *", "61 * * * *", "0 0 * * MON#9", "@reboot"),
        *("R * * * *", "H * * * *", "* * * * *; ls", ",".join("0" * 600) + " * * * *"),
    ],
)
def test_what_is_no_schedule_is_refused_with_an_example(schedule: str) -> None:
    with pytest.raises(InvalidError, match="every five minutes"):
        check_schedule(schedule)
    with pytest.raises(InvalidError, match="Invalid cron schedule"):
        next_after(schedule, "UTC", 0.0)


@pytest.mark.parametrize(
    "name", ["", "Nope", "Europe", "../etc/passwd", "/etc/passwd", "a" * 500, "Europe/Berlin\0"]
)
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    with pytest.raises(InvalidError, match="Invalid timezone"):
        zone_of(name)


@given(st.text(alphabet="0123456789*/,-# LWRHMONJan?@", max_size=20), st.integers(0, 4_000_000_000))
def test_any_text_is_a_schedule_or_refused(schedule: str, moment: int) -> None:
    try:
        found = next_after(schedule, "UTC", moment)
    except InvalidError:
        return
    assert found is None or found > moment


@given(st.integers(0, 4_000_000_000), st.sampled_from([BERLIN, "America/St_Johns", "Pacific/Apia"]))
def test_times_follow_each_other_in_any_zone(moment: int, timezone: str) -> None:
    first = next_after("*/7 * * * *", timezone, moment)
    assert first is not None
    assert moment < first <= moment + 600
    assert datetime.fromtimestamp(first, UTC).second == 0
