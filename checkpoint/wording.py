"""Values and errors as parts of messages, whatever they are."""

from __future__ import annotations

import reprlib
from typing import Any


def shown(value: Any) -> str:
    """A short repr for a message, whatever the value."""
    try:
        return reprlib.repr(value)
    except Exception:  # noqa: BLE001 (a class of the user, or an int of too many digits)
        return f"a value of type {type(value).__qualname__}"


def named(value: Any) -> str:
    """The same for a value that was read, or its type where a repr would be the code of a class:
    bytes must not make that run."""
    return shown(value) if type(value) in _PLAIN else f"a {type(value).__qualname__}"


def told(error: BaseException) -> str:
    """Class and text of an error; of a KeyError, whose text is a repr, what was not found."""
    if isinstance(error, KeyError):
        return f"{type(error).__name__}: {', '.join(map(named, error.args))}"
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 (code of a user's class)
        return type(error).__name__
    return f"{type(error).__name__}: {text if len(text) < 500 else text[:500] + '…'}"


_PLAIN = frozenset({type(None), bool, int, float, str, bytes})
