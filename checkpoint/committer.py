"""The one connection that writes to a database, with group commit.

What is submitted while a transaction runs goes into the next one.  Each of several units stands in
a savepoint of its own: one that fails is undone alone and its caller gets the error.  A lone one is
undone with its transaction.  Callers wait on futures of their own, so a caller that is cancelled
takes nothing from the others; its unit still happens.

The queue is bounded by its callers: each of them waits for the unit it submitted.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeAlias

from .begun import Begun
from .errors import SaverClosedError
from .heads import Heads
from .locks import Locks
from .parked import Answers, Waiting, park
from .points import Faults
from .schema import LOG_BYTES, LOOK_SECONDS, typed_error
from .value import Value, slotted

Apply: TypeAlias = Callable[[sqlite3.Connection], Any]

GROUP = 256
"""Units in one transaction at most, so that the first of them does not wait for ever."""
LOG_PAGES = 2000
"""Pages in the log, at a guess, after which it is moved into the database file."""


@slotted
class _Unit(Value):
    apply: Apply
    future: Waiting
    kind: str
    """What it is about, as commit points are named."""
    alone: bool = False
    """True: outside of any transaction."""
    synced: bool = False
    """True: its caller hears of it when it is flushed to the disk."""


class Committer:
    """Applies units of work in the order they were submitted.

    `set_up` runs first on the connection; `committed` is called after each transaction, before the
    callers hear of it, `flush` with each who waits for the disk and whether nobody else waits for
    this thread (None: there is no disk), and `faults` with the name of each commit point.
    """

    def __init__(
        self,
        database: str,
        locks: Locks,
        set_up: Apply,
        committed: Callable[[], None],
        faults: Faults | None = None,
        flush: Callable[[Begun, bool], None] | None = None,
        *,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self.database = database
        self._locks = locks
        self._set_up = set_up
        self._committed = committed
        self._faults = faults
        self._flush = flush
        self._units: queue.SimpleQueue[_Unit | None] = queue.SimpleQueue()
        self._submitting = threading.Lock()
        self._closed = False
        self._log_pages = 0
        self._moved_size = 0
        """Of the log, when it was moved last."""
        self._look_seconds = look_seconds
        self._look_at = 0.0
        self.log_size: Callable[[], int] = _no_log
        """The size of the log in bytes, as whoever has its file tells."""
        self._opened: Future[None] = Future()
        self._ended: Future[None] = Future()
        self.busy = False
        """True while a transaction runs."""
        self.heads = Heads()
        """For units, on the connection's thread."""
        park(database, self._serve, self._end)
        self._opened.result()

    def submit(self, apply: Apply, kind: str) -> asyncio.Future[Any]:
        """Queue a unit; the future gives its result when it is committed.

        Raises SaverClosedError.
        """
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._put(_Unit(apply, future, kind))
        return future

    def begin(self, apply: Apply, kind: str, *, synced: bool) -> Begun:
        """Queue a unit; see `Begin`.  Raises SaverClosedError."""
        begun = Begun(loop=asyncio.get_running_loop())
        self._put(_Unit(apply, begun, kind, synced=synced))
        return begun

    def submit_alone(self, apply: Apply, kind: str) -> asyncio.Future[Any]:
        """Queue what cannot be part of a transaction; nobody else writes meanwhile."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._put(_Unit(apply, future, kind, alone=True))
        return future

    def run(self, apply: Apply, kind: str) -> Any:
        """A unit's result; this thread waits until it is committed.  Raises SaverClosedError."""
        future: Future[Any] = Future()
        self._put(_Unit(apply, future, kind))
        return future.result()

    def settle(self) -> None:
        """Wait, in this thread, until everything submitted before is committed."""
        done: Future[None] = Future()
        with self._submitting:
            if self._closed:
                return
            self._units.put(_Unit(_nothing, done, "nothing"))
        done.result()

    def close(self) -> None:
        """Commit what is queued, move the log into the file, and close the connection."""
        with self._submitting:
            if not self._closed:
                self._closed = True
                self._units.put(None)
        self._ended.result()

    def _put(self, unit: _Unit) -> None:
        with self._submitting:
            if self._closed:
                raise SaverClosedError(
                    f"the saver of {self.database!r} is closed; use it inside its `with` block"
                )
            self._units.put(unit)

    def _end(self, error: Exception | None) -> None:
        with self._submitting:
            self._closed = True
        if error is not None and not self._opened.done():
            self._opened.set_exception(error)
        answers = Answers()
        while error is not None and not self._units.empty():
            if (unit := self._units.get()) is not None:
                answers.add(unit.future, typed_error(error, self.database))
        answers.send()
        self._ended.set_result(None)

    def _serve(self, connection: sqlite3.Connection) -> None:
        self._set_up(connection)
        self._opened.set_result(None)
        more = True
        while more:
            group, more = self._take()
            alone = [group.pop()] if group and group[-1].alone else []
            if group:
                self._answer(group, self._transaction(connection, group))
            if alone:
                self._answer(alone, [self._by_itself(connection, alone[0])])
            if self._log_pages > LOG_PAGES or self._log_growth() > LOG_BYTES:
                self._empty_log(connection)
                self._moved_size = self.log_size()
        self._empty_log(connection)

    def _take(self) -> tuple[list[_Unit], bool]:
        """Wait for work, then take all there is, up to a unit that stands alone; False when there
        will be no more."""
        group: list[_Unit] = []
        unit = self._units.get()
        while unit is not None:
            group.append(unit)
            if unit.alone or len(group) == GROUP or self._units.empty():
                return group, True
            unit = self._units.get()
        return group, False

    def _answer(self, group: list[_Unit], results: list[Any]) -> None:
        answers = Answers()
        for unit, result in zip(group, results, strict=True):
            future = unit.future
            if isinstance(future, Begun) and not isinstance(result, BaseException):
                future.made = True
                if unit.synced and self._flush is not None:
                    self._flush(future, len(group) == 1 and self._units.empty())
                    continue
            answers.add(future, result)
        answers.send()
        self._pass(group, "answered")

    def _transaction(self, connection: sqlite3.Connection, group: list[_Unit]) -> list[Any]:
        """Results or errors of the units, after they were committed or undone."""
        self.busy = True
        before = connection.total_changes
        try:
            with self._locks.gate():
                connection.execute("BEGIN IMMEDIATE")
                self.heads.begin(connection)
                apply = self._applied if len(group) == 1 else self._apply
                results = [apply(connection, unit) for unit in group]
                connection.execute("COMMIT")
            self.heads.committed()
            self._committed()
            self._pass(group, "committed")
        except BaseException as error:  # noqa: BLE001 - the loop's edge: every caller gets it
            with suppress(sqlite3.Error):  # a disk that fails may fail this, too
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            results = [typed_error(error, self.database)] * len(group)
        # Each changed row makes at most about one page dirty, and so do the tables' roots.
        self._log_pages += connection.total_changes - before + 2
        self.busy = False
        return results

    def _by_itself(self, connection: sqlite3.Connection, unit: _Unit) -> Any:
        """The unit's result or its error."""
        self.busy = True
        try:
            with self._locks.gate():
                result = unit.apply(connection)
            self.heads.clear()
            self._committed()
            self._pass([unit], "committed")
        except BaseException as error:  # noqa: BLE001 - the loop's edge: the caller gets it
            result = typed_error(error, self.database)
        self.busy = False
        return result

    def _apply(self, connection: sqlite3.Connection, unit: _Unit) -> Any:
        """The unit's result, or its error after it was undone alone."""
        connection.execute("SAVEPOINT unit")
        try:
            result = self._applied(connection, unit)
        except BaseException as error:  # also what ends threads: this one serves others, too
            self.heads.clear()
            if not connection.in_transaction:
                raise  # a full or failing disk: SQLite has undone the whole group
            connection.execute("ROLLBACK TO unit")
            result = typed_error(error, self.database)
        connection.execute("RELEASE unit")
        return result

    def _applied(self, connection: sqlite3.Connection, unit: _Unit) -> Any:
        """The unit's result; raises its error."""
        result = unit.apply(connection)
        if self._faults is not None:
            self._faults(f"{unit.kind} applied")
        return result

    def _log_growth(self) -> int:
        """Bytes by which the log is larger than when it was moved, or cut, last."""
        now = time.monotonic()
        if now < self._look_at:
            return 0
        self._look_at = now + self._look_seconds
        size = self.log_size()
        self._moved_size = min(self._moved_size, size)
        return size - self._moved_size

    def _empty_log(self, connection: sqlite3.Connection) -> None:
        """Move the log into the database file as far as no reader needs it."""
        self._log_pages = 0
        try:
            with self._locks.gate():
                self._reach("moving")
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
                self._reach("moved")
        except Exception:  # noqa: BLE001 - what is committed stays in the log for the next attempt
            return

    def _pass(self, group: list[_Unit], stage: str) -> None:
        if self._faults is not None:
            for unit in group:
                self._faults(f"{unit.kind} {stage}")

    def _reach(self, point: str) -> None:
        if self._faults is not None:
            self._faults(point)


def _no_log() -> int:
    return 0


def _nothing(connection: sqlite3.Connection) -> None:
    """A unit that only waits for those before it."""
    connection.execute("SELECT 1")
