"""User code of nodes: called once for a task, and what it returned turned into writes, with the
branches decided.

Async code runs on the loop, sync code in a worker thread, or right here if nothing else is to run:
there it does not see the loop, so it is the same to it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from .commands import Task
from .context import TaskContext
from .doors import loopless
from .errors import ParentCommand
from .params import runnable_of
from .report import is_start
from .runnables import run as run_runnable
from .spec import BranchSpec, NodeSpec, Writes
from .threads import in_place, in_thread
from .writes import route_writes, writes_of

if TYPE_CHECKING:
    from .scheduler import Scheduler


async def attempt(task: Task, scheduler: Scheduler) -> Writes:
    """Run the node once; gives what it writes, and where control goes next.

    A Command that a graph it called addresses to this one counts as what it gave.
    """
    node, context = task.node, scheduler.running[task]
    trace = context.trace
    try:
        if is_start(task):
            writes = scheduler.machine.start_writes()
            result: Any = dict(writes)
            if trace is not None:
                await trace.started(result)
        else:
            try:
                result = await _called(task, context)
            except ParentCommand as addressed:
                result = addressed.command
            writes = written(context, writes_of(node, result, scheduler.layout.spec.nodes))
        control = await decide(node, writes, context) if node.branches else node.targets
        if trace is not None:
            await trace.ended(result)
    except BaseException as error:
        if trace is not None:
            await trace.failed(error)
        raise
    return [*writes, *control]


async def _called(task: Task, context: TaskContext) -> Any:
    node, scheduler = task.node, context.scheduler
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
    if scheduler.may_inline(task):
        result = in_place(node.call, value, **injected)
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
    look = scheduler.machine.channels.input_after
    if scheduler.layout.reduces:
        look = loopless(look)
    state = look(writes, branch, context.task.step)
    trace = context.trace
    span = None if trace is None else await trace.choosing(branch, place, state)
    injected = injections(branch.params, context) if branch.params else {}
    code = runnable_of(branch.path) if injected else None
    if code is not None:
        chosen = run_runnable(code, state, injected["config"])
    elif branch.is_async:
        chosen = branch.path(state, **injected)
    elif scheduler.may_inline(context.task):
        chosen = in_place(branch.path, state, **injected)
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
