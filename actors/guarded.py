"""Nodes with a retry policy or a timeout: each attempt in a context of its own.

An attempt that failed or took too long is fenced before the next one begins: what it left running
can neither store nor stream any more.  A limited attempt runs in a task beside the one that
watches it, so that code which does not let itself be cancelled is waited for no longer than the
grace; it is stopped with the run.  Cancelling the run ends a wait between two attempts at once.
"""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING

from streaming import current_task

from . import sources
from .commands import Task
from .context import TaskContext
from .doors import loopless
from .errors import NodeCancelledError, NodeTimeoutError
from .node import attempt
from .patience import seen
from .policies import TimeoutPolicy
from .retry import retry_delay
from .spec import Writes
from .timeouts import Stopwatch

if TYPE_CHECKING:
    from .scheduler import Scheduler


async def guarded(task: Task, scheduler: Scheduler) -> Writes:
    """Run the node until an attempt succeeds: gives what it gives, or raises the last error."""
    context = scheduler.running[task]
    context.started = scheduler.facts.now()
    while True:
        try:
            return await _limited(task, context)
        except Exception as error:
            delay = _delay(error, task, context)
            if delay is None:
                raise
        context = _again(task, context)
        await asyncio.sleep(delay)


def _delay(error: Exception, task: Task, context: TaskContext) -> float | None:
    """Seconds until the next attempt; None: there is none."""
    own = asyncio.current_task()
    if own is not None and own.cancelling():  # the node turned its cancel into an error
        return None
    delay = None
    try:
        ask = loopless(retry_delay)
        delay = ask(task.node.retry, error, context.attempt, sources.dice)
    finally:  # `retry_on` is user code: it may raise
        if delay is None and context.fenced:  # the task itself was not given up: it reports
            _again(task, context)
    return delay


def _again(task: Task, failed: TaskContext) -> TaskContext:
    context = failed.again()
    failed.scheduler.running[task] = context
    current_task.set(context)
    return context


async def _limited(task: Task, context: TaskContext) -> Writes:
    scheduler, policy = context.scheduler, task.node.timeout
    if policy is None:
        return await attempt(task, scheduler)
    context.stopwatch = watch = Stopwatch(policy, scheduler.loop.time)
    work = scheduler.supervisor.spawn(
        attempt(task, scheduler),
        name=task.node.name,
        context=contextvars.copy_context(),
        on_done=seen,
    )
    try:
        while not work.done() and watch.exceeded() is None:
            await asyncio.wait({work}, timeout=_finite(watch.left()))
    except asyncio.CancelledError:
        scheduler.supervisor.cancel(work)
        raise
    if not work.done():
        error = _too_late(task.node.name, policy, watch)
        context.fence()
        scheduler.supervisor.cancel(work)
        await asyncio.wait({work}, timeout=scheduler.supervisor.grace)
        raise error
    if work.cancelled():
        raise NodeCancelledError(task.node.name)
    return work.result()


def _too_late(name: str, policy: TimeoutPolicy, watch: Stopwatch) -> NodeTimeoutError:
    return NodeTimeoutError(
        name,
        watch.elapsed,
        kind=watch.exceeded() or "run",
        idle_timeout=None if policy.idle_timeout is None else policy.idle_seconds,
        run_timeout=None if policy.run_timeout is None else policy.run_seconds,
    )


def _finite(seconds: float) -> float | None:
    return None if seconds == float("inf") else max(0.0, seconds)
