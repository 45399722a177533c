"""Values as JSON bytes, whatever users put into their states, and as values again."""

from __future__ import annotations

import dataclasses
import json
import re
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, cast

import orjson

from actors import Send

from .errors import UnshowableError
from .failures import error_json, failure_of

_OPTIONS = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_PASSTHROUGH_DATACLASS
_DEEPEST = 250
"""Levels shown of a value that is too deep for orjson; below stands "…"."""
_MOST_DIGITS = 300
_TOO_LONG = 10**4300
"""Python, and so its clients, reads no number of more digits."""
_SURROGATE = re.compile("[\ud800-\udfff]")


def to_json(value: Any) -> bytes:
    """One line of compact JSON, UTF-8.

    Models, dataclasses, messages, interrupts and named tuples are objects; sets, tuples and deques
    arrays; decimals and durations (in seconds) numbers; bytes are base64, exceptions {"error",
    "message"}; what nothing is known of is its `repr`.  NaN is null, numbers beyond 64 bits stay
    numbers, those of more than 4,300 digits become texts ("0x…"), lone surrogates U+FFFD.  Raises
    UnshowableError for a value whose own code raises when it is asked what it is.
    """
    try:
        return orjson.dumps(value, plain, _OPTIONS)
    except TypeError:  # surrogates, huge integers, more levels than orjson goes down
        text = json.dumps(_Mending().mended(value), ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "replace")


def json_or_error(value: Any) -> bytes:
    """The same, where one bad value must not end a whole stream: its error stands in its place."""
    try:
        return to_json(value)
    except UnshowableError as error:
        return to_json(error_json(error))


def from_text(text: str) -> Any:
    """What `to_json` wrote; integers of any size are kept."""
    try:
        value = orjson.loads(text)
        if orjson.dumps(value) == text.encode():  # else it may have made floats of integers
            return value
    except (ValueError, TypeError):  # an integer beyond all floats, too many levels to compare
        pass
    return json.loads(text)


def plain(value: Any) -> Any:
    """A value that JSON does not know as one that it does (or that is closer to one)."""
    given: Any = value
    if isinstance(value, type):
        return repr(given)
    if hasattr(given, "model_dump"):
        return given.model_dump()
    if isinstance(value, Send):
        return {"node": value.node, "args": value.arg}
    if dataclasses.is_dataclass(value):
        return {each.name: getattr(given, each.name) for each in dataclasses.fields(value)}
    if isinstance(value, BaseException):
        return {"error": type(value).__name__, "message": str(value)}
    if hasattr(given, "_asdict"):
        return given._asdict()
    if isinstance(value, Mapping):
        return dict(cast("Mapping[Any, Any]", given))
    return _listed_or_told(given)


def _listed_or_told(value: Any) -> Any:
    if isinstance(value, AbstractSet | tuple | deque):
        return list(cast("AbstractSet[Any]", value))
    return _told(value)


def _is_whole(value: Decimal) -> bool:
    """True for a whole number that is not too long to be written out."""
    return value.is_finite() and value.adjusted() < _MOST_DIGITS and value % 1 == 0


def _is_readable(value: int) -> bool:
    return -_TOO_LONG < value < _TOO_LONG


def _told(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes | bytearray | memoryview):
        return b64encode(cast("bytes", value)).decode()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return int(value) if _is_whole(value) else float(value)
    if isinstance(value, re.Pattern):
        return cast("re.Pattern[Any]", value).pattern
    for name in ("isoformat", "tolist"):
        method = getattr(value, name, None)
        if callable(method) and not isinstance(value, type):
            return method()
    return str(value) if type(value).__str__ is not object.__str__ else repr(value)


class _Mending:
    """Makes one value anew with everything that orjson refuses replaced."""

    def __init__(self) -> None:
        self._open: dict[int, Any] = {}  # by identity, and kept, so that no other gets its id
        self._cuts = 0

    def mended(self, value: Any, depth: int = 0) -> Any:
        """The value, or "…" where it contains itself or stands too deep.

        A part in which something was cut is shown once: those that hold each other, as nodes of a
        tree that know their parent, can be gone through in endlessly many ways.
        """
        if value is None or isinstance(value, str | int | float):
            return _mended_leaf(value)
        if depth > _DEEPEST or id(value) in self._open:
            self._cuts += 1
            return "…"
        place, cuts = id(value), self._cuts
        self._open[place] = value
        if isinstance(value, dict):  # all in one function: others would need as deep a stack more
            items = cast("dict[Any, Any]", value).items()
            mended: Any = {_key(name): self.mended(part, depth + 1) for name, part in items}
        elif isinstance(value, list):
            mended = [self.mended(part, depth + 1) for part in cast("list[Any]", value)]
        else:
            mended = self.mended(_asked(value), depth + 1)
        if self._cuts == cuts:
            del self._open[place]
        return mended


def _mended_leaf(value: str | float | None) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, float):
        return value if value - value == 0 else None
    return value if value is None or _is_readable(value) else hex(value)


def _asked(value: Any, ask: Callable[[Any], Any] = plain) -> Any:
    """What users' code says that the value is.  Raises UnshowableError."""
    try:
        return ask(value)
    except BaseException as error:  # user code, and no reason to end the server
        kind, told = cast("type[Any]", type(value)), failure_of(error)
        raise UnshowableError(
            f"a {kind.__module__}.{kind.__qualname__} cannot be shown as JSON: asked what it is, "
            f"it raised {told['error']}: {told['message']}; mend its model_dump, __str__ or "
            "__repr__, or keep it out of the state"
        ) from error


def _key(name: Any) -> str:
    if name is None or isinstance(name, bool):
        return json.dumps(name)
    if isinstance(name, int) and not _is_readable(name):
        return hex(name)
    told = str(_asked(name, plain if isinstance(name, Enum) else str))
    return _SURROGATE.sub("\ufffd", told)
