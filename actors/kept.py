"""What is kept of a task between runs, as pending writes; pure.

A task that finished keeps its writes.  One that did not keeps marks, under names that no channel
has: its error, that its error handler takes care of it, the interrupts it waits for, and the
answers it has been given so far, also those to graphs it calls that store nothing.
"""

from __future__ import annotations

from collections.abc import Collection

from .commands import BELOW, ERROR, FAILURE, INTERRUPT, RESUME, Task
from .handlers import is_handled
from .policies import NodeError
from .spec import Writes

MARKS = frozenset({ERROR, FAILURE, INTERRUPT, RESUME, BELOW})


def kept_of(task: Task, unstored: Collection[str]) -> Writes:
    """What to keep of a task, without writes to channels that are never stored."""
    marks: Writes = []
    if task.error is not None:
        marks.append((ERROR, task.error))
    if task.failure is not None and is_handled(task):
        marks.append((FAILURE, task.failure.error))
    if task.interrupts:
        marks.append((INTERRUPT, task.interrupts))
    if task.answers and (marks or task.writes is None):
        marks.append((RESUME, list(task.answers)))
    if task.below and marks:
        marks.append((BELOW, task.below))
    if marks:
        return marks
    writes = task.writes or []
    if not unstored:
        return writes
    return [(name, value) for name, value in writes if name not in unstored]


def recall(task: Task, kept: Writes) -> None:
    """Give a planned task what was kept of it: its writes if it had finished, else its marks."""
    marks = {name: value for name, value in kept if name in MARKS}
    if not marks:
        task.writes = kept
        return
    task.error = marks.get(ERROR)
    if FAILURE in marks and task.node.error_handler is not None:
        task.failure = NodeError(task.node.name, marks[FAILURE])
    task.interrupts = tuple(marks.get(INTERRUPT, ()))
    task.answers = tuple(marks.get(RESUME, ()))
    task.below = marks.get(BELOW)
