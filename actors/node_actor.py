"""Node actors: each consumes the messages of one node in one run, and answers with what came of it.

A message is a task, which reads what its channels hold.  The actor is made when its first message
arrives, and may be at several at a time.  It has no mailbox: the scheduler hands out messages by
credit, from its desk.  Nor has it an asyncio task: a walk lends it one for each message.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from .commands import Outcome, Task, TaskFailed, TaskFinished, TaskInterrupted
from .context import TaskContext
from .errors import GraphDrained, GraphInterrupt, NodeCancelledError, ParentCommand
from .guarded import guarded
from .node import attempt, decide, written
from .ref import stray_cancel
from .spec import KEPT, NodeSpec, Writes
from .tokens import show_returned
from .traces import show_user_frames
from .writes import writes_of

if TYPE_CHECKING:
    from .scheduler import Scheduler


class NodeActor:
    """The actor of one node."""

    __slots__ = ("_node", "_nodes", "_plain", "_scheduler")

    def __init__(self, node: NodeSpec, scheduler: Scheduler) -> None:
        self._node = node
        self._nodes = scheduler.layout.spec.nodes
        self._plain = node.plain and scheduler.setting.trace is None
        self._scheduler = scheduler

    async def receive(self, message: Task) -> Outcome:
        """Run the node's code for one task; gives what the machine is to know of it.

        Raises CancelledError when it was cancelled from outside; KeyboardInterrupt and SystemExit
        are raised once they are reported.
        """
        node, scheduler = self._node, self._scheduler
        try:
            if self._plain:  # awaited right here: saves 1 µs
                context = scheduler.running[message]
                value = scheduler.machine.channels.input_of(message)
                try:
                    result = await node.call(value)
                except ParentCommand as addressed:
                    result = addressed.command
                writes = written(context, writes_of(node, result, self._nodes))
                writes += await decide(node, writes, context) if node.branches else node.targets
            else:
                attempts = guarded if node.guarded else attempt
                writes = await attempts(message, scheduler)
            return _finished(scheduler.running[message], writes)
        except asyncio.CancelledError as error:
            return _cancelled(message, error)
        except (ParentCommand, GraphDrained) as addressed:
            scheduler.running[message].hand_up()
            return TaskFailed(message, addressed)
        except BaseException as error:  # the edge of user code: it may raise anything
            pause = GraphInterrupt.alone_in(error)
            if pause is not None:
                return TaskInterrupted(message, pause.interrupts)
            failed = _failed(message, error, scheduler)
            if isinstance(error, KeyboardInterrupt | SystemExit):
                scheduler.reply(failed)
                raise
            return failed


def _finished(context: TaskContext, writes: Writes) -> TaskFinished:
    scheduler, task = context.scheduler, context.task
    if scheduler.facts.watch.messages:
        settled = scheduler.machine.channels.settled(task, writes)
        show_returned(context, writes, settled)
        writes = settled
    if context.kept is not None:
        writes = [*writes, (KEPT, context.kept)]
    return TaskFinished(task, writes)


def _cancelled(task: Task, error: asyncio.CancelledError) -> TaskFailed:
    """What to say of a cancel that user code raised by itself; raises one from outside."""
    stray = stray_cancel(task.node.name, task)
    if stray is None:
        raise error
    own = NodeCancelledError(task.node.name)
    own.__cause__ = stray
    return TaskFailed(task, own)


def _failed(task: Task, error: BaseException, scheduler: Scheduler) -> TaskFailed:
    """Tell whoever reads the traceback which task it was."""
    task_id = scheduler.machine.trail.identify(task)
    show_user_frames(error)
    if not isinstance(error, NodeCancelledError):  # says it already
        with contextlib.suppress(Exception):  # an exception may refuse attributes
            error.add_note(f"During task with name '{task.node.name}' and id '{task_id}'")
    return TaskFailed(task, error)
