"""A run: one execution of a graph, from its claim on the thread to its result.

The run's own task claims the thread, loads its newest checkpoint, drives the scheduler, waits until
all is synced, and gives the thread back.  Readers come and go and take nothing with them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextvars import Context
from types import TracebackType
from typing import Any, Self

from checkpoint import Claim, Decoder, Loaded, Saver
from streaming import Overflow, RunFailed, RunFinished, RunLog, RunStatus, with_interrupts

from .attempts import Earlier, earlier_attempts, note_run, opening, runs_at
from .carried import Visit, visit
from .commands import Begin
from .config import check_seconds
from .context import check_reentry
from .departure import NEW, Departure, depart
from .endings import cancelled, log_broke, rolled_back, status_after
from .errors import (
    ConfigError,
    GraphInterrupt,
    RunCancelledError,
    RunEndedError,
)
from .latch import Latch
from .patience import see_through
from .plan import Plan
from .recorder import Recorder
from .request import Modes, check_asked, narrowed, parse_look
from .restore import restored_from
from .run_stream import RunStream
from .scheduler import Scheduler
from .setting import Setting
from .supervisor import Supervisor
from .traces import user_frames
from .tracing import graph_ended, graph_failed, graph_started
from .values import CANCEL_ACTIONS, CancelAction, GraphOutput, Interrupt
from .views import message_text


class Run:
    """One execution of a graph; made by `ActorSystem.start`.

    Any number of readers may follow it, at any time; it belongs to its system, not to them.
    """

    def __init__(
        self,
        plan: Plan,
        supervisor: Supervisor | None,
        log: RunLog,
        *,
        on_end: Callable[[Run], None] | None = None,
    ) -> None:
        self.run_id = log.run_id
        self.thread_id = plan.thread_id
        self.log = log
        """The run's events."""
        self._plan = plan
        self._above = supervisor
        """What ends it too; None: only who reads it does."""
        self._supervisor = supervisor or Supervisor("call")
        self._status: RunStatus = "pending"
        self._scheduler: Scheduler | None = None
        self._error: BaseException | None = None
        self._traceback: TracebackType | None = None
        self._values: Any = {}
        self.interrupts: tuple[Interrupt, ...] = ()
        """What the run waits for, if it was interrupted."""
        self._ended = Latch()
        self._cancelled = False
        self._rollback = False
        """True: what the run stores is to be forgotten."""
        self._rolled_back = False
        self._settled = False
        """True: what the run stored stays."""
        self._log_error: BaseException | None = None
        self._on_end = on_end
        self._trace = plan.trace(self.run_id)
        self._tells = log.keep or log.durable is not None
        """Its begin and its end are events, which no mode shows: for who reads them all, later."""
        self._pump: asyncio.Task[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._visit: Visit | None = None
        """Its life so far, in the asyncio task of its reader."""

    def begin(self) -> Self:
        """Run in an asyncio task of its own."""
        if self.log.durable is not None:
            name, pump = f"run {self.run_id}", self.log.pump()
            self._pump = self._supervisor.spawn(pump, name=name, on_done=self._pumped)
        self._spawn(self._live(), self._plan.context.copy())
        return self

    def begin_here(self) -> None:
        """Run in the asyncio task of who calls up to where it has to wait, and then as `begin`."""
        if self._plan.saver is not None or self._trace is not None:  # may wait before it can stop
            self.begin()
            return
        try:
            self._visit = visit(self._live(), self._plan.context.copy(), self._spawn)
        finally:
            if self._visit is None:
                self._say_over()

    def _spawn(self, code: Coroutine[Any, Any, None], context: Context) -> None:
        name, self._visit = f"run {self.run_id}", None  # which knows the run: no circle is left
        self._task = self._supervisor.spawn(code, name=name, context=context, on_done=self._over)

    def __repr__(self) -> str:
        return f"<Run {self.run_id} {self._status} thread={self.thread_id!r}>"

    # --- what users see ----------------------------------------------------------------------

    @property
    def status(self) -> RunStatus:
        """pending | running | success | error | interrupted | cancelled."""
        return self._status

    @property
    def error(self) -> BaseException | None:
        """What ended the run, if it did not end well."""
        return self._error

    async def result(self) -> Any:
        """Wait for the end; gives the final values, or raises what the run raised.

        A run that waits for answers gives its values so far, with the interrupts as a list under
        "__interrupt__".  `output_keys`, if the run was started with them, narrow the values.

        Raises RunCancelledError if it was cancelled.  A cancelled reader leaves the run alone.
        """
        await self.output()
        if not self.interrupts:
            return self._values
        return with_interrupts(self._values, list(self.interrupts))

    async def output(self) -> GraphOutput:
        """The same, with values and interrupts apart."""
        await self._ended.wait()
        self.check()
        return GraphOutput(self._values, self.interrupts)

    async def ended(self) -> None:
        """Wait for the end, however it comes."""
        await self._ended.wait()

    async def end(self) -> None:
        """Cancel it, and see it through to its end, also when the waiting is cancelled."""
        self.cancel_nowait()
        if self._visit is not None:
            self._visit.end()
        if self._task is not None:
            await see_through(self._task)

    def check(self) -> None:
        """Raise what ended the run, if it did not end well."""
        if self._error is not None:
            raise self._error.with_traceback(self._traceback)

    def stream(
        self,
        stream_mode: Modes | None = None,
        *,
        after: int | None = None,
        overflow: Overflow = "gap",
        subgraphs: bool = False,
    ) -> RunStream:
        """The run's chunks, also those of before: all the log holds, or those after a chunk id.

        `stream_mode`: default what the run was started with, or "updates".  Ends with the run, and
        raises what a run that failed raised (after a cancel it just ends; see `status`).  A reader
        that falls behind loses chunks and is told so (`overflow`: "gap" gives a Gap with the
        number lost, "spill" reads on from the durable log, "disconnect" ends the reader).
        Raises UnknownStreamModeError, ModeNotAskedError.

            async for chunk in run.stream(["updates", "custom"]):
                print(chunk.mode, chunk.data)
        """
        request = self._plan.request
        modes = parse_look(request.stream_mode if stream_mode is None else stream_mode)
        check_asked(self.run_id, modes, self._plan.watch)
        subscriber = self.log.subscribe(
            modes,
            after=after,
            overflow=overflow,
            subgraphs=subgraphs,
            output_keys=request.output_keys,
        )
        return RunStream(self, subscriber)

    async def cancel(self, *, action: CancelAction = "interrupt", grace: float = 1.0) -> None:
        """Stop the run.  "interrupt": what has finished is kept, and the thread can be run on.
        "rollback": the thread is again as the run found it, also in its subgraphs' namespaces.

        User code is cancelled once and gets `grace` seconds for its clean-up.  When this returns,
        no coroutine of the run is alive, and worker threads, which Python cannot stop, are fenced:
        what they still write or stream is refused.  An "interrupt" is harmless when the run has
        ended; a "rollback" raises RunEndedError then, and what went wrong if it could not be done.
        Of two actions at the same time "rollback" counts.  Raises ConfigError for any other action,
        and for a grace that is no time; the run goes on then.
        """
        self.cancel_nowait(grace, action=action)
        await self._ended.wait()
        if action == "rollback" and self._status == "error" and not self._rolled_back:
            self.check()

    def cancel_nowait(self, grace: float = 1.0, *, action: CancelAction = "interrupt") -> None:
        """Ask the run to stop, without waiting until it has."""
        if action not in CANCEL_ACTIONS:
            raise ConfigError(
                f"action={action!r} cannot be; give one of {', '.join(CANCEL_ACTIONS)}"
            )
        check_seconds("grace", grace)
        if action == "rollback":
            self._ask_rollback()
        if self._ended.is_open or self._cancelled:
            return
        self._cancelled = True
        if self._scheduler is not None:
            self._scheduler.cancel_nowait(grace)
        elif self._task is not None:
            self._supervisor.cancel(self._task)

    def _ask_rollback(self) -> None:
        if self._rollback or self._plan.saver is None:
            return
        if self._settled or self._ended.is_open:
            raise RunEndedError(
                f"run {self.run_id!r} has ended and cannot be rolled back; its "
                "checkpoints stay; run the thread from an older one instead"
            )
        self._rollback = True

    # --- its life ----------------------------------------------------------------------------

    async def _live(self) -> None:
        claim: Claim | None = None
        saver = self._plan.saver
        try:
            if saver is not None:
                claim = await self._claim(saver)
            self._status = "running"
            self._status = await self._drive(saver, claim)
        except asyncio.CancelledError:
            self._fail(cancelled(self.run_id))
        except BaseException as error:  # the run's edge: whatever ended it is its result
            self._fail(error)
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
        finally:
            if claim is not None and saver is not None:
                saver.release(claim)
            await self._close_log()

    async def _claim(self, saver: Saver) -> Claim:
        thread_id = self.thread_id or ""
        check_reentry(self._plan.caller, saver, thread_id)
        timeout = self._plan.request.claim_timeout
        return await saver.claim(thread_id, f"run {self.run_id}", timeout=timeout)

    async def _drive(self, saver: Saver | None, claim: Claim | None) -> RunStatus:
        layout = self._plan.layout
        start = NEW if saver is None else await depart(layout, saver, self._plan.request.config)
        loaded = start.loaded
        runs_before = self._runs_before(loaded)
        earlier = await earlier_attempts(self.log, runs_before) if self.log.durable else None
        restored = recorder = None
        if saver is not None and claim is not None:
            recorder = self._plan.recorder(self.run_id, saver, claim, loaded)
            await recorder.mark(loaded)
            if loaded is not None:
                read = Decoder(saver.serializer)
                restored = restored_from(loaded, read, layout, replayed=start.replayed)
                recorder.go_on_from(restored, layout)
                if runs_before and not start.replayed:
                    await note_run(recorder, loaded, runs_before, self.run_id)
        name = f"run {self.run_id}"
        supervisor = Supervisor(name) if self._above is None else self._above.child(name)
        scheduler = Scheduler(
            layout,
            self._plan.facts(self.log),
            self._setting(start, earlier),
            supervisor,
            restored=restored,
            recorder=recorder,
            caller=self._plan.caller,
            meter=self._plan.meter,
        )
        if self._tells:
            self.log.publish(opening(self.log, self.thread_id, earlier.attempts if earlier else 0))
        try:
            await graph_started(scheduler, self._plan.input)
            self._scheduler = scheduler
            status = await self._carry_out(scheduler, recorder)
        except BaseException as error:
            self._scheduler = None
            await graph_failed(scheduler, error)
            raise
        self._scheduler = None
        await graph_ended(scheduler, self._values)
        return status

    async def _carry_out(self, scheduler: Scheduler, recorder: Recorder | None) -> RunStatus:
        status: RunStatus = "success"
        try:
            await scheduler.drive(Begin(self._plan.input))
        except GraphInterrupt as pause:
            status, self.interrupts = "interrupted", pause.interrupts
        finally:
            if recorder is not None:
                await self._settle(recorder)
        if self._rolled_back:
            raise rolled_back(self.run_id)
        values = scheduler.machine.channels.output()
        self._values = narrowed(self._plan.layout.spec, values, self._plan.request.output_keys)
        return status

    async def _settle(self, recorder: Recorder) -> None:
        """Wait until what the run stored is on the disk, or forgotten if that is asked for."""
        await recorder.synced()
        if self._rollback:
            await recorder.rewind()
            await recorder.synced()
            self._rolled_back = True
        self._settled = True

    def _runs_before(self, loaded: Loaded | None) -> Sequence[str]:
        """The runs whose logs tell what models had said in the tasks that this one goes on with."""
        saver = self._plan.saver
        if loaded is None or saver is None or self.log.durable is None:
            return ()
        return runs_at(loaded, saver) if self._plan.watch.messages and self._plan.goes_on else ()

    def _setting(self, start: Departure, earlier: Earlier | None) -> Setting:
        setting = self._plan.setting(self.log, self._trace)
        setting.said = earlier.said if earlier else None
        if start.entries is not None and self._plan.goes_on:
            setting.entries = start.entries
        return setting

    def _over(self, task: asyncio.Task[None]) -> None:
        """The run's task has ended, maybe before it began."""
        if not task.cancelled():
            task.exception()  # told to whoever asks for the result
        if self._status in ("pending", "running"):
            self._fail(cancelled(self.run_id))
            self._say_last_word()
        self._say_over()

    def _say_over(self) -> None:
        self._ended.open()
        if self._on_end is not None:
            self._on_end(self)

    def _pumped(self, pump: asyncio.Task[None]) -> None:
        """The durable log takes no more: at the end, or because it broke, which ends the run."""
        error = None if pump.cancelled() else pump.exception()
        if error is not None:
            self._log_error = error
            self.log.close(error)
            self.cancel_nowait()

    def _fail(self, error: BaseException) -> None:
        if self._log_error is not None:
            error = log_broke(self.run_id, self._log_error)
        elif self._rolled_back and isinstance(error, Exception):
            error = rolled_back(self.run_id)
        self._status = status_after(error)
        frames = user_frames(error.__traceback__)
        if frames is error.__traceback__ and isinstance(error, RunCancelledError):
            frames = None  # all of them are ours: they hold the run, which is to hold the error
        self._error, self._traceback = error, frames
        error.with_traceback(frames)

    async def _close_log(self) -> None:
        self._say_last_word()
        if self._pump is not None:
            await asyncio.wait({self._pump})

    def _say_last_word(self) -> None:
        error = self._error
        if not self.log.closed and self._tells:
            if self._status == "error" and error is not None:
                self.log.publish(RunFailed(error=type(error).__name__, message=message_text(error)))
            else:
                self.log.publish(RunFinished(status=self._status))
        self.log.close()
