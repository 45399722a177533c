"""At the server's shutdown: what runs gets to a checkpoint, and stays open for the next start."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence

from checkpoint import CheckpointError, SqliteTables

from .lanes import Job
from .register import Register
from .run_rows import suspend_runs
from .turns import Turns

logger = logging.getLogger(__name__)

_GRACE = 5.0
"""Seconds that runs get to end once they are cancelled."""


async def drain(
    tables: SqliteTables,
    register: Register,
    turns: Turns,
    *,
    seconds: float,
    clock: Callable[[], float],
) -> None:
    """Start nothing more; runs on threads stop after the step that they are in, others may end.

    What is not done after these seconds is cancelled.
    """
    turns.is_halted = True
    jobs, now = list(register), clock()
    await _suspend(tables, jobs, now)
    for job in jobs:
        if not job.live.run.stateless:
            job.control.request_drain("shutdown")
    await _wait_for(jobs, seconds)
    for job in jobs:
        if job.live.engine is not None and job.state == "running":
            job.live.engine.cancel_nowait()
    await _wait_for(jobs, _GRACE)
    await _suspend(tables, [job for job in register if job not in jobs], clock())
    for job in register:
        job.live.suspend()
    await turns.supervisor.stop()


async def _suspend(tables: SqliteTables, jobs: Sequence[Job], now: float) -> None:
    """Before they are waited for, so that none counts as crashed if the process is killed then."""
    stored = [job.run_id for job in jobs if job.row]
    if not stored:
        return
    try:
        await tables.write(lambda db: suspend_runs(db, stored, now))
    except CheckpointError as error:
        logger.warning("the next start will take open runs for crashed ones: %s", error)


async def _wait_for(jobs: Sequence[Job], seconds: float) -> None:
    tasks = [job.task for job in jobs if job.task is not None and not job.task.done()]
    if tasks:
        await asyncio.wait(tasks, timeout=seconds)
