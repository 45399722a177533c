"""Node actors: run the user's code of one node, several tasks at a time, and report the outcome.

A node actor is a dispatcher: each task it is sent runs in a supervised asyncio task of its own, in
a context of its own.  Async code runs on the loop, sync code in a worker thread.  What comes back
to the scheduler is the task's writes, branches decided, or its error.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from streaming import current_task

from .adapters import loaded_langchain
from .commands import Task, TaskFailed, TaskFinished, TaskInterrupted
from .context import TaskContext, current
from .dispatcher import Dispatcher
from .errors import (
    GraphDrained,
    GraphInterrupt,
    HandlerCancelledError,
    NodeCancelledError,
    ParentCommand,
)
from .params import runnable_of
from .ref import ActorRef
from .report import is_start
from .runnables import run as run_runnable
from .spec import KEPT, BranchSpec, NodeSpec, Writes
from .threads import in_thread
from .tokens import show_returned
from .traces import show_user_frames
from .writes import route_writes, writes_of

if TYPE_CHECKING:
    from .scheduler import Scheduler


class NodeActor(Dispatcher[Task, None]):
    """Runs the tasks of one node of one run."""

    def __init__(self, node: NodeSpec, scheduler: Scheduler) -> None:
        self._node = node
        self._plain = node.plain and scheduler.setting.trace is None
        self._nodes = scheduler.layout.spec.nodes
        self._scheduler = scheduler

    def started_as(self, ref: ActorRef[Task, None]) -> None:
        """Nobody asks it for its reference."""

    def context_for(self, message: Task) -> contextvars.Context:
        """The run's context, with the task in it."""
        scheduler = self._scheduler
        called = message.parent is not None
        context = scheduler.calls.context_of(message) if called else scheduler.context.copy()
        task_context = TaskContext(scheduler, message)
        scheduler.running[message] = task_context
        context.run(current_task.set, task_context)
        if called and (adapter := loaded_langchain()) is not None:  # the caller may be LangChain's
            context.run(adapter.attach, current)
        return context

    async def handle(self, message: Task) -> None:
        """Run the node for one task."""
        if message.parent is not None and not self._scheduler.calls.begun(message):
            return
        context = self._scheduler.running[message]
        node = self._node
        try:
            if self._plain:  # awaited right here, which saves 1 µs
                value = self._scheduler.machine.channels.input_of(message)
                try:
                    result = await node.call(value)
                except ParentCommand as addressed:
                    result = addressed.command
                writes = written(context, writes_of(node, result, self._nodes))
                writes += await decide(node, writes, context) if node.branches else node.targets
            else:
                writes = await self._attempt(message, context)
                context = self._scheduler.running[message]
        except asyncio.CancelledError:
            raise
        except (ParentCommand, GraphDrained) as addressed:
            self._scheduler.running[message].hand_up()
            self._reply(TaskFailed(message, addressed))
            return
        except BaseException as error:  # the edge of user code: it may raise anything
            pause = GraphInterrupt.alone_in(error)
            if pause is not None:
                self._reply(TaskInterrupted(message, pause.interrupts))
                return
            self._report(error, message)
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            return
        self._finish(context, writes)

    def _finish(self, context: TaskContext, writes: Writes) -> None:
        if self._scheduler.facts.watch.messages:
            settled = self._scheduler.machine.channels.settled(context.task, writes)
            show_returned(context, writes, settled)
            writes = settled
        if context.kept is not None:
            writes = [*writes, (KEPT, context.kept)]
        self._scheduler.reply(context, TaskFinished(context.task, writes))

    async def on_failure(self, error: Exception, message: Task) -> None:
        """What the dispatcher caught: a CancelledError that user code raised by itself, or why
        what the node returned cannot be shown."""
        if not isinstance(error, HandlerCancelledError):
            self._report(error, message)
            return
        own = NodeCancelledError(self._node.name)
        own.__cause__ = error
        self._reply(TaskFailed(message, own))

    def _reply(self, event: TaskInterrupted | TaskFailed) -> None:
        self._scheduler.reply(self._scheduler.running[event.task], event)

    def _report(self, error: BaseException, message: Task) -> None:
        """Tell the scheduler, and whoever reads the traceback which task it was."""
        task_id = self._scheduler.machine.trail.identify(message)
        show_user_frames(error)
        if not isinstance(error, NodeCancelledError):  # says it already
            with contextlib.suppress(Exception):  # an exception may refuse attributes
                error.add_note(f"During task with name '{self._node.name}' and id '{task_id}'")
        self._reply(TaskFailed(message, error))

    async def _attempt(self, task: Task, context: TaskContext) -> Writes:
        """Run the node once; gives what it writes, and where control goes next.

        A Command that a graph it called addresses to this one counts as what it gave.
        """
        node, trace = self._node, context.trace
        try:
            if is_start(task):
                writes = self._scheduler.machine.start_writes()
                result: Any = dict(writes)
                if trace is not None:
                    await trace.started(result)
            else:
                try:
                    result = await self._call(task, context)
                except ParentCommand as addressed:
                    result = addressed.command
                writes = written(context, writes_of(node, result, self._nodes))
            control = await decide(node, writes, context) if node.branches else node.targets
            if trace is not None:
                await trace.ended(result)
        except BaseException as error:
            if trace is not None:
                await trace.failed(error)
            raise
        return [*writes, *control]

    async def _call(self, task: Task, context: TaskContext) -> Any:
        node, scheduler = self._node, self._scheduler
        value = scheduler.machine.channels.input_of(task)
        if (trace := context.trace) is not None:
            await trace.started(value)
        if node.name in scheduler.layout.graphs:
            return await node.call.ainvoke(value)
        injected = injections(node.params, context) if node.params else {}
        if node.is_async:
            code = runnable_of(node.call) if injected else None
            if code is not None:
                return await run_runnable(code, value, injected["config"])
            return await node.call(value, **injected)
        if node.timeout is None and scheduler.may_inline():
            result = node.call(value, **injected)
        else:
            limiter = scheduler.threads.for_task(task)
            result = await in_thread(limiter, node.call, value, **injected)
        return await result if inspect.isawaitable(result) else result


