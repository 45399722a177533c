"""What a request says in its query: flags, numbers, lists, as any of the clients write them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, cast

from .errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import HTTPConnection

_WHOLE = re.compile(r"-?[0-9]{1,18}")
_FLAGS = {"true": True, "1": True, "false": False, "0": False}


def flag(request: HTTPConnection, name: str, default: bool = False) -> bool:
    """True or false, also as 1 or 0.  Raises InvalidError for anything else."""
    given = request.query_params.get(name)
    if given is None:
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
