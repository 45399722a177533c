"""What clients may read of an error: its class, and its message where the class is a known one.

Messages of other classes may tell of paths, queries or keys of the server's owner.  How a run
failed is written down once, so there a class counts that comes of a known one, too.  In the events
of its tasks the name alone decides, as all that a stored event has of an exception is its `repr`:
so a replay says what the live stream said.
"""

from __future__ import annotations

import ast
import builtins
import re
from typing import Final

import actors
import checkpoint

HIDDEN: Final = "An internal error occurred"
"""Stands for the message of an error whose class is not a known one."""
UNUSABLE: Final = (
    "the server's database could not be used; what was committed before is kept, so run the thread "
    "again when that is mended"
)
"""Stands for the message of its errors, which name the file."""
EXITED: Final = (
    "the graph's code asked for the end of the process, as sys.exit does, which ended its run and "
    "nothing else; have it return, or raise an exception that says what is wrong"
)
"""Stands for the message of what would end a program."""
_EXITS: Final = frozenset({"SystemExit", "KeyboardInterrupt"})
_OF_DATABASE: Final = frozenset(
    {"LogFailedError"}
    | {
        name
        for name in checkpoint.__all__
        if isinstance(kind := getattr(checkpoint, name), type)
        and issubclass(kind, checkpoint.DatabaseError)
    }
)

_SHOWN: Final = (
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    RuntimeError,
    TimeoutError,
    actors.ActorsError,
    actors.GraphBubbleUp,
)
_KNOWN: Final = frozenset({"HTTPException", "UnshowableError", "UserInterrupt"}) | {
    name
    for module, names in ((builtins, dir(builtins)), (actors, actors.__all__))
    for name in names
    if isinstance(kind := getattr(module, name), type) and issubclass(kind, _SHOWN)
}
_REPR = re.compile(r"(?:[\w.]*\.)?(\w+)\((.*)\)", re.DOTALL)


def failure_json(name: str, message: str) -> dict[str, str]:
    """{"error": class, "message": text}."""
    if name in _OF_DATABASE:
        return {"error": name, "message": UNUSABLE}
    if name in _EXITS:
        return {"error": name, "message": EXITED}
    return {"error": name, "message": message if name in _KNOWN else HIDDEN}


def failure_of(error: BaseException) -> dict[str, str]:
    """The same of an exception that is at hand."""
    name, message = type(error).__name__, _text_of(error)
    if isinstance(error, _SHOWN):
        return {"error": name, "message": message}
    return failure_json(name, message)


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except BaseException:  # noqa: BLE001 - user code; an error must not be lost because of it
        return ""


def error_json(error: BaseException | str) -> dict[str, str]:
    """The same of an exception, or of the `repr` of one that a stored event has."""
    if isinstance(error, BaseException):
        error = _repr_of(error)
    found = _REPR.fullmatch(error)
    if found is None:
        return failure_json("Error", error)
    name, given = found.groups()
    return failure_json(name, _first_text(given, quoted=name == "KeyError"))


def _repr_of(error: BaseException) -> str:
    try:
        return repr(error)
    except BaseException:  # noqa: BLE001 - user code; an error must not be lost because of it
        return f"{type(error).__name__}()"


def _first_text(given: str, *, quoted: bool) -> str:
    """The message in the arguments of an exception's repr, as `str` makes it."""
    try:
        value = ast.literal_eval(f"({given},)") if given else ("",)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return given
    if len(value) > 1:
        return str(value)
    return given if quoted else str(value[0])
