"""Syncing the write-ahead log: one flush serves everybody who waits for it.

SQLite with `synchronous=NORMAL` does not flush the log when a transaction commits.  The flusher
does, on a descriptor of its own: `fdatasync` works on the file, whoever wrote to it.  It has a
thread for that, too; a commit that is alone is flushed by the writer's, which wakes nobody.

The log may be reset (written anew from its start) between a commit and the flush.  That loses
nothing: SQLite resets it only after it has copied all of it into the database file and flushed
that, and the file itself stays the same one as long as any connection is open.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
from pathlib import Path
from typing import Any

from .begun import Begun
from .errors import DatabaseUnwritableError, SaverClosedError
from .parked import Answers
from .points import Faults
from .schema import LOOK_SECONDS, typed_error

_sync = getattr(os, "fdatasync", os.fsync)


class Flusher:
    """Flushes one log file, in groups, as long as it and its `database` are where they were.

    SQLite goes on with files that were deleted, moved or replaced as if nothing were: what it then
    stores is lost to who opens them by their names.
    """

    def __init__(
        self, log: Path, faults: Faults | None = None, database: Path | None = None
    ) -> None:
        self._log = log
        self._database = database
        self._opened = None if database is None else database.stat()
        self._look_at = 0.0
        self._faults = faults
        self._fd = os.open(log, os.O_RDWR | os.O_CLOEXEC)
        self._waiting: queue.SimpleQueue[asyncio.Future[Any] | None] = queue.SimpleQueue()
        self._failure: BaseException | None = None
        self._flushed = 0
        self.committed = 0
        """Number of transactions that are in the log; counted by the writer."""
        self._asking = threading.Lock()
        self._flushing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="checkpoint-flush", daemon=True)
        self._thread.start()

    async def synced(self) -> None:
        """Wait for a flush that began after this call, if anything is not flushed yet.

        Raises SaverClosedError, or DatabaseUnwritableError when the disk fails.
        """
        if self._flushed >= self.committed and self._failure is None:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._asking:
            if self._closed:
                raise SaverClosedError(
                    f"{str(self._log)!r} is closed with its saver; sync inside the `with` block"
                )
            self._waiting.put(future)
        await future

    def log_size(self) -> int:
        """Bytes of the log's file."""
        return os.fstat(self._fd).st_size

    def flush(self, begun: Begun) -> None:
        """End what was begun after the next flush.  By the writer, who ends before this does."""
        self._waiting.put(begun)

    def flush_here(self, begun: Begun) -> bool:
        """Flush in this thread, which spares a wake-up of the other, and end what was begun.

        False, and nothing is done, if a flush goes on.  By the writer, when nobody waits for it.
        """
        if not self._flushing.acquire(blocking=False):
            return False
        try:
            error = self._flush()
        finally:
            self._flushing.release()
        answers = Answers()
        answers.add(begun, error)
        answers.send()
        return True

    def close(self) -> None:
        """Flush once more, answering everybody who waits, then stop."""
        with self._asking:
            self._closed = True
            self._waiting.put(None)
        self._thread.join()
        os.close(self._fd)

    def _serve(self) -> None:
        answers = Answers()
        closing = False
        while not closing:
            group = [self._waiting.get()]
            while not self._waiting.empty():
                group.append(self._waiting.get_nowait())
            closing = None in group
            with self._flushing:
                error = self._flush()
            for future in group:
                if future is not None:
                    answers.add(future, error)
            answers.send()

    def _flush(self) -> BaseException | None:
        # After a failed flush the system may have dropped what it could not write, and a later
        # one would succeed without it: so a failure is final until the database is opened again.
        if self._failure is None:
            committed = self.committed
            try:
                self._reach("syncing")
                _sync(self._fd)
                if self._is_gone():
                    return _gone(self._database)
                self._flushed = committed
                self._reach("synced")
            except Exception as error:  # noqa: BLE001 - the loop's edge: who waits gets it
                self._failure = typed_error(error, str(self._log))
        return self._failure

    def _is_gone(self) -> bool:
        """True if the log was deleted, or the database is not at its place any more."""
        now = time.monotonic()
        if self._database is None or self._opened is None or now < self._look_at:
            return False
        try:
            there = os.path.samestat(self._database.stat(), self._opened)
        except FileNotFoundError:
            return True
        except OSError:  # nobody may look there now
            return False
        if not (there and os.fstat(self._fd).st_nlink):
            return True
        self._look_at = now + LOOK_SECONDS
        return False

    def _reach(self, point: str) -> None:
        if self._faults is not None:
            self._faults(point)


def _gone(database: Path | None) -> DatabaseUnwritableError:
    return DatabaseUnwritableError(
        f"'{database}', or its log, was deleted, moved or replaced while it was open, so what is "
        "stored now would be lost; put the files back, or close this and open the file that is "
        "to be used"
    )
