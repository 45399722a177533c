"""Runs that belong to the call that made them: `ainvoke` and `astream` outside of a system."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Protocol, Self

from checkpoint import Saver, new_id
from streaming import SKIP, RunLog

from .adapters import run_context
from .carried import run_as_guest
from .commands import Begin
from .context import TaskContext, current
from .endings import cancelled
from .errors import GraphInterrupt, NodeStoppedError, RunCancelledError
from .layout import Layout
from .look import Look, Reader
from .plan import Plan
from .quiet import QuietLog
from .report import WATCH_NONE
from .request import Request, narrowed, watch_of
from .run import Run
from .scheduler import Scheduler
from .supervisor import Supervisor
from .traces import show_user_frames
from .values import GraphOutput, Interrupt


@dataclass(slots=True, eq=False, repr=False)  # not frozen: one per run, 0.4 µs less
class Call:
    """One call of a graph; never changed."""

    layout: Layout
    saver: Saver | None
    input: Any
    request: Request
    caller: TaskContext | None
    inline: bool


class Ending(Protocol):
    """A run as its reader sees it."""

    async def output(self) -> GraphOutput:
        """Wait for its end; gives what it gave, or raises what it raised."""
        ...

    async def end(self) -> None:
        """Stop it; nothing of it is alive when this returns, or is cancelled."""
        ...

    def cancel_nowait(self) -> None:
        """Ask it to stop."""
        ...


class GraphStream(AsyncIterator[Any]):
    """The chunks of a run that belongs to its reader: what `astream` gives.

    The run starts with the first chunk asked for, and is in lockstep with its reader: a super-step
    starts when the reader asks for more than the last one gave.  Leaving the loop, `aclose` and
    garbage collection cancel it; so does cancelling who is in an `async for` over it, and nothing
    of the run is alive when that cancel arrives.  Who awaits `anext` with a deadline may ask again.
    """

    def __init__(self, begin: Callable[[], tuple[Ending, Reader]]) -> None:
        self._begin = begin
        self._run: Ending | None = None
        self._chunks: Reader | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = False
        self._looped = False
        """True: a loop is left when its wait is cancelled, as nobody could go on with it."""
        self._output: GraphOutput | None = None

    def __aiter__(self) -> Self:
        self._looped = True
        return self

    async def __anext__(self) -> Any:
        if self._over:
            raise StopAsyncIteration
        reader, shown = self._chunks or self._begun(), SKIP
        try:
            while shown is SKIP:
                if not reader.made:
                    await _chunks_in(reader)
                shown = reader.take_nowait()
        except StopAsyncIteration:
            if self._over:  # closed by another task
                raise
        except asyncio.CancelledError:
            await self._leave()
            raise
        else:
            return shown
        self._over = True
        try:
            await self._end()
        except BaseException as error:
            show_user_frames(error)  # here, as any frame above would be shown again
            raise
        raise StopAsyncIteration

    def _begun(self) -> Reader:
        """The reader of the run, which begins now."""
        self._loop = asyncio.get_running_loop()
        self._run, self._chunks = self._begin()
        return self._chunks

    async def _end(self) -> None:
        """The chunks are at their end, and so is the run."""
        if self._run is None:
            return
        try:
            self._output = await self._run.output()
        except StopAsyncIteration as error:  # a node's
            show_user_frames(error)
            raise NodeStoppedError from error
        except asyncio.CancelledError:
            await self._leave()
            raise

    async def _leave(self) -> None:
        """Who waited is cancelled."""
        if self._looped:
            await self.aclose()

    def take_nowait(self) -> Any:
        """The next chunk if it needs no waiting, so no event loop either; else SKIP."""
        return SKIP if self._over or self._chunks is None else self._chunks.take_nowait()

    async def output(self) -> GraphOutput:
        """Read to the end; gives what the run gave.  Raises RunCancelledError if it was closed."""
        async for _ in self:
            pass
        if self._output is None:
            raise RunCancelledError("the stream was closed, so there is no result; run it again")
        return self._output

    async def aclose(self) -> None:
        """Cancel the run, if it has not ended; nothing of it is alive when this returns."""
        self._over = True
        if self._run is not None and self._chunks is not None:
            self._run.cancel_nowait()
            await self._chunks.aclose()
            await self._run.end()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __del__(self) -> None:
        loop, run = self._loop, self._run
        if not self._over and loop is not None and run is not None and not loop.is_closed():
            loop.call_soon_threadsafe(run.cancel_nowait)


async def _chunks_in(reader: Reader) -> None:
    """Wait until there may be some."""
    waiter = reader.park()
    if waiter is None:
        await reader.ready()
        return
    try:
        await waiter
    except BaseException:
        reader.unpark()
        raise


async def run_privately(call: Call) -> GraphOutput:
    """Run to the end; cancelled meanwhile, cancel the run first."""
    plan = _plan(call, None)
    if plan.is_quiet:
        return await run_as_guest(_driven(plan), plan.context.copy())
    run = Run(plan, None, _log(call)).begin()
    try:
        return await run.output()
    finally:
        if not run.log.closed:
            await run.end()


async def _driven(plan: Plan) -> GraphOutput:
    """A quiet run: it needs no `Run`, which others would ask or stop."""
    events = QuietLog(plan.request.config.run_id)
    try:
        facts, setting = plan.facts(events), plan.setting(events, None)
        scheduler = Scheduler(plan.layout, facts, setting, Supervisor("call"), caller=plan.caller)
        interrupts: tuple[Interrupt, ...] = ()
        try:
            await scheduler.drive(Begin(plan.input))
        except GraphInterrupt as pause:
            interrupts = pause.interrupts
        values = scheduler.machine.channels.output()
        return GraphOutput(narrowed(plan.layout.spec, values, plan.request.output_keys), interrupts)
    except asyncio.CancelledError:
        raise cancelled(events.run_id) from None
    finally:
        events.close()


def stream_privately(call: Call, look: Look) -> GraphStream:
    """The chunks of a run of its own."""

    def begin() -> tuple[Run, Reader]:
        log = _log(call)
        reader = look.owner(log)
        run = Run(_plan(call, look), None, log)
        reader.park()  # it asks for the first chunk: the run need not wait for it
        run.begin_here()
        reader.unpark()
        return run, reader

    return GraphStream(begin)


def _log(call: Call) -> RunLog:
    return RunLog(call.request.config.run_id or new_id(), keep=False)


def _plan(call: Call, look: Look | None) -> Plan:
    watch = WATCH_NONE if look is None else watch_of(look.wanted)
    return Plan(
        layout=call.layout,
        input=call.input,
        request=call.request,
        saver=call.saver,
        watch=watch,
        child_watch=watch if look is not None and look.subgraphs else watch.below,
        context=run_context(current),
        owned=look is not None,
        inline=call.inline and (look is None or _LIVE.isdisjoint(look.wanted)),
        caller=call.caller,
    )


_LIVE = frozenset({"custom", "messages", "events"})
"""Modes whose chunks come from inside a node: its reader must be able to run meanwhile."""
