"""What callers may ask administration for, checked before anything is looked at or changed."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, TypeAlias, cast, get_args

from .errors import InvalidArgumentError, InvalidLimitError

Strategy: TypeAlias = Literal["keep_latest", "delete"]
Age: TypeAlias = float | timedelta | datetime
"""Seconds or a timedelta before now, or a moment with its time zone."""

_GREATEST = sys.float_info.max


class Keep(NamedTuple):
    """How much of a group stays, beside its heads."""

    last: int = 1
    """The newest so many."""
    since: float | None = None
    """Those written then or later; seconds since the epoch."""


def keep_of(
    strategy: Strategy, keep_last: int | None, older_than: Age | None, now: float
) -> Keep | None:
    """How much is to stay; None: nothing.  `now` is in seconds since the epoch.

    Raises InvalidLimitError.
    """
    if strategy not in get_args(Strategy):
        raise InvalidLimitError(
            f"strategy={strategy!r} is unknown; nothing was changed; give one of "
            f"{', '.join(map(repr, get_args(Strategy)))}"
        )
    if strategy == "delete":
        if keep_last is not None or older_than is not None:
            raise InvalidLimitError(
                f"strategy='delete' keeps nothing, so keep_last={keep_last!r} and "
                f"older_than={older_than!r} cannot be obeyed; nothing was changed; leave out the "
                "one or the others"
            )
        return None
    last = 1 if keep_last is None else _count(keep_last)
    return Keep(last, None if older_than is None else _moment(older_than, now))


def ids_of(name: str, ids: Iterable[str]) -> tuple[str, ...]:
    """The ids, each once, in one order for all callers, so that no two wait for each other.

    Raises InvalidArgumentError for a plain text or anything in it that is no id.
    """
    if isinstance(ids, str | bytes):
        raise InvalidArgumentError(
            f"{name}={ids!r} is one text, and each of its letters would be taken for an id; "
            f"nothing was changed; give a list: [{ids!r}]"
        )
    if not isinstance(ids, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidArgumentError(
            f"{name}={ids!r} is no list of ids; nothing was changed; give one, even of a single id"
        )
    return tuple(sorted({id_of(name, each) for each in ids}))


def ids_to_copy(source_thread_id: str, target_thread_id: str) -> tuple[str, str]:
    """The ids of a thread to copy, and of its copy.  Raises InvalidArgumentError."""
    source = id_of("source_thread_id", source_thread_id)
    target = id_of("target_thread_id", target_thread_id)
    if source == target:
        raise InvalidArgumentError(
            f"thread {source!r} cannot be copied to itself; nothing was changed; give "
            "another target_thread_id"
        )
    return source, target


def id_of(name: str, given: Any) -> str:
    """The id, which may be the empty text: runs take it for a thread's name as well.

    Raises InvalidArgumentError for anything but a text that has a UTF-8 form.
    """
    if not isinstance(given, str):
        raise InvalidArgumentError(f"{name}={given!r} is no id; nothing was changed; give a text")
    try:
        given.encode()
    except UnicodeEncodeError as error:
        raise InvalidArgumentError(
            f"{name}={given!r} is no id: it holds half a character, which has no UTF-8 form; "
            "nothing was changed; give such a text"
        ) from error
    return given


def checked_limit(given: Any) -> int | None:
    """How many to list; None: all.  Raises InvalidLimitError."""
    if given is not None and (not isinstance(given, int) or isinstance(given, bool) or given < 0):
        raise InvalidLimitError(
            f"limit={given!r} cannot be; give a whole number of at least 0, or None for all"
        )
    return given


def checked_timeout(given: Any) -> float:
    """Seconds to wait.  Raises InvalidLimitError."""
    number = isinstance(given, int | float) and not isinstance(given, bool)
    if not number or not 0 <= given <= _GREATEST:
        raise InvalidLimitError(f"timeout={given!r} cannot be; give seconds, a number of 0 or more")
    return given


def _count(given: Any) -> int:
    if not isinstance(given, int) or isinstance(given, bool) or given < 1:
        raise InvalidLimitError(
            f"keep_last={given!r} cannot be; nothing was changed; give a whole number of at "
            "least 1, or strategy='delete' to keep nothing"
        )
    return given


def _moment(given: Any, now: float) -> float:
    moment = _from_moment(given) if isinstance(given, datetime) else now - _seconds(given)
    if moment >= now:
        raise InvalidLimitError(
            f"older_than={given!r} cannot be: everything is older than that; nothing was "
            "changed; give a time in the past, or leave it out to keep the latest only"
        )
    return moment


def _from_moment(given: datetime) -> float:
    if given.tzinfo is None:
        raise InvalidLimitError(
            f"older_than={given!r} has no time zone; nothing was changed; give one, such as "
            "datetime.now(UTC) - timedelta(days=30)"
        )
    return given.timestamp()


def _seconds(given: Any) -> float:
    if isinstance(given, timedelta):
        return given.total_seconds()
    number = isinstance(given, int | float) and not isinstance(given, bool)
    if not number or not abs(given) <= _GREATEST:
        raise InvalidLimitError(
            f"older_than={given!r} is no time; nothing was changed; give seconds, a timedelta, "
            "or a datetime with a time zone"
        )
    return float(cast(float, given))
