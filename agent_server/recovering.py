"""At the server's start: what an earlier process left open goes on, or is brought to its end."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace

from checkpoint import CheckpointError, SqliteTables

from .lanes import Job
from .live import LiveRun
from .records import CancelAction, Run
from .recovery import gave_up, recovery
from .register import Register
from .run_rows import note_crash, open_rows, resting_threads
from .running import Runner
from .settling import Settler
from .turns import Turns

AT_ONCE = 8
"""Runs that are started before requests have a turn; a thousand at once kept them for 0.6 s."""


class Recoverer:
    """Takes up what is open in the database and not in this process."""

    def __init__(
        self,
        tables: SqliteTables,
        register: Register,
        turns: Turns,
        runner: Runner,
        settler: Settler,
        *,
        max_attempts: int,
        clock: Callable[[], float],
    ) -> None:
        self._tables = tables
        self._register = register
        self._turns = turns
        self._runner = runner
        self._settler = settler
        self._max_attempts = max_attempts
        self._clock = clock

    async def recover(self) -> None:
        """Undo what was being undone, end what is hopeless, and start the rest in order."""
        now = self._clock()
        left = await self._tables.read(open_rows)
        plan = recovery(left, self._max_attempts)

        def unit(db: sqlite3.Connection) -> None:
            for run_id in plan.crashed:
                note_crash(db, run_id, now)

        await self._tables.write(unit)
        for run in plan.undone:
            await self._turns.end_unrun(self._taken_up(run, stop="rollback"))
        for run in plan.given_up:
            outcome = await self._runner.give_up(run, gave_up(self._max_attempts), now)
            await self._turns.end(self._taken_up(run), outcome)
        for run in await self._tables.read(resting_threads):
            await self._settler.rest(run, await self._runner.rest(run))
        self._go_on(plan.going_on)

    def _go_on(self, runs: Sequence[Run]) -> None:
        """They have their places in line when this returns; what comes later comes after them."""
        jobs = [self._taken_up(run) for run in runs]
        for job in jobs:
            self._turns.line_up(job)
        self._turns.supervisor.spawn(self._start(jobs), name="recovery")

    async def _start(self, jobs: Sequence[Job]) -> None:
        for first in range(0, len(jobs), AT_ONCE):
            for job in jobs[first : first + AT_ONCE]:
                if job.state == "storing":  # nobody has cancelled it meanwhile
                    self._turns.allow(job)
            await asyncio.sleep(0)  # they begin, each with a row to write
            with suppress(CheckpointError):  # of a full disk they hear themselves
                await self._tables.write(_nothing)

    def _taken_up(self, run: Run, stop: CancelAction | None = None) -> Job:
        job = Job(LiveRun(replace(run, status="pending")), row=True, begun=False)
        job.stop = stop
        self._register.add(job)
        return job


def _nothing(db: sqlite3.Connection) -> None:
    """Come after what was written before."""
