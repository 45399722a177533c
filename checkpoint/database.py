"""Databases of this process: each file is opened once, however many savers use it.

One committer writes, a pool of connections reads, a flusher syncs, and the claims of all savers of
the file meet in one `Ownership`.  A database without a file is private to its saver: what reads
goes through the one connection there is.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from .begun import Begun
from .commits import Origins
from .committer import Committer
from .errors import CorruptDataError, DatabaseBusyError, InvalidArgumentError
from .flush import Flusher
from .hot_rows import HotRows
from .locks import MARK, LockFile, NoLocks
from .ownership import Ownership
from .points import Faults
from .rate import Rate
from .read_pool import Read, ReadPool
from .schema import create_private, flush_folder, prepare_file, set_up_writer, typed_error


class Database(Protocol):
    """An open database."""

    committer: Committer
    ownership: Ownership
    origins: Origins
    commits: Rate
    hot_rows: HotRows

    def read(self, read: Read) -> asyncio.Future[Any]:
        """Queue a read; the future gives its result."""
        ...

    def run_read(self, read: Read) -> Any:
        """A read's result; this thread waits for it."""
        ...

    async def synced(self) -> None:
        """Wait until everything committed so far is flushed to the disk."""
        ...

    def close(self) -> None:
        """Finish what is queued, then close; waits for it."""
        ...


class PrivateDatabase:
    """A database in memory, for one saver."""

    def __init__(self, faults: Faults | None = None) -> None:
        locks = NoLocks()
        self.commits = Rate()
        self.committer = Committer(":memory:", locks, create_private, self._committed, faults)
        self.ownership = Ownership(locks, self.committer, faults)
        self.origins = Origins()
        self.hot_rows = HotRows()

    def read(self, read: Read) -> asyncio.Future[Any]:
        """Queue a read behind the writes: there is one connection."""
        return self.committer.submit(read, "read")

    def run_read(self, read: Read) -> Any:
        """A read's result, after the writes that are queued."""
        return self.committer.run(read, "read")

    async def synced(self) -> None:
        """Nothing to wait for: memory has no disk."""

    def close(self) -> None:
        """Finish what is queued, then forget everything."""
        self.committer.close()

    def _committed(self) -> None:
        self.commits.note(time.monotonic())


class FileDatabase:
    """A database file, shared by all savers of this process."""

    def __init__(self, path: Path, faults: Faults | None = None) -> None:
        self.commits = Rate()
        with ExitStack() as opened:
            locks = LockFile(path.with_name(path.name + "-claims"), os.urandom(MARK))
            opened.callback(locks.close)
            self.committer = Committer(
                str(path), locks, set_up_writer, self._committed, faults, self._flush
            )
            opened.callback(self.committer.close)
            self._flusher = Flusher(path.with_name(path.name + "-wal"), faults, path)
            self.committer.log_size = self._flusher.log_size
            flush_folder(path)
            opened.pop_all()
        self._locks = locks
        self._reads = ReadPool(str(path))
        self.ownership = Ownership(locks, self.committer, faults)
        self.origins = Origins()
        self.hot_rows = HotRows()
        self.faults = faults

    def read(self, read: Read) -> asyncio.Future[Any]:
        """Queue a read; it never waits for a write."""
        return self._reads.submit(read)

    def run_read(self, read: Read) -> Any:
        """A read's result; this thread waits for it, never for a write."""
        return self._reads.run(read)

    async def synced(self) -> None:
        """Wait for a flush of the log."""
        await self._flusher.synced()

    def close(self) -> None:
        """Finish what is queued, then close; locks of other processes are theirs again."""
        self._reads.close()
        self.committer.close()
        self._flusher.close()
        self._locks.close()

    def _flush(self, begun: Begun, lone: bool) -> None:
        if not (lone and self._flusher.flush_here(begun)):
            self._flusher.flush(begun)

    def _committed(self) -> None:
        self._flusher.committed += 1
        self.commits.note(time.monotonic())


class Registry:
    """The files that are open in this process, with the number of their users."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open: dict[Path, tuple[FileDatabase, int]] = {}
        self._shut: set[Path] = set()

    def take(self, path: Path, faults: Faults | None = None) -> FileDatabase:
        """Open a file, or use it as it is open.

        Raises NotADatabaseError, NewerSchemaError, CorruptDataError, DatabaseUnwritableError, and
        InvalidArgumentError for faults of a file that is open without them.
        """
        with self._lock:
            if path in self._shut:
                raise _being_repaired(path)
            database, users = self._open.get(path) or (_open_file(path, faults), 0)
            if faults is not None and database.faults is not faults:
                raise InvalidArgumentError(
                    f"faults={faults!r} come too late: {str(path)!r} is open in this process "
                    "without them; give them to the saver that opens the file first"
                )
            self._open[path] = (database, users + 1)
            return database

    @contextmanager
    def shut(self, path: Path, in_use: Callable[[Path], Exception]) -> Generator[None]:
        """Let nobody in this process open a file as long as the block runs; raises what `in_use`
        gives if somebody has it open."""
        with self._lock:
            if path in self._open or path in self._shut:
                raise in_use(path)
            self._shut.add(path)
        try:
            yield
        finally:
            with self._lock:
                self._shut.discard(path)

    def give_back(self, path: Path) -> None:
        """Use a file no more; the last user waits until it is closed."""
        with self._lock:
            database, users = self._open[path]
            if users > 1:
                self._open[path] = (database, users - 1)
            else:
                del self._open[path]
                database.close()


def _being_repaired(path: Path) -> DatabaseBusyError:
    return DatabaseBusyError(
        f"{str(path)!r} cannot be opened: it is being repaired; open it when that is done"
    )


def _open_file(path: Path, faults: Faults | None) -> FileDatabase:
    try:
        prepare_file(path)
        before = path.stat()
        database = FileDatabase(path, faults)
        if not os.path.samestat(before, path.stat()):  # a repair put another file here meanwhile
            database.close()
            raise _being_repaired(path)
        return database
    except UnicodeDecodeError as error:  # in what SQLite says of a damaged schema
        raise CorruptDataError(
            f"{str(path)!r} is damaged ({error}); restore the file from a backup"
        ) from error
    except (sqlite3.Error, OSError) as error:
        raise typed_error(error, str(path)) from error
