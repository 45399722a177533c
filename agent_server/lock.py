"""One server per database: who has it is written beside it, and a dead owner frees it at once."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from .errors import DatabaseInUseError, SettingsError

_SUFFIX = "-server"


@contextmanager
def hold(database: Path) -> Generator[None]:
    """Have the database as long as the block runs.

    An operating-system lock on a file beside it: it goes with the process, however that ends.
    Raises DatabaseInUseError, which names the process that has it, or SettingsError.
    """
    beside = _beside(database)
    try:
        file = os.open(beside, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise SettingsError(
            f"database={str(database)!r} cannot be opened: {error.strerror}; give a file in a "
            "folder that this user may write to"
        ) from None
    try:
        if not _lock(file):
            raise DatabaseInUseError(_in_use(database, os.pread(file, 32, 0)))
        os.ftruncate(file, 0)
        os.pwrite(file, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(file)


def owner_of(database: Path) -> int | None:
    """The process that has the database, or None."""
    try:
        file = os.open(_beside(database), os.O_RDWR)
    except OSError:
        return None
    try:
        pid = os.pread(file, 32, 0).strip()
        return None if _lock(file) else int(pid or b"0")
    finally:
        os.close(file)


def _beside(database: Path) -> Path:
    """The same file for every way to write the database's path."""
    if str(database) == ":memory:":
        raise SettingsError(
            "database=':memory:' is no file, and a server needs one; give a path, in a temporary "
            "folder if nothing is to stay"
        )
    real = database.resolve()
    if real.is_dir():
        raise SettingsError(
            f"database={str(database)!r} is a folder; give a file, in it or beside it"
        )
    return real.with_name(real.name + _SUFFIX)


def _lock(file: int) -> bool:
    if os.name == "nt":
        import msvcrt

        try:
            os.lseek(file, 1024, os.SEEK_SET)  # beyond the pid, which others read
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _in_use(database: Path, pid: bytes) -> str:
    return (
        f"the database {database} is in use by the server with process id "
        f"{pid.decode('ascii', 'replace').strip() or 'unknown'}; stop that one, or give another "
        "--database"
    )
