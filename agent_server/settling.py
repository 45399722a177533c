"""What is written when a run has ended: its row, its thread's, and what its webhook is told."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from itertools import chain, repeat

from checkpoint import CheckpointError, RowTooLargeError, SqliteSaver, SqliteTables

from .answers import moment, run_json
from .errors import UnshowableError
from .jsontext import to_json
from .lanes import Job
from .left_rows import keep_answer, keep_webhook
from .live import LiveRun
from .logs import run_facts
from .outcome import Outcome, Rest, failed, failed_as, stopped, thread_error, thread_status
from .records import Json, Run, ThreadStatus
from .run_rows import (
    delete_runs,
    end_run,
    fail_thread,
    has_open_runs,
    keep_events,
    run_exists,
)
from .thread_rows import is_shown_busy, open_runs, settle_thread
from .webhooks import Webhooks

logger = logging.getLogger(__name__)

_PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds between tries to write how a run ended, the last one again and again."""


_UNWRITTEN = "how run %s ended is not written yet: %s"
_UNSHOWABLE = "what run %s left cannot be stored: %s"
_UNKEPT = "the webhook of run %s is in memory only: %s"
_SHUT_DOWN = {
    "error": "RuntimeError",
    "message": "the server shut down before this run had ended, and nothing of it is stored; send "
    "it again",
}


@dataclass(frozen=True, slots=True)
class _Ending:
    """An outcome, and how it is told."""

    outcome: Outcome
    answer: bytes
    payload: bytes | None
    """What its webhook is sent, if it has one."""


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

    async def settle(self, job: Job, outcome: Outcome) -> bool:
        """Write how a job ended, then tell who waits for it.

        While the database cannot be written, who waits is told so, and the thread's other runs
        wait until it can.  False: nothing is written of this bystander, as the run at work has
        ended before it and took the thread for busy; now it is for this one to say how that stands.
        """
        live = job.live
        if outcome.is_suspended:
            if job.row:
                live.suspend()
                return True
            outcome = failed_as(_SHUT_DOWN)
        job.state = "settling"
        ending = self._ending(live.run, outcome)
        if job.row:
            stored = await self._store(job, ending)
            if stored is None:
                return False
            ending = stored
        elif ending.payload is not None:
            await self._keep_webhook(job, ending)
        _tell(live, ending)
        if ending.payload is not None:
            self._webhooks.send(live.run, ending.payload)
        return True

    async def _store(self, job: Job, ending: _Ending) -> _Ending | None:
        """Write it, however long that takes; gives what was written, None if it may not be."""
        run = job.live.run
        for pause in chain(_PAUSES, repeat(_PAUSES[-1])):
            try:
                if not await self._write(job, ending):
                    return None
                break
            except (UnshowableError, RowTooLargeError) as error:  # in what it left on its thread
                ending = self._ending(run, failed(error))
                logger.warning(_UNSHOWABLE, run.run_id, error, extra=run_facts(run))
            except CheckpointError as error:
                logger.warning(_UNWRITTEN, run.run_id, error, extra=run_facts(run))
                _tell(job.live, self._ending(run, failed(error)))
                await self._sleep(pause)
        return ending

    async def _keep_webhook(self, job: Job, ending: _Ending) -> None:
        """Of a run without a row; it is sent in any case, if not after a restart."""
        try:
            await self._tables.write(self._unit(job, ending))
        except CheckpointError as error:
            run = job.live.run
            logger.warning(_UNKEPT, run.run_id, error, extra=run_facts(run))

    async def rest(self, run: Run, rest: Rest | None) -> None:
        """Show how a thread stands whose last run was stopped by a process that then died."""
        now = self._clock()
        outcome = replace(stopped(rest), status=run.status)
        error = thread_error(outcome, "interrupt", began=run.attempt > 0)
        answer = self._ending(run, outcome).answer

        def unit(db: sqlite3.Connection) -> None:
            keep_events(db, run.run_id, now + self._retention)
            keep_answer(db, run.run_id, answer)
            _show_thread(db, run.thread_id, thread_status(outcome), error, rest, now)

        await self._tables.write(unit)

    async def _write(self, job: Job, ending: _Ending) -> bool:
        if not await self._tables.write(self._unit(job, ending)):
            return False
        if job.stop == "rollback" and not job.live.run.stateless:
            await self._saver.events.forget([job.run_id])
        await self._tables.synced()
        return True

    def _unit(self, job: Job, ending: _Ending) -> Callable[[sqlite3.Connection], bool]:
        run, outcome, now = job.live.run, ending.outcome, self._clock()

        def unit(db: sqlite3.Connection) -> bool:
            if job.bystander and _was_overtaken(db, run):
                return False
            # One that was cancelled may be deleted before it has ended, with its thread.
            is_known = run.stateless or run_exists(db, run.run_id)
            if run.stateless or job.stop == "rollback":
                delete_runs(db, [run.run_id])
            elif is_known:
                until = now + self._retention
                status, error = outcome.status, outcome.error
                end_run(db, run.run_id, status=status, error=error, now=now, events_until=until)
                keep_answer(db, run.run_id, ending.answer)
            if ending.payload is not None and run.order.webhook is not None:
                keep_webhook(db, run.run_id, run.order.webhook, ending.payload)
            if is_known and not run.stateless and not job.bystander:
                _settle_thread(db, job, outcome, now)
            return True

        return unit

    def _ending(self, run: Run, outcome: Outcome) -> _Ending:
        """The outcome as it is told; a failure, if it cannot be shown."""
        try:
            return _Ending(outcome, to_json(outcome.values), self._payload(run, outcome))
        except UnshowableError as error:
            failure = failed(error)
            return _Ending(failure, to_json(failure.values), self._payload(run, failure))

    def _payload(self, run: Run, outcome: Outcome) -> bytes | None:
        """What the webhook of a run is sent, if it has one."""
        if run.order.webhook is None:
            return None
        now = moment(self._clock())
        told = {**run_json(run), "status": outcome.status, "updated_at": now}
        told |= {"run_started_at": moment(run.updated_at), "run_ended_at": now}
        return to_json({**told, "values": outcome.values, "error": outcome.error})


def _tell(live: LiveRun, ending: _Ending) -> None:
    """Unless it was told already that the end could not be written."""
    if not live.is_settled:
        live.settle(ending.outcome.status, ending.answer, ending.outcome.error)


def _was_overtaken(db: sqlite3.Connection, run: Run) -> bool:
    """True if the thread is shown as busy with no other run than this one."""
    return {*open_runs(db, run.thread_id)} <= {run.run_id} and is_shown_busy(db, run.thread_id)


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
