"""Error handlers: a task that failed for good is handed to its node's handler; pure.

The handler runs in the same super-step, as a task of its own in the failed one's place.  Its writes
count, and where it sends control; the edges of the failed node are not followed.
"""

from __future__ import annotations

from .commands import PUSH, Task
from .policies import NodeError
from .spec import GraphSpec

_MARK = "node_error_handler"


def is_handled(task: Task) -> bool:
    """True for a task that failed and was handed to its handler: it does not run again."""
    return task.failure is not None and task.node.error_handler is not None


def hand_over(task: Task, error: BaseException) -> bool:
    """Note that the handler of a task that failed takes care of it; False if it has none."""
    if task.node.error_handler is None or not isinstance(error, Exception):
        return False
    task.failure = NodeError(task.node.name, error)
    return True


def handler_task(failed: Task, spec: GraphSpec) -> Task:
    """The task of the handler of a task that failed: the same input, and what it failed with."""
    handler, path = spec.handlers[failed.node.name], (*failed.path, _MARK, False)
    task = Task(handler, path, (PUSH,), failed.arg, failed.step)
    task.failure = failed.failure
    return task
