"""The dispatcher: takes runs, starts each when it is its turn, and brings them to their end.

One process owns a database's runs.  What is open stands in memory (`register.py`), in the order in
which it is to run (`lanes.py`); the rows are there so that the next process can go on.  A run of a
thread starts when the thread's runs before it are over; others wait for nobody.

    taken      strategy decided, row stored, thread busy               `accepting.py`
    running    when it is its turn (`turns.py`), on the engine         `running.py`
    cancelled  its row says so, then the engine stops it               `cancelling.py`
    over       row and thread written and synced, then it is told      `settling.py`
    at a stop  steps reach a checkpoint, rows stay open                `draining.py`
    at a start what is open goes on                                    `recovering.py`
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace

from actors import ActorSystem
from checkpoint import SqliteSaver, SqliteTables

from .accepting import IfNotExists, Intake
from .cancelling import Canceller, OpenStatus
from .deleting import Deleter
from .draining import drain
from .ended import EndedRuns, PastRun
from .errors import OverloadedError
from .graphs import Graphs
from .lanes import Job
from .live import LiveRun
from .logs import note
from .records import CancelAction, Run
from .recovering import Recoverer
from .register import Register
from .retention import Retention
from .running import Runner
from .settings import Settings
from .settling import Settler
from .tally import Tally
from .threads import Threads
from .tracing import Traces
from .turns import Turns
from .webhooks import Webhooks


@dataclass(frozen=True, slots=True)
class DispatcherStats:
    """The dispatcher's runs, at this moment."""

    pending: int
    running: int
    tally: Tally
    """What was counted since the start."""


