"""What a request says in its query, as any of the clients write it: flags, numbers, lists, modes;
and in its header Last-Event-ID.

Lists come in three forms: `stream_mode=a&stream_mode=b`, `stream_mode=["a","b"]` and
`stream_mode=a,b`; and clients call the parameter `stream_mode` or `stream_modes`.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, TypeVar, cast

from .errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import HTTPConnection

Mode = TypeVar("Mode", bound=str)

_WHOLE = re.compile(r"-?[0-9]{1,18}")
_EVENT_ID = re.compile(r"[0-9]{1,18}")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def flag(request: HTTPConnection, name: str, default: bool = False) -> bool:
    """True or false, also as 1 or 0.  Raises InvalidError for anything else."""
    given = request.query_params.get(name)
    if not given:
        return default
    if given.lower() not in _FLAGS:
        raise InvalidError(f"{name}={given!r} is no flag; give true or false")
    return _FLAGS[given.lower()]


def whole(request: HTTPConnection, name: str, default: int, least: int, most: int) -> int:
    """A number from `least` to `most`.  Raises InvalidError for anything else."""
    given = request.query_params.get(name)
    if given is None:
        return default
    if not _WHOLE.fullmatch(given) or not least <= int(given) <= most:
        raise InvalidError(f"{name}={given!r} cannot be; give a number from {least} to {most}")
    return int(given)


def listed(request: HTTPConnection, *names: str) -> list[str]:
    """Texts under any of the names: repeated, with commas, or as a JSON list.

    Raises InvalidError for a JSON list of something else.
    """
    return [
        text
        for name in names
        for given in request.query_params.getlist(name)
        for text in _texts(name, given)
    ]


def _texts(name: str, given: str) -> Sequence[str]:
    if not given.startswith("["):
        return [text for part in given.split(",") if (text := part.strip())]
    try:
        found: Any = json.loads(given)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, list) and all(isinstance(text, str) for text in cast("list[Any]", found)):
        return cast("list[str]", found)
    raise InvalidError(
        f"{name}={given[:80]!r} is no list of texts; give a JSON list, or repeat {name}"
    )


def chosen(request: HTTPConnection, known: Sequence[Mode]) -> tuple[Mode, ...]:
    """The stream modes that are asked for, each once, () when it says nothing.

    Raises InvalidError.
    """
    asked = dict.fromkeys(listed(request, "stream_mode", "stream_modes"))
    for mode in asked:
        if mode not in known:
            raise InvalidError(f"Invalid stream mode: {mode}; send some of {', '.join(known)}")
    return cast("tuple[Mode, ...]", tuple(asked))


def last_event_id(request: HTTPConnection) -> int | None:
    """The id after which to read on; 0 for everything, None when nothing is said.

    Raises InvalidError for what is no id of an event.
    """
    text = request.headers.get("last-event-id", "").strip()
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
