"""A few connections that only read, opened when there is work; they never block writing."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeAlias

from .errors import SaverClosedError
from .parked import Answers, Waiting, park
from .schema import set_up_reader, typed_error
from .value import Value, slotted

Read: TypeAlias = Callable[[sqlite3.Connection], Any]

READERS = 4
"""Connections at most."""


@slotted
class _Job(Value):
    read: Read
    future: Waiting


class ReadPool:
    """Runs reads on connections of their own, each in one transaction: one consistent view.

    The queue is bounded by its callers: each of them waits for the read it submitted.
    """

    def __init__(self, database: str) -> None:
        self._database = database
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._changed = threading.Condition()
        self._readers = 0
        self._unfinished = 0
        self._closed = False

    def submit(self, read: Read) -> asyncio.Future[Any]:
        """Queue a read; the future gives its result.  Raises SaverClosedError."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._put(_Job(read, future))
        return future

    def run(self, read: Read) -> Any:
        """A read's result; this thread waits for it.  Raises SaverClosedError."""
        future: Future[Any] = Future()
        self._put(_Job(read, future))
        return future.result()

    def _put(self, job: _Job) -> None:
        with self._changed:
            if self._closed:
                raise SaverClosedError(
                    f"the saver of {self._database!r} is closed; use it inside its `with` block"
                )
            self._unfinished += 1
            self._jobs.put(job)
            another = self._unfinished > self._readers and self._readers < READERS
            self._readers += another
        if another:
            try:
                park(self._database, self._serve, self._end)
            except RuntimeError as error:  # no thread can be started
                self._end(error)

    def close(self) -> None:
        """Finish what is queued, then close the connections."""
        with self._changed:
            if not self._closed:
                self._closed = True
                for _ in range(self._readers):
                    self._jobs.put(None)
            while self._readers:
                self._changed.wait()

    def _serve(self, connection: sqlite3.Connection) -> None:
        set_up_reader(connection)
        while (job := self._jobs.get()) is not None:
            self._answer(job, self._read(connection, job.read))

    def _read(self, connection: sqlite3.Connection, read: Read) -> Any:
        try:
            connection.execute("BEGIN")
            try:
                return read(connection)
            finally:
                connection.execute("ROLLBACK")
        except Exception as error:  # noqa: BLE001 - the loop's edge: the caller gets it
            return typed_error(error, self._database)

    def _answer(self, job: _Job, result: Any) -> None:
        with self._changed:
            self._unfinished -= 1
        answers = Answers()
        answers.add(job.future, result)
        answers.send()

    def _end(self, error: Exception | None) -> None:
        """A connection is closed, or could not be opened: then nobody may be left to answer."""
        with self._changed:
            self._readers -= 1
            alone = error is not None and self._readers == 0
            self._changed.notify_all()
        while alone and not self._jobs.empty():
            job = self._jobs.get()
            if job is not None and error is not None:
                self._answer(job, typed_error(error, self._database))
