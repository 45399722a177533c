"""One server per database: who has it is written beside it, and a dead owner frees it at once.

Several that were all told to may share one.  Each runs what it took; what has to be done once does
the one that has the keeper's lock; what a dead server left open is taken up by one that starts when
there is no other, since nobody else knows that it is dead and not slow.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .errors import DatabaseInUseError, SettingsError

_SUFFIX, _KEEPER = "-server", "-server-keeper"


@dataclass(frozen=True, slots=True)
class Standing:
    """What a server may do with its database beside serving requests."""

    alone: bool = True
    """No other server has it: what earlier ones left open is this one's."""
    keeps: bool = True
    """It does for all what is to be done once: crons, sweeping."""


@contextmanager
def hold(database: Path, *, shared: bool = False) -> Generator[Standing]:
    """Have the database as long as the block runs; with others that also share it, if told so.

    An operating-system lock on a file beside it: it goes with the process, however that ends.
    Raises DatabaseInUseError, which names the process that has it, or SettingsError.
    """
    with _opened(database, _SUFFIX) as file:
        if not shared:
            _take(file, database)
            yield Standing()
            return
        with _opened(database, _KEEPER) as keeper:
            keeps = _lock(keeper)
            # Only who keeps may find itself alone, so two that start at once never both do.
            alone = keeps and _lock(file)
            _take(file, database, shared=True)
            yield Standing(alone, keeps)


@contextmanager
def _opened(database: Path, suffix: str) -> Generator[int]:
    beside = _beside(database, suffix)
    try:
        file = os.open(beside, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise SettingsError(
            f"database={str(database)!r} cannot be opened: {error.strerror}; give a file in a "
            "folder that this user may write to"
        ) from None
    try:
        yield file
    finally:
        os.close(file)


def _take(file: int, database: Path, *, shared: bool = False) -> None:
    """Lock it, and write down who has it.  Raises DatabaseInUseError."""
    if not _lock(file, shared=shared):
        raise DatabaseInUseError(_in_use(database, os.pread(file, 32, 0)))
    os.ftruncate(file, 0)
    os.pwrite(file, str(os.getpid()).encode(), 0)


def owner_of(database: Path) -> int | None:
    """The process that has the database, the newest of those that share it, or None."""
    try:
        file = os.open(_beside(database, _SUFFIX), os.O_RDWR)
    except OSError:
        return None
    try:
        pid = os.pread(file, 32, 0).strip()
        return None if _lock(file) else int(pid or b"0")
    finally:
        os.close(file)


def _beside(database: Path, suffix: str) -> Path:
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
    return real.with_name(real.name + suffix)


def _lock(file: int, *, shared: bool = False) -> bool:
    if os.name == "nt":
        import msvcrt

        if shared:
            raise SettingsError(
                "shared=True needs locks that several processes hold, which this system does not "
                "have; give each server a --database of its own"
            )

        try:
            os.lseek(file, 1024, os.SEEK_SET)  # beyond the pid, which others read
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _in_use(database: Path, pid: bytes) -> str:
    return (
        f"the database {database} is in use by the server with process id "
        f"{pid.decode('ascii', 'replace').strip() or 'unknown'}; stop that one, or give another "
        "--database (UNDERSTUDY_SHARED=true for all of them lets several have one, with less)"
    )
