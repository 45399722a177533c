"""A super-step whose tasks have all finished, but that has no checkpoint.

The process died between the two, a reducer failed that would take the writes now, or a repair went
back to the checkpoint before.  The state that a thread shows has these writes; an input would drop
them with the tasks it finds, so the step is closed first.
"""

from __future__ import annotations

from .channelset import ChannelSet
from .commands import NULL_TASK, Restored, Task
from .layout import Layout
from .report import Facts
from .scope import planned


def unclosed(layout: Layout, facts: Facts, restored: Restored | None) -> list[Task]:
    """The tasks of such a step, with their writes; none if there is no such step, if reducers still
    do not take them, or if some of the nodes are gone."""
    if restored is None or restored.replayed or not restored.pending:
        return []
    channels = ChannelSet(layout, restored)
    try:
        channels.give(restored.pending.get(NULL_TASK, []))
        tasks = planned(
            layout,
            facts.ns,
            channels,
            checkpoint_id=restored.checkpoint_id,
            step=restored.step + 1,
            pending=restored.pending,
        )
        if any(task.writes is None or task.node.gone for task in tasks):
            return []
        channels.apply(tasks)
    except Exception:  # noqa: BLE001 - reducers are user code: they may raise anything
        return []
    return tasks
