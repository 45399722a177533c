"""Taking a run on a thread: its strategy, its row, its place in line."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from checkpoint import DatabaseError, SqliteTables

from .errors import NotFoundError, OverloadedError
from .lanes import Job
from .live import LiveRun
from .records import CancelAction, Run, Thread
from .register import Register
from .run_rows import add_run, stop_runs
from .running import may_be_stopped
from .strategies import make_way
from .tasks import seen
from .thread_rows import add_thread, mark_thread, thread_exists
from .threads import Threads
from .turns import Turns

logger = logging.getLogger(__name__)

IfNotExists: TypeAlias = Literal["create", "reject"]
NO_THREAD = "Thread or assistant not found."


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is written when a run is taken, all of it or nothing."""

    run: Run
    thread: Thread | None
    """To be made, if there is none."""
    stopped: Sequence[str]
    action: CancelAction | None

    def apply(self, db: sqlite3.Connection) -> None:
        """Raises NotFoundError."""
        if not self.run.stateless:
            self._enter_thread(db)
        add_run(db, self.run)
        if self.action is not None:
            stop_runs(db, self.stopped, self.action)

    def _enter_thread(self, db: sqlite3.Connection) -> None:
        run = self.run
        if not thread_exists(db, run.thread_id):
            if self.thread is None:
                raise NotFoundError(NO_THREAD)
            add_thread(db, self.thread)
        stamp = {"graph_id": run.graph_id, "assistant_id": run.assistant_id}
        mark_thread(db, run.thread_id, status="busy", now=run.created_at, metadata=stamp)


class Intake:
    """Takes runs that are stored."""

    def __init__(
        self,
        tables: SqliteTables,
        threads: Threads,
        register: Register,
        turns: Turns,
        clock: Callable[[], float],
    ) -> None:
        self._tables = tables
        self._threads = threads
        self._register = register
        self._turns = turns
        self._clock = clock
        self._storing: dict[Job, asyncio.Task[None]] = {}
        """Those that are being stored."""

    async def take(self, run: Run, if_not_exists: IfNotExists) -> LiveRun:
        """Store a run; who asked may be gone before that is done, and it is done all the same.

        Raises ConflictError, NotFoundError, OverloadedError; nothing is changed then, but that
        runs are rolled back that were to make way.
        """
        if run.multitask_strategy == "reject":
            await self._others_stored(run.thread_id)
        others = self._others(run.thread_id)
        action = make_way(run.multitask_strategy, others)
        begun = self._register.lane(run.thread_id).is_free and run.due_at <= self._clock()
        job = Job(LiveRun(replace(run, attempt=int(begun))), row=True, begun=begun)
        self._register.add(job)
        self._turns.line_up(job)
        in_way = [each for each in others if may_be_stopped(each, action)] if action else []
        create = if_not_exists == "create" or run.order.on_completion == "keep"
        entry = _Entry(
            run=replace(job.live.run, status="running" if begun else "pending"),
            thread=self._threads.fresh(run.thread_id, metadata=_kept(run)) if create else None,
            stopped=[other.run_id for other in in_way],
            action=action,
        )
        storing = self._turns.supervisor.spawn(
            self._store(job, entry, in_way), name=f"store {job.run_id}", on_done=seen
        )
        self._storing[job] = storing
        storing.add_done_callback(lambda _: self._storing.pop(job))
        await asyncio.shield(storing)
        return job.live

    def _others(self, thread_id: str) -> list[Job]:
        return [job for job in self._register.jobs_of(thread_id) if job.may_stop]

    async def _others_stored(self, thread_id: str) -> None:
        """Wait while all that is in the way is being stored: it may come to nothing, and nobody
        can see it yet."""
        while (others := self._others(thread_id)) and all(j in self._storing for j in others):
            await asyncio.wait([self._storing[job] for job in others])

    async def _store(self, job: Job, entry: _Entry, in_way: Sequence[Job]) -> None:
        try:
            if entry.thread is None:
                await self._tables.write(entry.apply)
            else:
                await self._threads.enter(entry.thread.thread_id, entry.apply)
        except BaseException as error:
            self._refuse(job, in_way)
            if isinstance(error, DatabaseError):
                logger.error("run %s could not be stored: %s", job.run_id, error)  # noqa: TRY400
                raise OverloadedError(
                    "The run could not be stored, as the server's database cannot be written now, "
                    "and nothing was changed; send it again later"
                ) from error
            raise
        for other in in_way:
            self._turns.stop(other)
        if job.state == "storing":  # nobody has stopped it yet
            self._turns.allow(job)

    def _refuse(self, job: Job, in_way: Sequence[Job]) -> None:
        for other in in_way:
            if not other.rolled_back:
                other.stop = None
        self._register.remove(job, keep=False)
        self._turns.advance(job.thread_id)


def _kept(run: Run) -> dict[str, object]:
    """What a thread that a run makes is told by: whose it is, and what else was said of the run."""
    return {key: value for key, value in run.order.metadata.items() if key != "created_by"}
