"""One run on the engine, from its graph's opening to its outcome."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import actors
from actors import ActorSystem, CompiledGraph, RunEndedError
from checkpoint import CheckpointError, SqliteSaver
from streaming import Event, Paused, RunFailed, RunFinished

from .failures import failure_json
from .graphs import Graphs
from .lanes import Job
from .launch import (
    UNNAMED,
    context_keys_of,
    engine_config,
    engine_input,
    engine_options,
    factory_config,
)
from .logs import run_facts
from .outcome import (
    SUSPENDED,
    Outcome,
    Rest,
    ended,
    failed,
    failed_as,
    left_by,
    rest_of,
    stopped,
    with_questions,
)
from .records import CancelAction, Json, Run
from .tracing import NoTrace, RunTrace, Traces
from .undoing import Undoer

logger = logging.getLogger(__name__)

_LAST = 256
"""Events at the end of a log that tell how the run ended."""


class Runner:
    """Starts runs on the actor system, and sees them through to their end."""

    def __init__(
        self, graphs: Graphs, system: ActorSystem, saver: SqliteSaver, traces: Traces
    ) -> None:
        self._graphs = graphs
        self._system = system
        self._saver = saver
        self._traces = traces
        self._undoer = Undoer(system, saver)

    async def run(self, job: Job) -> Outcome:
        """Run a job to its end; what goes wrong is its outcome."""
        run = job.live.run
        with self._traces.begin(run) as trace:
            try:
                async with self._graphs.open(
                    run.graph_id,
                    factory_config(run),
                    context=run.order.context,
                    user=run.order.user,
                ) as graph:
                    return await self._run_in(graph, job, trace)
            except Exception as error:  # noqa: BLE001 - the run's edge: whatever it is, it failed
                job.state = "settling"
                trace.ended("error", error)
                logger.warning("run %s did not run: %r", run.run_id, error, extra=run_facts(run))
                return failed(error, await self.rest(run))

    async def retire(self, job: Job) -> Outcome:
        """The outcome of a job that was cancelled while the engine did not have it."""
        run = job.live.run
        if job.stop == "rollback" and run.attempt:
            await self._undo_left(run)
        return stopped(await self.rest(run))

    async def give_up(self, run: Run, error: dict[str, str], now: float) -> Outcome:
        """The outcome of a run that is not tried again, which its log says, too; the one that it
        had before the process died, if it came so far."""
        if run.stateless:
            return failed_as(error)
        try:
            async with self._graphs.open(run.graph_id, access="threads.read") as graph:
                over = await self._over(graph, run)
                if over is not None:
                    return over
                await self._log_failure(graph, run, error, now)
                return failed_as(error, await _rest_in(graph, run))
        except Exception as problem:  # noqa: BLE001 - the row says it, if nothing else can
            logger.warning("thread %s cannot be read: %r", run.thread_id, problem)
            return failed_as(error)

    async def _log_failure(
        self, graph: CompiledGraph, run: Run, error: dict[str, str], now: float
    ) -> None:
        events = self._saver.events
        last = await events.last(run.run_id)
        if last == 0:
            return  # nothing of it was ever told
        log = await self._system.find_log(graph, run.run_id, _thread_config(run))
        if log.durable is None:
            return
        event = RunFailed(id=last + 1, time=now, error=error["error"], message=error["message"])
        await events.append(run.run_id, [(event.id, log.durable.codec.encode(event))])
        self._system.hub.drop(run.run_id)  # that log ends before the new event

    async def rest(self, run: Run) -> Rest | None:
        """How the run's thread stands; None if it has none, or nobody can tell."""
        if run.stateless:
            return None
        try:
            async with self._graphs.open(run.graph_id, access="threads.read") as graph:
                return await _rest_in(graph, run)
        except Exception as error:  # noqa: BLE001 - the thread stays as it was shown last
            logger.warning(
                "thread %s cannot be read: %r", run.thread_id, error, extra=run_facts(run)
            )
            return None

    async def _run_in(self, graph: CompiledGraph, job: Job, trace: RunTrace | NoTrace) -> Outcome:
        run = job.live.run
        value, checkpoint = engine_input(run.order), run.order.checkpoint
        if run.attempt > 1 and not run.stateless:
            over = await self._over(graph, run)
            if over is not None:
                return over
            if await self._has_begun(run):
                value, checkpoint = None, None
        config = engine_config(run, run.attempt, checkpoint)
        if graph.name == UNNAMED:  # then clients know it as what it is served as
            config.setdefault("run_name", run.graph_id)
        keys = context_keys_of(graph.spec.sources.context)
        engine = await self._system.start(
            graph, value, config, control=job.control, **engine_options(run, keys)
        )
        trace.follow(engine.log)
        job.live.begin(engine, run.attempt)
        if job.stop == "rollback":  # asked for while the graph was opened
            stop_engine(job)
        await engine.ended()
        trace.ended(engine.status, engine.error)
        job.state = "settling"
        return await self._outcome(graph, job, engine)

    async def _outcome(self, graph: CompiledGraph, job: Job, engine: actors.Run) -> Outcome:
        run = job.live.run
        if job.stop is None and engine.status == "cancelled":  # by nobody but a shutdown
            return SUSPENDED
        if job.stop == "rollback" and not (job.rolled_back and engine.status == "cancelled"):
            await self._undo(graph, run)
        result: Any = None
        if engine.error is None:
            output = await engine.output()
            result = with_questions(output.value, output.interrupts)
        rest = None if run.stateless else await _rest_in(graph, run)
        return stopped(rest) if job.stop is not None else ended(engine, result, rest)

    async def _undo(self, graph: CompiledGraph, run: Run) -> None:
        """Take back what a run has stored that no engine can undo any more."""
        if not run.stateless:
            await self._undoer.undo(graph, run)

    async def _undo_left(self, run: Run) -> None:
        """The same, of a run that the engine does not have; one without a log has stored nothing,
        and of one whose graph cannot be had only the checkpoints go."""
        if run.stateless or await self._saver.events.last(run.run_id) == 0:
            return
        try:
            async with self._graphs.open(run.graph_id, access="threads.read") as graph:
                await self._undo(graph, run)
            self._system.hub.drop(run.run_id)  # it was read for that
        except CheckpointError:
            raise
        except Exception as error:  # noqa: BLE001 - its graph is gone, or a factory raised
            logger.warning(
                "run %s is undone without its graph: %r", run.run_id, error, extra=run_facts(run)
            )
            await self._saver.adelete_for_runs([run.run_id])

    async def _has_begun(self, run: Run) -> bool:
        """True if the thread's newest checkpoint is this run's: it goes on from there."""
        loaded = await self._saver.load(run.thread_id)
        return loaded is not None and loaded.record.metadata.run_id == run.run_id

    async def _over(self, graph: CompiledGraph, run: Run) -> Outcome | None:
        """How a run ended according to its log, if only its row does not know yet."""
        last = await self._saver.events.last(run.run_id)
        if last == 0:
            return None
        log = await self._system.find_log(graph, run.run_id, _thread_config(run))
        if log.durable is None:
            return None
        events = await log.durable.read(max(0, last - _LAST), last, _LAST)
        event = events[-1]
        if isinstance(event, RunFailed):
            return failed_as(failure_json(event.error, event.message), await _rest_in(graph, run))
        if not isinstance(event, RunFinished) or not _is_whole(event, events):
            return None
        snapshot = await graph.aget_state(_thread_config(run))
        return Outcome("success", left_by(graph, snapshot), None, rest_of(snapshot))


