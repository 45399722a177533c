"""When a cron fires: five fields of the usual form, in a time zone."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from croniter import CroniterError, croniter

from .errors import InvalidError

_FIELDS = (5, 6)
"""minute hour day month weekday, and perhaps second."""
_NAMED = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_LONGEST = 500
_RANDOM = re.compile(r"(?<![A-Za-z])[HhRr](?![A-Za-z])")
"""croniter's words for "some time": they would mean another one with each look."""


@lru_cache(maxsize=1000)
def zone_of(name: str) -> ZoneInfo:
    """The time zone.  Raises InvalidError for a name that is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):  # unknown, or no name at all
        raise InvalidError(
            f"Invalid timezone: {name!r}. Give a name of the IANA time zones, like 'Europe/Berlin'"
        ) from None


def check_schedule(schedule: str) -> None:
    """Raises InvalidError for what is no schedule."""
    meant = _spelled_out(schedule)
    fields = meant.split() if len(meant) <= _LONGEST else ()
    if len(fields) not in _FIELDS or _RANDOM.search(meant) or not croniter.is_valid(meant):
        raise InvalidError(
            f"Invalid cron schedule: {schedule[:_LONGEST]!r}. Give minute, hour, day of the month, "
            "month and day of the week, like '*/5 * * * *' for every five minutes"
        )


def _spelled_out(schedule: str) -> str:
    """The fields that a name stands for; any other schedule as it is."""
    return _NAMED.get(schedule.strip().lower(), schedule)


def next_after(schedule: str, timezone: str | None, moment: float) -> float | None:
    """The first moment after this one at which it fires; None: never again.

    Seconds since the epoch; without a time zone it is UTC.  A time that the clocks leave out in
    spring fires when they have been set.  Of an hour that they show twice in autumn, schedules that
    name hours mean the first.
    Raises InvalidError for what is no schedule or no time zone.
    """
    zone = zone_of(timezone or "UTC")
    check_schedule(schedule)
    meant = _spelled_out(schedule)
    hourly = meant.split()[1].startswith("*")
    times = croniter(meant, datetime.fromtimestamp(moment, UTC).astimezone(zone))
    while True:
        try:
            found = times.get_next(datetime).timestamp()
        except CroniterError:  # valid, but no day is like that: the 30th of February
            return None
        if hourly or not _again(found, zone):
            return found


def _again(moment: float, zone: ZoneInfo) -> bool:
    """True if the clocks show this time for the second time."""
    return datetime.fromtimestamp(moment, UTC).astimezone(zone).fold == 1
