"""What is written when a run has ended: its row, its thread's, and what its webhook is told."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Awaitable, Callable

from checkpoint import CheckpointError, SqliteSaver, SqliteTables

from .answers import moment, run_json
from .jsontext import to_json
from .lanes import Job
from .logs import run_facts
from .outcome import Outcome, Rest, failed, failed_as, thread_error, thread_status
from .records import Json, Run, ThreadStatus
from .run_rows import (
    delete_runs,
    end_run,
    fail_thread,
    has_open_runs,
    keep_events,
    keep_webhook,
)
from .thread_rows import settle_thread
from .webhooks import Webhooks

logger = logging.getLogger(__name__)

_PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds between tries to write how a run ended, the last one again and again."""


_SHUT_DOWN = {
    "error": "RuntimeError",
    "message": "the server shut down before this run had ended, and nothing of it is stored; send "
    "it again",
}


class Settler:
    """Brings outcomes into the database, and tells who waits."""

    def __init__(
        self,
        tables: SqliteTables,
        saver: SqliteSaver,
        webhooks: Webhooks,
        *,
        retention: float,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]],
    ) -> None:
        self._tables = tables
        self._saver = saver
        self._webhooks = webhooks
        self._retention = retention
        self._clock = clock
        self._sleep = sleep

    async def settle(self, job: Job, outcome: Outcome) -> None:
        """Write how a job ended, then tell who waits for it.

        While the database cannot be written, who waits is told so, and the thread's other runs
        wait until it can.
        """
        live = job.live
        if outcome.is_suspended:
            if job.row:
                live.suspend()
                return
            outcome = failed_as(_SHUT_DOWN)
        job.state = "settling"
        payload = self._payload(live.run, outcome)
        if job.row:
            try:
                await self._write(job, outcome, payload)
            except CheckpointError as error:
                shown = failed(error)
                live.settle("error", shown.values, shown.error)
                await self._write_later(job, outcome, payload, error)
            except Exception as error:  # noqa: BLE001 - users' values, which cannot be shown
                logger.warning(
                    "what run %s left cannot be stored: %r",
                    job.run_id,
                    error,
                    extra=run_facts(live.run),
                )
                outcome = failed(error)
                await self._write(job, outcome, None)
        if not live.is_settled:
            live.settle(outcome.status, outcome.values, outcome.error)
        if payload is not None:
            self._webhooks.send(live.run, payload)

    async def rest(self, run: Run, rest: Rest | None) -> None:
        """Show how a thread stands whose last run was stopped by a process that then died."""
        now = self._clock()
        outcome = Outcome(run.status, None, None, rest)
        error = thread_error(outcome, "interrupt", began=run.attempt > 0)

        def unit(db: sqlite3.Connection) -> None:
            keep_events(db, run.run_id, now + self._retention)
            _show_thread(db, run.thread_id, thread_status(outcome), error, rest, now)

        await self._tables.write(unit)

    async def _write(self, job: Job, outcome: Outcome, payload: bytes | None) -> None:
        unit = self._unit(job, outcome, payload)
        await self._tables.write(unit)
        if job.stop == "rollback" and not job.live.run.stateless:
            await self._saver.events.forget([job.run_id])
        await self._tables.synced()

    async def _write_later(
        self, job: Job, outcome: Outcome, payload: bytes | None, error: Exception
    ) -> None:
        tries = 0
        while True:
            logger.error(
                "how run %s ended is not written yet: %s",
                job.run_id,
                error,
                extra=run_facts(job.live.run),
            )
            await self._sleep(_PAUSES[min(tries, len(_PAUSES) - 1)])
            tries += 1
            try:
                return await self._write(job, outcome, payload)
            except CheckpointError as again:
                error = again

    def _unit(
        self, job: Job, outcome: Outcome, payload: bytes | None
    ) -> Callable[[sqlite3.Connection], None]:
        run, now, gone = job.live.run, self._clock(), job.stop == "rollback"

        def unit(db: sqlite3.Connection) -> None:
            if run.stateless or gone:
                delete_runs(db, [run.run_id])
            else:
                end_run(
                    db,
                    run.run_id,
                    status=outcome.status,
                    error=outcome.error,
                    now=now,
                    events_until=now + self._retention,
                )
                if payload is not None:
                    keep_webhook(db, run.run_id, payload)
            if not run.stateless:
                _settle_thread(db, job, outcome, now)

        return unit

    def _payload(self, run: Run, outcome: Outcome) -> bytes | None:
        """What the webhook of a run is sent, if it has one."""
        if run.order.webhook is None:
            return None
        now = moment(self._clock())
        told = {**run_json(run), "status": outcome.status, "updated_at": now}
        told |= {"run_started_at": moment(run.updated_at), "run_ended_at": now}
        return to_json({**told, "values": outcome.values, "error": outcome.error})


def _settle_thread(db: sqlite3.Connection, job: Job, outcome: Outcome, now: float) -> None:
    """The thread is what the run has left; busy if another run is open."""
    run = job.live.run
    status = "busy" if has_open_runs(db, run.thread_id) else thread_status(outcome)
    error = thread_error(outcome, job.stop, began=run.attempt > 0)
    _show_thread(db, run.thread_id, status, error, outcome.rest, now)


def _show_thread(
    db: sqlite3.Connection,
    thread_id: str,
    status: ThreadStatus,
    error: Json | None,
    rest: Rest | None,
    now: float,
) -> None:
    if rest is None:
        fail_thread(db, thread_id, status=status, error=error, now=now)
    else:
        settle_thread(
            db,
            thread_id,
            status=status,
            values=rest.values,
            interrupts=rest.interrupts,
            error=error,
            now=now,
        )