def written(context: TaskContext, returned: Writes) -> Writes:
    """What a node wrote: what it pushed, then what it returned."""
    return returned if context.pushed is None else [*context.pushed, *returned]


async def decide(node: NodeSpec, writes: Writes, context: TaskContext) -> Writes:
    """Where control goes after a node that wrote `writes`: its branches, then its static edges."""
    decided: Writes = []
    for place, branch in enumerate(node.branches):
        decided += await _route(branch, place, writes, context)
    return [*decided, *node.targets]


async def _route(branch: BranchSpec, place: int, writes: Writes, context: TaskContext) -> Writes:
    scheduler = context.scheduler
    state = scheduler.machine.channels.input_after(writes, branch, context.task.step)
    trace = context.trace
    span = None if trace is None else await trace.choosing(branch, place, state)
    injected = injections(branch.params, context) if branch.params else {}
    code = runnable_of(branch.path) if injected else None
    if code is not None:
        chosen = run_runnable(code, state, injected["config"])
    elif inspect.iscoroutinefunction(branch.path) or scheduler.may_inline():
        chosen = branch.path(state, **injected)
    else:
        limiter = scheduler.threads.for_task(context.task)
        chosen = await in_thread(limiter, branch.path, state, **injected)
    if inspect.isawaitable(chosen):
        chosen = await chosen
    if trace is not None:
        await trace.chose(span, state, chosen)
    return route_writes(chosen, branch, scheduler.layout.spec.nodes)


def injections(params: Mapping[str, str], context: TaskContext) -> dict[str, Any]:
    """Values for the parameters that a node or path asked for by name or annotation."""
    return {name: _KINDS[kind](context) for name, kind in params.items()}


_KINDS: Mapping[str, Callable[[TaskContext], Any]] = {
    "config": TaskContext.config,
    "writer": attrgetter("writer"),
    "runtime": attrgetter("runtime"),
    "store": attrgetter("store"),
    "previous": attrgetter("previous"),
    "error": attrgetter("task.failure"),
}
