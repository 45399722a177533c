"""The writer of a task, whose chunks may count as signs of progress."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from streaming import RunLog, StreamWriter

if TYPE_CHECKING:
    from .context import TaskContext


def writer_for(context: TaskContext) -> StreamWriter:
    """A writer of `custom` chunks for one task."""
    scheduler, task = context.scheduler, context.task
    log, ns, step, name = scheduler.setting.log, scheduler.facts.ns, task.step, task.node.name
    namespace = scheduler.machine.trail.namespace
    inside = namespace(task.parent)[len(ns) :] if task.parent else ()
    if context.watched:
        progress = context.progress
        return ProgressWriter(progress, log, ns=ns, step=step, node=name, inside=inside)
    return StreamWriter(log, ns=ns, step=step, node=name, inside=inside)


class ProgressWriter(StreamWriter):
    """Writes custom chunks, and says so to whoever waits for progress, also while none is shown."""

    __slots__ = ("_progress",)

    def __init__(
        self,
        progress: Callable[[], None],
        log: RunLog,
        *,
        ns: tuple[str, ...],
        step: int,
        node: str,
        inside: tuple[str, ...],
    ) -> None:
        super().__init__(log, ns=ns, step=step, node=node, inside=inside)
        self._progress = progress

    def __call__(self, data: Any) -> None:
        """Write one chunk."""
        self._progress()
        super().__call__(data)
