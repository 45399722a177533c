"""One graph's part of a thread: where a config points, and what would run next there.

A super-step may have finished all its tasks and still have no checkpoint: the process died between
the two, a reducer failed that would take the writes now, or a repair went back to the checkpoint
before.  The state that a thread shows has these writes; an input would drop them with the tasks it
finds, so the step is closed first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy, deepcopy
from dataclasses import replace
from typing import NamedTuple

from checkpoint import Saver

from .channelset import ChannelSet
from .commands import PULL, Restored, Task
from .errors import ConfigError
from .handlers import handler_task, is_handled
from .kept import recall
from .layout import Layout
from .report import Facts, task_id
from .spec import Writes
from .values import RunConfig
from .views import namespace_text


class Scope(NamedTuple):
    """One graph's part of a thread."""

    saver: Saver
    layout: Layout
    thread_id: str
    ns: tuple[str, ...]

    @property
    def stored_ns(self) -> str:
        """The namespace as it is stored."""
        return namespace_text(self.ns)


def scope_of(layout: Layout, saver: Saver | None, config: RunConfig) -> Scope:
    """The scope a config means: of this graph, or of a subgraph named by checkpoint_ns.

    Raises ConfigError without a saver or a thread_id, or for a namespace of no subgraph.
    """
    if saver is None:
        raise ConfigError(
            "No checkpointer set: the graph keeps no threads to look at; "
            "compile it with one, such as compile(checkpointer=MemorySaver())"
        )
    if config.thread_id is None:
        raise ConfigError(
            "config has no 'thread_id' under 'configurable', so it means no thread; "
            'give {"configurable": {"thread_id": "…"}}'
        )
    ns = tuple(config.checkpoint_ns.split("|")) if config.checkpoint_ns else ()
    found = layout.reach(ns)
    if found is None:
        raise ConfigError(
            f"checkpoint_ns={config.checkpoint_ns!r} names no subgraph of this graph, whose "
            f"nodes {sorted(layout.subgraphs)} have some; take it from a snapshot's tasks"
        )
    layout, stored = found
    return Scope(saver, layout, config.thread_id, stored)


def planned(
    layout: Layout,
    ns: Sequence[str],
    channels: ChannelSet,
    *,
    checkpoint_id: str,
    step: int,
    pending: Mapping[str, Writes],
) -> list[Task]:
    """The tasks of super-step `step`, nodes in the order they were added, with what was kept."""
    position = layout.position
    tasks = channels.plan()
    tasks.sort(key=lambda task: position.get(task.node.name, -1) if task.path[0] == PULL else -1)
    for task in tasks:
        task.step = step
        task.id = task_id(checkpoint_id, ns, task)
        if task.id in pending:
            recall(task, pending[task.id])
    return tasks


def unclosed(
    layout: Layout, facts: Facts, restored: Restored | None, channels: ChannelSet
) -> list[Task]:
    """The tasks of a step that is to be closed, with their writes; none if there is no such step,
    if reducers still do not take them, or if some of the nodes are gone.

    `channels`: as they were restored, with what no task wrote; they stay as they are.
    """
    if restored is None or restored.replayed or not restored.pending:
        return []
    tasks = planned(
        layout,
        facts.ns,
        channels,
        checkpoint_id=restored.checkpoint_id,
        step=restored.step + 1,
        pending=restored.pending,
    )
    for task in tasks:  # and those of the error handlers, behind them
        if is_handled(task):
            tasks.append(_handler(layout, facts, task, restored))
    if any((task.writes is None and not is_handled(task)) or task.node.gone for task in tasks):
        return []
    return tasks if tasks and _are_taken(layout, restored, channels, tasks) else []


def _handler(layout: Layout, facts: Facts, failed: Task, restored: Restored) -> Task:
    """The task of the handler of a task that failed, with what was kept of it."""
    task = handler_task(failed, layout.spec)
    task.id = task_id(restored.checkpoint_id, facts.ns, task)
    if task.id in restored.pending:
        recall(task, restored.pending[task.id])
    return task


def _are_taken(
    layout: Layout, restored: Restored, channels: ChannelSet, tasks: Sequence[Task]
) -> bool:
    """True if reducers take the writes: tried on copies, as some change what they are given."""
    held = {**restored.values, **channels.stored(channels.given)}
    copies = [copy(task) for task in tasks]
    try:
        values, writes = deepcopy((held, [task.writes for task in tasks]))
        for task, written in zip(copies, writes, strict=True):
            task.writes = written
        ChannelSet(layout, replace(restored, values=values)).apply(copies)
    except Exception:  # noqa: BLE001 - reducers are user code: they may raise anything
        return False
    return True
