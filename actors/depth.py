"""How deep graphs may call graphs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .errors import GraphRecursionError

if TYPE_CHECKING:
    from .context import TaskContext

DEEPEST = 128
"""Graphs that may wait for each other.  Each costs a supervisor, in sync code also a thread and an
event loop; Python's own limit ends a recursion of sync graphs at about this depth elsewhere."""


def check_depth(name: str, caller: TaskContext) -> None:
    """Raise GraphRecursionError if the graph `name`, called by this task, would be too deep."""
    depth, outer = 1, caller.scheduler.caller
    while outer is not None:
        depth, outer = depth + 1, outer.scheduler.caller
    if depth > DEEPEST:
        raise GraphRecursionError(
            f"graph {name!r} cannot be called by node {caller.task.node.name!r}: {DEEPEST} graphs "
            "wait for each other already; give the graph that calls itself a condition under "
            "which it stops"
        )
