"""Whose turn it is: runs are started, stopped, and brought to their end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from actors import Supervisor
from checkpoint import CheckpointError, SqliteTables

from .feeds import Feeds, RunBegins
from .jsontext import to_json
from .lanes import Job
from .logs import about, run_facts
from .outcome import Outcome, failed
from .register import Register
from .run_rows import begin_run
from .running import Runner, stop_engine
from .settling import Settler
from .tally import Tally

logger = logging.getLogger(__name__)


class Turns:
    """The life of jobs once they are in the register; one task for each that runs."""

    def __init__(
        self,
        tables: SqliteTables,
        register: Register,
        runner: Runner,
        settler: Settler,
        clock: Callable[[], float],
        feeds: Feeds,
    ) -> None:
        self.supervisor = Supervisor("dispatcher")
        self.is_halted = False
        """True: nothing is started any more."""
        self.tally = Tally()
        self._tables = tables
        self._register = register
        self._runner = runner
        self._settler = settler
        self._clock = clock
        self._feeds = feeds

    # --- its place in line ---------------------------------------------------------------------

    def line_up(self, job: Job) -> None:
        """Put a job into its thread's lane."""
        lane = self._register.lane(job.thread_id)
        if job.live.run.due_at > self._clock():
            lane.delay(job)
        else:
            lane.add(job)

    def allow(self, job: Job) -> None:
        """It may run as soon as it is due and its turn."""
        job.state = "waiting"
        delay = job.live.run.due_at - self._clock()
        if delay > 0:
            job.timer = asyncio.get_running_loop().call_later(delay, self._ripen, job)
        else:
            self._ripen(job)

    def _ripen(self, job: Job) -> None:
        if job.state == "waiting":
            self._register.lane(job.thread_id).ripen(job)
            self.advance(job.thread_id)

    def advance(self, thread_id: str) -> None:
        """Start the thread's next run, if it is its turn."""
        job = None if self.is_halted else self._register.take(thread_id)
        if job is not None:
            self.start(job)

    @asynccontextmanager
    async def alone(self, thread_id: str) -> AsyncGenerator[None]:
        """Have a thread to oneself, but for a run that is at work: none begins meanwhile, and who
        asks for the same waits."""
        lane = self._register.lane(thread_id)
        lane.holders += 1
        try:
            async with lane.outside:
                yield
        finally:
            lane.holders -= 1
            self._register.tidy(thread_id)
            self.advance(thread_id)

    # --- its life ------------------------------------------------------------------------------

    def start(self, job: Job) -> None:
        """Run it."""
        job.state = "running"
        self.tally.began(job, self._clock())
        self._feeds.tell(job.thread_id, RunBegins(job.run_id))
        self._spawn(job, self._live(job))

    def stop(self, job: Job) -> None:
        """Stop a job as its `stop` says, wherever it is."""
        if job.state == "running":
            if job.live.engine is not None:
                stop_engine(job)
            elif job.task is not None:
                self.supervisor.cancel(job.task)
        elif job.state in ("storing", "waiting"):
            self._register.pull(job)
            self._retire(job)

    async def end(self, job: Job, outcome: Outcome) -> None:
        """Write and tell how it ended, and let the next one run."""
        await self._settler.settle(job, outcome)
        self._leave(job)

    async def end_unrun(self, job: Job) -> None:
        """End a job that was cancelled while the engine did not have it."""
        async with self.alone(job.thread_id):
            job.bystander = self._register.lane(job.thread_id).has_at_work(job)
            if not await self._settler.settle(job, await self._runner.retire(job)):
                job.bystander = False  # what it knew of the thread may be older than that end
                await self._settler.settle(job, await self._runner.retire(job))
            self._leave(job)

    def _spawn(self, job: Job, life: Coroutine[object, object, None]) -> None:
        name = f"run {job.run_id}"
        job.task = self.supervisor.spawn(life, name=name, on_done=partial(self._over, job))

    async def _live(self, job: Job) -> None:
        try:
            await self._begin(job)
            about(run_facts(job.live.run))
        except CheckpointError as error:
            outcome = failed(error)
        else:
            outcome = await self._runner.run(job)
        await self.end(job, outcome)

    async def _begin(self, job: Job) -> None:
        """Another attempt, and the row says so before it begins."""
        if job.begun:
            return
        job.begun = True
        run, now = job.live.run, self._clock()
        job.live.run = replace(run, attempt=run.attempt + 1)
        await self._tables.write(lambda db: begin_run(db, run.run_id, now))

    def _retire(self, job: Job) -> None:
        if job.timer is not None:
            job.timer.cancel()  # it would hold the job until then
        job.state = "settling"
        self._spawn(job, self.end_unrun(job))

    def _leave(self, job: Job) -> None:
        now = self._clock()
        self.tally.over(job, now)
        _log_end(job, now)
        self._register.remove(job, keep=job.stop != "rollback" and job.live.run.ended)
        self.advance(job.thread_id)

    def _over(self, job: Job, task: asyncio.Task[None]) -> None:
        """A job's task has ended; one that was cancelled before the engine had it ends here."""
        if task.cancelled():
            if job.stop is not None and job.state == "running":
                self._retire(job)
            return
        error = task.exception()
        if error is not None:
            facts = run_facts(job.live.run)
            logger.error("run %s was lost: %r", job.run_id, error, exc_info=error, extra=facts)
            shown = failed(error)
            job.live.settle("error", to_json(shown.values), shown.error)
            self._leave(job)


def _log_end(job: Job, now: float) -> None:
    """The line that a run leaves."""
    run = job.live.run
    status = run.status if run.ended else "suspended"
    why = f": {run.error['error']}" if run.error else ""
    began = now if job.began_at is None else job.began_at
    facts = {**run_facts(run), "ms": round((now - began) * 1000, 2)}
    logger.info("run ended as %s%s", status, why, extra=facts)
