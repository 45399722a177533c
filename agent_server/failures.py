"""What clients may read of an error: its class, and its message where the class is a known one.

Messages of other classes may tell of paths, queries or keys of the server's owner.  The name alone
decides, as all that a stored event has of an exception is its `repr`: so a replay says what the
live stream said.
"""

from __future__ import annotations

import ast
import builtins
import re
from typing import Final

import actors

HIDDEN: Final = "An internal error occurred"
"""Stands for the message of an error whose class is not a known one."""

_KNOWN: Final = frozenset(
    {
        "ValueError",
        "TypeError",
        "KeyError",
        "AttributeError",
        "RuntimeError",
        "RecursionError",
        "TimeoutError",
        "HTTPException",
        "UserInterrupt",
    }
) | {
    name
    for name in actors.__all__
    if isinstance(kind := getattr(actors, name), type)
    and issubclass(kind, Exception)
    and not hasattr(builtins, name)
}
_REPR = re.compile(r"(?:[\w.]*\.)?(\w+)\((.*)\)", re.DOTALL)


def failure_json(name: str, message: str) -> dict[str, str]:
    """{"error": class, "message": text}."""
    return {"error": name, "message": message if name in _KNOWN else HIDDEN}


def error_json(error: BaseException | str) -> dict[str, str]:
    """The same of an exception, or of the `repr` of one that a stored event has."""
    if isinstance(error, BaseException):
        error = _repr_of(error)
    found = _REPR.fullmatch(error)
    if found is None:
        return failure_json("Error", error)
    name, given = found.groups()
    return failure_json(name, _first_text(given))


def _repr_of(error: BaseException) -> str:
    try:
        return repr(error)
    except Exception:  # noqa: BLE001 - user code; an error must not be lost because of it
        return f"{type(error).__name__}()"


def _first_text(given: str) -> str:
    """The message in the arguments of an exception's repr."""
    try:
        value = ast.literal_eval(f"({given},)") if given else ("",)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return given
    return str(value[0]) if len(value) == 1 else str(value)
