"""Cancelling runs: which may be, and in which order that is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from checkpoint import SqliteTables

from .errors import ElsewhereError, NotFoundError
from .lanes import Job
from .records import CancelAction
from .register import Register
from .run_rows import find_run, stop_runs
from .running import may_be_stopped

NO_RUNS = "No runs found to cancel."
NO_OPEN_RUNS = (
    "No matching runs to cancel. Please verify the thread ID and run IDs are correct, and the runs "
    "haven't been deleted or completed."
)
OpenStatus = Literal["pending", "running", "all"]


class Canceller:
    """Cancels open runs.  `stop` tells the engine, or takes the run out of its lane."""

    def __init__(
        self, tables: SqliteTables, register: Register, stop: Callable[[Job], None]
    ) -> None:
        self._tables = tables
        self._register = register
        self._stop = stop

    async def cancel(
        self, thread_id: str | None, run_ids: Sequence[str], action: CancelAction, *, wait: bool
    ) -> None:
        """Cancel runs by their ids; see `Dispatcher.cancel`.

        Raises NotFoundError if none of them can be cancelled, ElsewhereError for one that another
        server has.
        """
        jobs = [job for run_id in run_ids if (job := self._open(thread_id, run_id)) is not None]
        if not await self._cancel(jobs, action, wait=wait):
            known = await self._any_known(thread_id, run_ids)
            raise NotFoundError(NO_OPEN_RUNS if known else NO_RUNS)

    async def cancel_all(self, status: OpenStatus, action: CancelAction) -> None:
        """Cancel all runs that wait, or run, or both."""
        jobs = [job for job in self._register if job.may_stop and _is(job, status)]
        if not await self._cancel(jobs, action, wait=False):
            raise NotFoundError(NO_RUNS)

    async def clear(self, thread_id: str) -> None:
        """Roll back a thread's runs; see `Dispatcher.clear`."""
        jobs = self._register.jobs_of(thread_id)
        await self._cancel([job for job in jobs if job.may_stop], "rollback", wait=False)
        for job in jobs:
            await job.live.settled()

    async def _cancel(self, asked: Sequence[Job], action: CancelAction, *, wait: bool) -> bool:
        """False if all of them have ended by themselves."""
        jobs = [job for job in asked if may_be_stopped(job, action)]
        stored = [job.run_id for job in jobs if job.row]
        try:
            if stored:
                await self._tables.write(lambda db: stop_runs(db, stored, action))
        finally:  # who asked may be gone, and the disk may be full: they stop all the same
            for job in jobs:
                self._stop(job)
        if wait:
            for job in jobs:
                await job.live.settled()
        return bool(jobs)

    def _open(self, thread_id: str | None, run_id: str) -> Job | None:
        job = self._register.job(run_id)
        if job is None or not job.may_stop or thread_id not in (None, job.thread_id):
            return None
        return job

    async def _any_known(self, thread_id: str | None, run_ids: Sequence[str]) -> bool:
        for run_id in run_ids:
            known = self._register.live(run_id) or self._register.ended(run_id)
            if known is not None and thread_id in (None, known.run.thread_id):
                return True
        rows = await self._tables.read(
            lambda db: [find_run(db, thread_id, run_id) for run_id in run_ids]
        )
        for run in rows:
            if run is not None and not run.ended:
                raise ElsewhereError(run.run_id)
        return any(run is not None for run in rows)


def _is(job: Job, status: OpenStatus) -> bool:
    running = job.state == "running"
    return status == "all" or running == (status == "running")
