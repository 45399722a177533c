"""The commit points: the places where something becomes durable, by name, for tests to break.

A unit of work has three, named after its kind, and the database has some of its own:

    <kind> applied     its rows are in the open transaction; what fails here is undone alone
    <kind> committed   the transaction is in the write-ahead log, and nobody was told yet
    <kind> answered    its caller was told, or will be when it is flushed, if that is asked for
    claim taken        a thread is this process's to write to, and the caller is not told yet
    claim left         it was given back
    syncing, synced    before and after a flush of the log
    moving, moved      before and after the log is moved into the database file

Kinds are `checkpoint` (a step, with all that belongs to it), `writes` (pending writes alone, which
is also how effects are noted), `events`, `claim`, `rewind`, `administration`, `forget`; and
`saver`, `store`, `cache` and `tables`, for what these write of their own.

A fault port is called with the name of each point as it is passed, on the thread that passes it.
What it raises is what the operation fails with; where nothing can fail any more (`cannot_fail`) it
must not raise.  Without a port, a point costs one look at None.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

Faults: TypeAlias = Callable[[str], None]


def cannot_fail(point: str) -> bool:
    """True for a point at which everything is done: what is told there is told already."""
    return point.endswith(" answered") or point == "claim left"
