"""What becomes of the runs of a thread when another one comes; pure."""

from __future__ import annotations

from collections.abc import Sequence

from .errors import ConflictError
from .records import CancelAction, Multitask

BUSY = (
    "Thread is already running a task. Wait for it to finish or choose a different multitask "
    "strategy."
)


def make_way(strategy: Multitask, in_flight: Sequence[object]) -> CancelAction | None:
    """What is done to the runs that wait or run on a thread when a run with this strategy comes:
    they are interrupted, rolled back, or (None) waited for.

    Raises ConflictError if the strategy is to be rejected then.
    """
    if not in_flight or strategy == "enqueue":
        return None
    if strategy == "reject":
        raise ConflictError(BUSY)
    return strategy