class Dispatcher:
    """Takes runs and sees them through; see the module.

    `sleep` waits between tries to write to a full disk, and to send a webhook.  Without `webhooks`
    runs that have one run all the same, and nobody is told.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        tables: SqliteTables,
        saver: SqliteSaver,
        system: ActorSystem,
        graphs: Graphs,
        threads: Threads,
        traces: Traces,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        webhooks: bool = True,
    ) -> None:
        self.feeds = threads.feeds
        """For those who follow whole threads."""
        private = settings.allow_private_webhooks
        self._settings = settings
        self._tables = tables
        self._traces = traces
        self._clock = clock
        self._has_webhooks = webhooks
        self._webhooks = Webhooks(tables, allow_private=private, sleep=sleep)
        self.ended = EndedRuns(
            saver.serializer,
            retention=settings.retention,
            max_bytes=settings.ended_bytes,
            clock=clock,
        )
        """Runs without a thread that ended lately."""
        self._register = register = Register(self.ended)
        runner = Runner(graphs, system, saver, traces)
        settler = Settler(
            tables, saver, self._webhooks, retention=settings.retention, clock=clock, sleep=sleep
        )
        self._turns = turns = Turns(tables, register, runner, settler, clock, self.feeds)
        self._intake = Intake(tables, threads, register, turns, clock)
        self._canceller = Canceller(tables, register, turns.stop)
        self._deleter = Deleter(tables, saver, register, self._canceller)
        self._retention = Retention(
            tables, saver.events, max_bytes=settings.retention_bytes, clock=clock
        )
        self._recoverer = Recoverer(
            tables,
            register,
            turns,
            runner,
            settler,
            max_attempts=settings.max_attempts,
            clock=clock,
        )

    async def accept(self, run: Run, *, if_not_exists: IfNotExists = "reject") -> LiveRun:
        """Take a run that somebody waits for; it starts when it is its turn.

        Of a stateless one nothing is stored.  A run on a thread is stored when this returns, and
        its strategy has stopped the thread's other runs or waits for them.  Raises ConflictError
        (the strategy rejects), NotFoundError (the thread), InvalidError (the webhook),
        OverloadedError (too many runs, a shutdown, a full disk); nothing is changed then.
        """
        run = self._checked(run)
        if not run.stateless:
            return await self._intake.take(run, if_not_exists)
        job = Job(LiveRun(replace(run, attempt=1)), row=False, begun=True)
        self._register.add(job)
        self._turns.start(job)
        return job.live

    async def accept_background(
        self, run: Run, *, if_not_exists: IfNotExists = "reject"
    ) -> LiveRun:
        """Take a run that nobody waits for: it is stored and synced when this returns.

        Raises as `accept` does.
        """
        run = self._checked(run)
        live = await self._intake.take(run, if_not_exists)
        await self._tables.synced()
        return live

    def live(self, run_id: str) -> LiveRun | None:
        """A run that was accepted here, and is open."""
        return self._register.live(run_id)

    def known_on(self, thread_id: str) -> Sequence[LiveRun | PastRun]:
        """Open runs of a thread, or the stateless one that has this id instead of one."""
        return self._register.known_on(thread_id)

    def stats(self) -> DispatcherStats:
        """Counts, at this moment."""
        running = sum(job.state in ("running", "settling") for job in self._register)
        return DispatcherStats(len(self._register) - running, running, self._turns.tally)

    async def cancel(
        self, thread_id: str | None, run_ids: Sequence[str], action: CancelAction, *, wait: bool
    ) -> None:
        """Cancel runs: "interrupt" keeps what they have done, "rollback" makes the thread what it
        was before them, and them unknown.

        From here on their rows say so, also after a crash.  `wait`: return when they have ended.
        Raises NotFoundError if none of them is open.
        """
        await self._canceller.cancel(thread_id, run_ids, action, wait=wait)

    async def cancel_all(self, status: OpenStatus, action: CancelAction) -> None:
        """Cancel all runs that wait, or run, or both.  Raises NotFoundError if there are none."""
        await self._canceller.cancel_all(status, action)

    async def clear(self, thread_id: str) -> None:
        """Roll back the open runs of a thread; returns when they have ended, and those, too, that
        somebody had cancelled before."""
        await self._canceller.clear(thread_id)

    def alone(self, thread_id: str) -> AbstractAsyncContextManager[None]:
        """Have a thread to oneself, for what is no run: none begins meanwhile (one that is at work
        stays), and who asks for the same waits."""
        return self._turns.alone(thread_id)

    async def delete(self, thread_id: str, run_id: str) -> None:
        """Forget a run of a thread; an open one is cancelled first.  Raises NotFoundError."""
        await self._deleter.delete(thread_id, run_id)

    async def recover(self) -> None:
        """Take up what an earlier process left: at the server's start, before requests come."""
        await self._recoverer.recover()
        await self._webhooks.resend()

    def begin_sweeping(self) -> None:
        """Forget, now and then, what is too old or too much of ended runs' events."""
        sweeping = self._retention.sweep_every(self._settings.sweep, asyncio.sleep)
        self._turns.supervisor.spawn(sweeping, name="retention")

    async def sweep(self) -> None:
        """Forget now what is too old or too much of ended runs' events."""
        await self._retention.sweep()

    async def drain(self) -> None:
        """Take nothing new, let running steps reach a checkpoint, and leave what is open to the
        next start; what runs longer than `settings.drain` seconds is cancelled."""
        self.feeds.close()
        await drain(
            self._tables,
            self._register,
            self._turns,
            seconds=self._settings.drain,
            clock=self._clock,
        )
        await self._webhooks.aclose()

    def _checked(self, run: Run) -> Run:
        """The run as it is taken."""
        if self._turns.is_halted:
            raise OverloadedError("The server is shutting down; send the run again in a moment")
        if len(self._register) >= self._settings.max_runs:
            raise OverloadedError(
                f"{len(self._register)} runs wait or run here, which is as many as may; send the "
                "run again when some have ended"
            )
        if self._register.size >= self._settings.queue_bytes:
            raise OverloadedError(
                f"The runs that wait or run here were given {self._register.size} bytes, which is "
                "as much as may be; send the run again when some have ended"
            )
        if self._has_webhooks:
            self._webhooks.check(run.order.webhook)
        else:
            run = replace(run, order=replace(run.order, webhook=None))
        note(run)
        return self._traces.noted(run)
