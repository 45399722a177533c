"""The actor system: the root that owns runs, their supervisor and their logs.

An async context manager that fits an ASGI lifespan: on leaving it takes nothing new, gives runs
until the drain deadline to end, then cancels what is left.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

from checkpoint import new_id
from streaming import EventLog, Faults, Hub, HubStats, LogOptions, RunLog

from .adapters import run_context
from .config import Config, check_seconds
from .context import current
from .errors import ConfigError, RunUnknownError, SystemClosedError
from .layout import Layout
from .patience import see_through, seen
from .plan import Plan
from .request import (
    Request,
    StartOptions,
    check_keys,
    layout_for,
    parse_look,
    watch_of_run,
)
from .run import Run
from .step_meter import OnStep, StepMeter
from .supervisor import Supervisor

if TYPE_CHECKING:
    from .compiled import CompiledGraph


class ActorSystem:
    """Owns runs that outlive the call that started them.

    `drain_timeout`: seconds that runs get to end when the system closes (None: as long as they
    take).  `event_log`: keeps the events of runs on threads, so that a reader may come back after
    a restart (a saver's `events`; the graphs' saver when both are in one file).  `max_finished`:
    ended runs whose logs stay at hand.  `ring_bytes`: what the events of one run may take in
    memory, about; a reader that is slower reads on from the event log, or gets a Gap.  `on_step`:
    called with the seconds of each super-step of a run, its commit among them; those of graphs in
    tasks are a part of the step that they are in.  `faults` are for tests: what is to go wrong in
    its logs (`streaming.testing_faults`).

        async with ActorSystem() as system:
            run = await system.start(graph, {"topic": "cats"}, {"configurable": {"thread_id": "1"}})
            async for chunk in run.stream("updates"):
                print(chunk.data)
            print(await run.result())
    """

    def __init__(
        self,
        name: str = "system",
        *,
        drain_timeout: float | None = 10.0,
        event_log: EventLog | None = None,
        max_finished: int = 256,
        ring_bytes: int = 1 << 26,
        on_step: OnStep | None = None,
        faults: Faults | None = None,
    ) -> None:
        self.supervisor = Supervisor(name)
        """Owns the tasks; actors of your own may be started under it."""
        self.hub = Hub(max_finished=max_finished, faults=faults)
        """The logs of runs, live and lately finished."""
        self._drain_timeout = check_seconds("drain_timeout", drain_timeout)
        self._event_log = event_log
        self._max_finished = max_finished
        self._ring_bytes = _check_positive("ring_bytes", ring_bytes)
        self._on_step = on_step
        self._runs: dict[str, Run] = {}
        self._finished: deque[str] = deque()
        self._closing = False
        self._close_task: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        """Set when the closing is cancelled: no more draining."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    @property
    def runs(self) -> Mapping[str, Run]:
        """Runs by id: those that are alive, and the lately finished ones whose log is kept."""
        return MappingProxyType(self._runs)

    def stats(self) -> HubStats:
        """Counts of the system's logs."""
        return self.hub.stats()

    async def start(
        self,
        graph: CompiledGraph,
        input: Any,  # noqa: A002 - the name users know
        config: Config | None = None,
        **options: Unpack[StartOptions],
    ) -> Run:
        """Start a run that goes on by itself, whoever reads it.

        `options`: see `StartOptions` (stream_mode, output_keys, durability, stateless, …).
        Raises SystemClosedError, ConfigError; what goes wrong later is the run's result.
        """
        self._check_open()
        _check_compiled(graph)
        request = Request.parse(
            config,
            graph.bound,
            options,
            known=StartOptions,
            context_schema=graph.spec.sources.context,
        )
        watch = watch_of_run(parse_look(request.stream_mode))
        check_keys(graph.spec, request.output_keys)
        layout = layout_for(graph.layout, request)
        saver = graph.saver_for(request)
        run_id = request.config.run_id or new_id()
        options_of_log = await self._log_options(graph, request, run_id)
        self._check_open()  # it may have begun to close while we looked
        log = self.hub.open(run_id, **options_of_log)
        plan = Plan(
            layout=layout,
            input=input,
            request=request,
            saver=saver,
            watch=watch,
            child_watch=watch,
            context=run_context(current),
            caller=current(),
            meter=None if self._on_step is None else StepMeter(self._on_step),
        )
        try:
            run = self._runs[run_id] = Run(plan, self.supervisor, log, on_end=self._retire).begin()
        except BaseException:  # started from a foreign loop: the id stays free
            log.close()
            self.hub.drop(run_id)
            raise
        return run

    async def find_log(
        self, graph: CompiledGraph, run_id: str, config: Config | None = None
    ) -> RunLog:
        """The events of a run by its id: alive, lately finished, or, with an event log, of an
        earlier process; then `config` names its thread.

        Raises RunUnknownError (a LookupError).

            log = await system.find_log(graph, run_id, {"configurable": {"thread_id": "1"}})
            async for chunk in log.subscribe("updates", after=last_seen):
                print(chunk.data)
        """
        known = self.hub.get(run_id)
        if known is not None:
            return known
        if self._event_log is None or await self._event_log.last(run_id) == 0:
            raise RunUnknownError(
                f"run {run_id!r} is not known: it is neither alive nor lately finished here, and "
                "no event log holds it; give the id of a run on a thread of a system with event_log"
            )
        request = Request.parse(config, graph.bound, {})
        options = await self._log_options(graph, request, run_id)
        log = self.hub.get(run_id) or self.hub.open(run_id, **options)
        log.close()
        return log

    async def _log_options(self, graph: CompiledGraph, request: Request, run_id: str) -> LogOptions:
        saver = graph.saver_for(request)
        if self._event_log is None or saver is None:
            return {"keep": True, "max_bytes": self._ring_bytes}
        from .codec import durable_options  # for systems that keep the events of runs

        options = await durable_options(
            self._event_log,
            saver,
            run_id,
            layout=graph.layout,
            thread_id=request.config.thread_id or "",
            with_values=request.durability == "exit",
        )
        return {**options, "max_bytes": self._ring_bytes}

    def _check_open(self) -> None:
        if self._closing:
            raise SystemClosedError(
                "the actor system is closing and starts no runs; start them inside its block"
            )

    async def aclose(self) -> None:
        """Take nothing new, wait for runs until the drain deadline, cancel what is left.

        Cancelled while it waits, it cancels the runs at once, and still sees them to their end.
        """
        self._closing = True
        if self._close_task is None:
            self._close_task = Supervisor("close").spawn(self._close(), name="close", on_done=seen)
        await see_through(self._close_task, on_cancel=self._hurry.set)
        self._close_task.result()

    async def _close(self) -> None:
        live = [run for run in self._runs.values() if not run.log.closed]
        ends = [self.supervisor.spawn(run.ended(), name="drain") for run in live]
        hurry = self.supervisor.spawn(self._hurry.wait(), name="hurry")
        if ends:
            drained = self.supervisor.spawn(asyncio.wait(ends), name="drain")
            await asyncio.wait(
                {drained, hurry},
                timeout=self._drain_timeout,
                return_when=asyncio.FIRST_COMPLETED,
            )
        for run in live:
            run.cancel_nowait()
        for run in live:
            await run.ended()
        await self.supervisor.stop()

    def _retire(self, run: Run) -> None:
        """A run has ended; forget the oldest ended one when there are too many."""
        self._finished.append(run.run_id)
        if len(self._finished) > self._max_finished:
            gone = self._finished.popleft()
            if gone in self._runs and self._runs[gone].log.closed:
                del self._runs[gone]
                self.hub.drop(gone)


def _check_positive(name: str, value: int) -> int:
    if value < 1:
        raise ConfigError(f"{name}={value!r} cannot be; give a number of 1 or more")
    return value


def _check_compiled(graph: Any) -> None:
    if not isinstance(getattr(graph, "layout", None), Layout):
        raise ConfigError(
            f"graph={graph!r} cannot run: it is no compiled graph; give what compile() returns"
        )
