"""Walks: asyncio tasks in which node actors receive their messages, each in a context of its own.

Tasks of one super-step run side by side, so each begins a walk.  A task that is alone in its step
and reports while the scheduler has nothing else to do is mostly followed by another such task: the
walk goes on with that at once, which spares the three turns of the loop that an asyncio task takes
to begin, to wake the scheduler and to be reaped (10 of 25 µs a step).  So it does with the tasks of
a graph that is a node, and alone in its step: nothing else runs in the asyncio task meanwhile.

What user code sees is the same as if each task had an asyncio task of its own: the context
variables that the run began with, a name, a cancel that comes once, and none that is meant for a
node which is over.  A walk takes a few tasks only, so that a graph which never waits does not keep
the loop from the others.
"""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Any, cast

from streaming import current_task

from .adapters import loaded_langchain
from .carried import Rest
from .commands import MachineCommand, Outcome, RunTasks, Task, TaskFailed
from .context import TaskContext, current
from .errors import NodeCancelledError

if TYPE_CHECKING:
    from .scheduler import Scheduler

_LENGTH = 16
"""Tasks that a walk takes at most: the loop is held up by no more code at a time."""


def begin(task: Task, scheduler: Scheduler) -> None:
    """Run a task, and the few that may follow it."""
    walk = Walk(task, scheduler, _LENGTH - 1)
    context = walk.context_of(task)
    lent = scheduler.supervisor.spawn(
        walk.take(), name=task.node.name, context=context, on_done=walk.ended, kind=_Lent
    )
    if isinstance(lent, _Lent):  # else the loop has a factory of its own
        lent.walk = walk


class _Lent(asyncio.Task[None]):
    """An asyncio task that is lent to one node after the other.

    A cancel by code that a node has left behind (a timer, a task) does not reach the next one: in
    an asyncio task of its own that node would be over.
    """

    __slots__ = ("walk",)
    walk: Walk

    def cancel(self, msg: Any = None) -> bool:
        """As of any task."""
        by = current()
        if by is not None and by.over and by.lead is self.walk and not self.walk.is_stopped():
            return False
        return super().cancel(msg)


class Walk:
    """What one scheduler has run in one asyncio task."""

    __slots__ = ("_lead", "_left", "_scheduler", "_task")

    def __init__(
        self, task: Task, scheduler: Scheduler, left: int, lead: Walk | None = None
    ) -> None:
        self._task = task
        """The one it is at."""
        self._scheduler = scheduler
        self._left = left
        """How many more it takes."""
        self._lead = lead
        """The one in whose asyncio task it is a guest: one deep, as each is higher on Python's
        stack."""

    async def take(self) -> None:
        """Run its tasks."""
        task, scheduler = self._task, self._scheduler
        if task.parent is not None and not scheduler.calls.begun(task):
            return
        actor = scheduler.desk.actor_of(task.node, scheduler)
        onward = scheduler.reply(await actor.receive(task))
        if onward is not None:
            await self._go_on(onward)

    async def _go_on(self, onward: list[MachineCommand]) -> None:
        scheduler, own = self._scheduler, asyncio.current_task()
        try:
            while (task := await scheduler.next(onward)) is not None:
                # It may have been cancelled by code that took no notice.
                if not self._left or own is None or own.cancelling():
                    begin(task, scheduler)
                    return
                self._left -= 1
                self._task = task
                own.set_name(task.node.name)
                actor = scheduler.desk.actor_of(task.node, scheduler)
                code, context = actor.receive(task), self.context_of(task)
                try:
                    waited = context.run(code.send, None)
                except StopIteration as end:  # it had nothing to wait for
                    result: Outcome = end.value
                else:
                    result = await Rest(code, context, waited)
                following = scheduler.reply(result)
                if following is None:
                    return
                onward = following
        except asyncio.CancelledError:
            if self._task not in scheduler.running:  # it came too late for that
                scheduler.go_on(cast("RunTasks", onward[-1]), None)
            raise
        finally:
            del own  # else it kept the cancel that ended it, and that this frame: a circle

    def ended(self, done: asyncio.Task[None]) -> None:
        """Report for a task whose code cancelled the asyncio task it runs in, or closed it."""
        scheduler, task = self._scheduler, self._task
        if not done.cancelled():
            error = done.exception()
            if isinstance(error, Exception):  # not of user code, which node actors answer for
                scheduler.break_off(error)
            elif isinstance(error, GeneratorExit) and task in scheduler.running:
                scheduler.reply(TaskFailed(task, error))  # out of a future that the code awaited
        elif task in scheduler.running and task.parent is None:
            scheduler.reply(TaskFailed(task, NodeCancelledError(task.node.name)))

    def is_stopped(self) -> bool:
        """True once what runs it is being stopped."""
        return self._scheduler.supervisor.closed

    async def take_in(self, scheduler: Scheduler, commands: list[MachineCommand]) -> None:
        """Run tasks of the graph that the present task is, as a part of this walk; `commands` lead
        to the first of them."""
        own, first = asyncio.current_task(), cast("RunTasks", commands[-1]).tasks[0]
        guest = Walk(first, scheduler, self._left, self)
        try:
            await guest._go_on(commands)
        finally:
            self._left = guest._left
            if own is not None:
                own.set_name(self._task.node.name)
            del own  # as above

    def context_of(self, task: Task) -> Context:
        """The run's context variables (for a call, those of the calling code) with the task in
        them."""
        scheduler, called = self._scheduler, task.parent is not None
        context = scheduler.calls.context_of(task) if called else scheduler.setting.context.copy()
        scheduler.running[task] = own = TaskContext(scheduler, task)
        own.lead = self._lead or self
        if self._lead is None and task.node.name in scheduler.layout.graphs:
            own.walk = self
        context.run(current_task.set, own)
        if called and (adapter := loaded_langchain()) is not None:  # the caller may be LangChain's
            context.run(adapter.attach, current)
        return context