def _is_whole(end: RunFinished, before: Sequence[Event]) -> bool:
    """False if the run goes on: it was cancelled by nobody, or stopped between two steps."""
    if end.status != "interrupted":
        return end.status == "success"
    step = [event for event in before if event.step == before[-2:][0].step]
    return any(isinstance(event, Paused) for event in step)


def may_be_stopped(job: Job, action: CancelAction) -> bool:
    """Have a job stop, when its row says so; false if it has ended by itself.

    Of a rollback the engine hears at once: it can undo a run while that is not over, and of one
    that ends before its row says so, nobody else knows any more what it found.
    """
    job.stop = action
    if action == "rollback" and not stop_engine(job):
        job.stop = None
    return job.stop is not None


def stop_engine(job: Job) -> bool:
    """Tell the engine to stop a job, as `job.stop` says, if it has begun it; false if the engine
    tells already how it ended."""
    engine, action = job.live.engine, job.stop
    if engine is None or action is None:
        return True
    try:
        engine.cancel_nowait(action=action)
    except RunEndedError:
        job.rolled_back = False
        return False
    job.rolled_back = action == "rollback"
    return True


async def _rest_in(graph: CompiledGraph, run: Run) -> Rest:
    return rest_of(await graph.aget_state(_thread_config(run)))


def _thread_config(run: Run) -> Json:
    return {"configurable": {"thread_id": run.thread_id}}
