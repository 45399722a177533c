"""Exceptions as stored values: a failed task must be stored, whatever it raised.

Class, args, attributes and notes are kept; cause, context and traceback are not.  Restoring goes
by the built-in exception that the class descends from, so no `__init__` of a user's class runs
(many of them cannot be called with `args`).  An exception of an unregistered class, or one that
holds what cannot be stored, is kept as a `RemoteError`: its type's name, its message, its notes.
"""

from __future__ import annotations

import builtins
from typing import Any

from .errors import DeserializationError, RemoteError

BUILT_IN_EXCEPTIONS: frozenset[type[BaseException]] = frozenset(
    value
    for value in vars(builtins).values()
    if isinstance(value, type) and issubclass(value, BaseException)
)


def native_base(cls: type[BaseException]) -> type[BaseException]:
    """The built-in ancestor that decides the layout of the class: the largest one."""
    natives = [base for base in cls.__mro__ if base in BUILT_IN_EXCEPTIONS]
    return max(natives, key=lambda base: base.__basicsize__)


def exception_to(native: type[BaseException], error: BaseException) -> list[Any]:
    """Args and attributes (notes among them), as the built-in ancestor gives them."""
    _, args, *state = native.__reduce__(error)
    return [list(args), state[0] if state else {}]


def exception_from(native: type[BaseException], cls: type[BaseException], stored: Any) -> Any:
    """The exception again, made by its built-in ancestor."""
    args, attributes = stored
    error = native.__new__(cls, *args)
    native.__init__(error, *args)
    if type(error) is not cls:  # BaseExceptionGroup makes an ExceptionGroup of plain exceptions
        raise DeserializationError(
            f"the stored args make a {type(error).__qualname__}, not a {cls.__qualname__}: the "
            "bytes are damaged; restore them from a backup"
        )
    for name, value in attributes.items():
        object.__setattr__(error, name, value)
    return error


def remote_to(error: BaseException) -> list[Any]:
    """What is kept of an exception that cannot be stored as itself."""
    notes = [note for note in _notes(error) if isinstance(note, str)]
    if isinstance(error, RemoteError):
        return [error.type_name, error.message, notes]
    return [_type_name(type(error)), _message(error), notes]


def remote_from(stored: Any) -> RemoteError:
    """The placeholder."""
    type_name, message, notes = stored
    error = RemoteError(type_name, message)
    for note in notes:
        error.add_note(note)
    return error


def _notes(error: BaseException) -> list[Any]:
    notes = getattr(error, "__notes__", None)
    return [*notes] if isinstance(notes, list | tuple) else []


def _type_name(cls: type[BaseException]) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as unprintable:  # noqa: BLE001 (code of a user's class)
        return f"<its message raised {type(unprintable).__name__}>"
