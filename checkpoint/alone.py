"""A database file that no other process has open, nor this one."""

from __future__ import annotations

import importlib
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import DatabaseBusyError, DatabaseUnwritableError

_fcntl: Any = importlib.import_module("fcntl") if os.name == "posix" else None

_SQLITE, _LENGTH = 0x40000000, 512
"""The bytes of a database file that SQLite locks; who has the file open has some of them locked."""


@contextmanager
def alone(path: Path) -> Generator[int]:
    """Keep all others out of a file as long as the block runs; gives a descriptor of it.

    No descriptor of the file may be closed in this process meanwhile: that would free the lock.
    Raises DatabaseBusyError for a file that is open, and OSError.
    """
    if _fcntl is None:
        raise DatabaseUnwritableError(
            f"{str(path)!r} cannot be locked: this system has no POSIX file locks; repair a copy "
            "of it on another one"
        )
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        try:
            _fcntl.lockf(file, _fcntl.LOCK_EX | _fcntl.LOCK_NB, _LENGTH, _SQLITE)
        except BlockingIOError:
            raise in_use(path) from None
        yield file
    finally:
        os.close(file)


def in_use(path: Path) -> DatabaseBusyError:
    """The error for a file that somebody has open."""
    return DatabaseBusyError(
        f"{str(path)!r} cannot be repaired: it is open, in this process or in another one; nothing "
        "was changed; close it there first"
    )
