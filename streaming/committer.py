"""Brings the rows of one run into its event log, in id order, many at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .errors import EventsMissingError, LogBackedUpError, LogFailedError, StagedError
from .events import Event
from .outbox import Outbox
from .points import Faults, Point
from .ports import EventCodec, EventLog, Row
from .waiting import Gate, is_held, running_loop

CALL_ASYNC_TWINS = "call the async twins (`ainvoke`, `astream`) in async nodes"
"""What who holds up a loop is told to do."""


@dataclass(slots=True, eq=False, repr=False)  # not frozen: one per run
class DurableRun:
    """The rows of one run in a durable log."""

    run_id: str
    event_log: EventLog
    codec: EventCodec

    async def append(self, rows: Sequence[Row]) -> None:
        """Store the rows; returns when they are committed."""
        await self.event_log.append(self.run_id, rows)

    async def last(self) -> int:
        """The highest id stored."""
        return await self.event_log.last(self.run_id)

    async def read(self, after: int, upto: int, limit: int) -> list[Event]:
        """The next events with after < id <= upto; raises EventsMissingError if there are none."""
        rows = await self.event_log.read(self.run_id, after, min(limit, upto - after))
        events: list[Event] = []
        for event_id, data in rows:
            if event_id != after + len(events) + 1:
                break
            event = self.codec.decode(data)
            event.id = event_id
            events.append(event)
        if not events:
            raise EventsMissingError(
                f"event {after + 1} of run {self.run_id!r} was committed (so were those up to "
                f"{upto}) and the event log does not have it; restore the log from a backup, or "
                "subscribe after a later chunk"
            )
        return events


class Committer:
    """Owns the rows that are not yet visible.

    `changed` is called, without the lock, whenever rows became visible.  `add`, `take` and
    `make_room` expect the lock to be held.
    """

    __slots__ = ("_changed", "_faults", "_in_vain", "_lock", "_max_rows", "_max_size", "_sender",
                 "_state", "durable", "loop", "outbox", "progress")  # fmt: skip

    def __init__(
        self,
        durable: DurableRun,
        lock: threading.RLock,
        changed: Callable[[], None],
        *,
        visible: int,
        max_rows: int,
        max_size: int,
        faults: Faults | None = None,
    ) -> None:
        self.durable = durable
        self._lock = lock
        self._changed = changed
        self._faults = faults
        self._max_rows = max_rows
        self._max_size = max_size
        self._state = "open"
        self._in_vain: dict[asyncio.AbstractEventLoop, BaseException] = {}
        self._sender: asyncio.AbstractEventLoop | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        """That `pump` runs on."""
        self.outbox = Outbox(visible)
        self.progress = Gate(lock)
        """Pulses when rows were added, committed or given back."""

    def make_room(self, count: int, size: int) -> None:
        """Raise LogBackedUpError if so much more may not wait."""
        rows, waiting = self.outbox.count, self.outbox.size
        if rows and (rows + count > self._max_rows or waiting + size > self._max_size):
            way = (
                f"whose event loop is held up by sync code that writes much; {CALL_ASYNC_TWINS}"
                if is_held(self.loop)
                else "which does not keep up; run the log's `pump`, and `await writer.drain()` "
                "while writing much"
            )
            raise LogBackedUpError(
                f"{rows} events ({waiting} bytes) of run {self.durable.run_id!r} wait for the "
                f"event log, {way}"
            )

    def add(self, row: Row) -> None:
        """Queue a row; pulse `progress` after the lock is left."""
        self.outbox.add(row)

    def take(self) -> tuple[Row, ...]:
        """All unsent rows, for a transaction of the caller's own."""
        self._sender = running_loop()
        return self.outbox.take()

    @property
    def awaited(self) -> asyncio.AbstractEventLoop | None:
        """The loop that is to go on: that of who has sent what is in flight, or of `pump`."""
        return self.loop if self.outbox.idle else self._sender

    @property
    def failed(self) -> bool:
        """True if the log was closed with an error: nothing is sent any more."""
        return self._state == "failed"

    def stop(self, *, failed: bool) -> None:
        """No rows will come: `pump` ends when all are committed, or at once if `failed`."""
        with self._lock:
            self._state = "failed" if failed else "stopped"
        self.progress.pulse()

    async def pump(self) -> None:
        """Commit rows as they come, until stopped; raises what the event log raises."""
        self.loop = asyncio.get_running_loop()
        while True:
            await self.progress.until(self._has_work_or_ends)
            if not await self.send():
                return

    def _has_work_or_ends(self) -> bool:
        if self.failed:
            return True
        return self.outbox.sendable or (self._state == "stopped" and not self.outbox.count)

    def _take_if_sendable(self) -> tuple[Row, ...]:
        with self._lock:
            sendable = self.outbox.sendable and not self.failed
            return self.take() if sendable else ()

    async def flush(self, target: int) -> None:
        """Return when the ids up to `target` are visible; raises what the event log raises."""
        outbox = self.outbox
        while outbox.visible < target:
            if self.failed:
                raise LogFailedError(
                    f"event {target} of run {self.durable.run_id!r} cannot become visible: its log "
                    "was closed with an error; read on from the event log when that is mended"
                )
            if not await self.send():
                await self.progress.until(lambda: self._can_flush(target))
                if outbox.visible < target:
                    self._refuse_to_wait()

    async def send(self) -> bool:
        """Commit what waits if nothing is in flight; false if that is nothing."""
        rows = self._take_if_sendable()
        if rows:
            await self._append(rows)
        return bool(rows)

    async def find(self) -> bool:
        """Ask the log for what is in flight, whoever has sent it; false if it has nothing of it."""
        last = await self.durable.last()
        with self._lock:
            is_news = self.outbox.find(last)
        if is_news:
            self._changed()
            self.progress.pulse()
        return is_news

    def _can_flush(self, target: int) -> bool:
        outbox = self.outbox
        return outbox.visible >= target or outbox.sendable or self.failed or self._is_in_vain

    @property
    def _is_in_vain(self) -> bool:
        return not self.outbox.idle and running_loop() in self._in_vain

    def give_up(self, error: BaseException) -> None:
        """On this loop nobody need wait for what others have in flight, until `hope`."""
        with self._lock:
            self._in_vain[asyncio.get_running_loop()] = error
        self.progress.pulse()

    def hope(self) -> None:
        """Who waits on this loop waits as long as it takes."""
        with self._lock:
            self._in_vain.pop(asyncio.get_running_loop(), None)

    def _refuse_to_wait(self) -> None:
        """Raise why nobody waits any more for what is in flight, if that is so."""
        with self._lock:
            if self.outbox.idle:
                return
            error = self._in_vain.get(asyncio.get_running_loop())
        if self.failed:
            raise LogFailedError(
                f"{self.outbox.count} events of run {self.durable.run_id!r} are not in its log, "
                "which was closed with an error; read on from the event log when that is mended"
            )
        if error is not None:
            raise LogBackedUpError(
                f"{self.outbox.count} events of run {self.durable.run_id!r} are not in the event "
                f"log, and who sends them is held up by sync code; {CALL_ASYNC_TWINS}"
            ) from error

    async def _append(self, rows: tuple[Row, ...]) -> None:
        try:
            if self.outbox.doubtful:
                rows = await self._without_committed(rows)
            if rows:
                await self._reach("append")
                await self.durable.append(rows)
                await self._reach("appended")
        except BaseException:  # a cancelled append may have happened: `doubtful` remembers it
            self.give_back(rows)
            raise
        self.confirm(rows)

    async def _reach(self, point: Point) -> None:
        if self._faults is not None and (held := self._faults(point)) is not None:
            await held

    async def _without_committed(self, rows: tuple[Row, ...]) -> tuple[Row, ...]:
        last = await self.durable.last()
        with self._lock:
            self.outbox.doubtful = False
        return rows[self._confirm_upto(rows, last) :]

    def _confirm_upto(self, rows: tuple[Row, ...], last: int) -> int:
        done = sum(1 for event_id, _ in rows if event_id <= last)
        self.confirm(rows[:done])
        return done

    @property
    def is_settled(self) -> bool:
        """True if no append is in flight, and no row's commit is in doubt."""
        return self.outbox.idle and not self.outbox.doubtful

    async def settled(self) -> None:
        """Wait until it `is_settled`.

        Raises LogBackedUpError if that was given up on this loop, LogFailedError if the log was
        closed with an error.
        """
        await self.progress.until(lambda: self.outbox.idle or self.failed or self._is_in_vain)
        self._refuse_to_wait()
        if self.outbox.doubtful:
            last = await self.durable.last()
            with self._lock:
                self.outbox.settle(last)
            self._changed()

    def check(self, rows: Sequence[Row]) -> None:
        """Raise StagedError unless all the rows are in flight."""
        with self._lock:
            if not self.outbox.holds(rows):
                raise StagedError(
                    f"rows {[event_id for event_id, _ in rows]} of run {self.durable.run_id!r} are "
                    "not staged; release, unstage or withdraw what `stage` gave exactly once"
                )

    def confirm(self, rows: Sequence[Row]) -> None:
        """The rows, which were in flight, are committed."""
        with self._lock:
            self.outbox.confirm(rows)
        self._changed()
        self.progress.pulse()

    def give_back(self, rows: Sequence[Row]) -> None:
        """The rows, which were in flight, are unsent again."""
        with self._lock:
            self.outbox.give_back(rows)
        self.progress.pulse()

    async def withdraw(self, rows: tuple[Row, ...], blanks: Sequence[Event]) -> int:
        """Give rows back, with the blank events in the place of those with their ids.

        Rows that the log has all the same (their commit was cancelled too late) are confirmed;
        gives the highest id in the log.
        """
        try:
            encoded = {event.id: self.durable.codec.encode(event) for event in blanks}
            last = await self.durable.last()
        except BaseException:
            self.give_back(rows)
            raise
        rest = rows[self._confirm_upto(rows, last) :]
        self.give_back([(at, encoded.get(at, data)) for at, data in rest])
        with self._lock:
            self.outbox.doubtful = False
        return last
