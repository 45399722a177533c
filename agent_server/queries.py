"""What requests for streams say in their queries and headers; pure.

Clients write lists in three ways: `stream_mode=a&stream_mode=b`, `stream_mode=["a","b"]` and
`stream_mode=a,b`; and they call the parameter `stream_mode` or `stream_modes`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Final, TypeVar, cast, get_args

from .errors import InvalidError
from .records import WireMode

WIRE_MODES: Final[tuple[WireMode, ...]] = get_args(WireMode)
_FLAGS: Final = {"true": True, "1": True, "false": False, "0": False, "": False}
_EVENT_ID = re.compile(r"[0-9]{1,18}")

Mode = TypeVar("Mode", bound=str)


def texts_of(given: Iterable[str]) -> tuple[str, ...]:
    """The texts of a list, however it was written; each once."""
    found = [text for value in given for text in _split(value)]
    return tuple(dict.fromkeys(text for text in found if text))


def _split(value: str) -> Sequence[str]:
    if value.startswith("["):
        try:
            parts = json.loads(value)
        except (ValueError, RecursionError):
            return (value,)
        return [str(part) for part in cast("list[object]", parts)]
    return [part.strip() for part in value.split(",")]


def chosen(given: Iterable[str], known: Sequence[Mode]) -> tuple[Mode, ...]:
    """The modes that a query asks for, () when it says nothing.  Raises InvalidError."""
    asked = texts_of(given)
    for mode in asked:
        if mode not in known:
            raise InvalidError(f"Invalid stream mode: {mode}; send some of {', '.join(known)}")
    return cast("tuple[Mode, ...]", asked)


def flag(name: str, given: str | None) -> bool:
    """A yes or no.  Raises InvalidError."""
    value = _FLAGS.get((given or "").lower())
    if value is None:
        raise InvalidError(f"{name}: {given!r} is no boolean; send true or false")
    return value


def last_event_id(given: str | None) -> int | None:
    """The id after which to read on; 0 for everything, None when nothing is said.

    Raises InvalidError for what is no id of an event.
    """
    text = (given or "").strip()
    if not text:
        return None
    if text in ("-1", "-", "0-0"):
        return 0
    if _EVENT_ID.fullmatch(text):
        return int(text)
    raise InvalidError(
        f"Last-Event-ID: {text[:80]!r} is no id of an event; send the last one that came with the "
        "stream, or -1 for all"
    )
