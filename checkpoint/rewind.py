"""What a scope held before a run wrote to it, so that it can be made so again.

Ids of a scope grow, keys are handed out in order and item runs only grow at their end.  So all that
a run can have stored in a scope lies beyond four marks which are known when the run loads it: the
newest checkpoint, the pending writes of the checkpoint the run goes on from (a task that runs again
replaces its own), the first unused blob key, and the ends of the item runs that may be extended.
"""

from __future__ import annotations

from collections.abc import Mapping

from .record import Loaded, TaskWrites
from .value import Value, slotted


@slotted
class RewindPoint(Value):
    """A scope as a run found it."""

    head: str
    """The newest checkpoint of the scope."""
    base: str
    """The checkpoint the run went on from."""
    writes: tuple[TaskWrites, ...]
    """The pending writes of `base`."""
    next_key: int
    """First blob key that no row used."""
    ends: Mapping[int, int]
    """Where the item runs ended that may have been extended, by key."""


def rewind_point(loaded: Loaded, head: str) -> RewindPoint:
    """The point to go back to, from what a run loaded and the id of the scope's newest checkpoint.

    To be made under the claim, before anything is stored under it.
    """
    ends: dict[int, int] = {}
    if loaded.newest:  # elsewhere no run that is stored is ever extended
        for key, rows in loaded.blobs.items():
            if rows and rows[-1].count:
                ends[key] = rows[-1].start + rows[-1].count
    return RewindPoint(head, loaded.record.id, loaded.writes, loaded.next_key, ends)
