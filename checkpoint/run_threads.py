"""Which thread a run's events came with, so that they go when it goes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from .packing import is_sound, unpack_checkpoint
from .places import find_run
from .rows import EVENT_BITS
from .value import Value, slotted

if TYPE_CHECKING:
    import sqlite3

_LINK = "INSERT OR IGNORE INTO run_thread (thread, run) VALUES (?, ?)"
_RUNS = "SELECT run FROM run_thread WHERE thread=?"
_LOOSE = "SELECT id, name FROM run WHERE id NOT IN (SELECT run FROM run_thread)"
_CHECKPOINTS = (
    "SELECT c.crc, c.data, c.scope, c.id, p.id, c.depth FROM checkpoint AS c"
    " LEFT JOIN checkpoint AS p ON p.seq=c.parent"
    " WHERE c.scope IN (SELECT id FROM scope WHERE thread=?)"
)
_FORGET_EVENTS = "DELETE FROM event WHERE id BETWEEN ? AND ?"
_FORGET_LINK = "DELETE FROM run_thread WHERE run=?"
_FORGET_RUN = "DELETE FROM run WHERE id=?"


def link_runs(connection: sqlite3.Connection, thread: int, runs: Iterable[int]) -> None:
    """Note that the events of runs came with a thread; the first thread counts."""
    connection.executemany(_LINK, [(thread, run) for run in runs])


def runs_of(connection: sqlite3.Connection, thread: int) -> list[int]:
    """The runs whose events came with a thread."""
    return [run for (run,) in connection.execute(_RUNS, (thread,))]


def loose_runs(connection: sqlite3.Connection, thread: int) -> list[int]:
    """Runs that wrote checkpoints of a thread, and whose events came with no thread."""
    loose: dict[str, int] = {name: run for run, name in connection.execute(_LOOSE)}
    if not loose:
        return []
    names: set[str] = set()
    for crc, data, *place in connection.execute(_CHECKPOINTS, (thread,)):
        origin = unpack_checkpoint(data).origin if is_sound(data, crc, *place) else None
        if origin is not None and origin.run_id is not None:
            names.add(origin.run_id)
    return [loose[name] for name in names & loose.keys()]


@slotted
class ForgetEvents(Value):
    """Deletes the events of runs by their ids."""

    run_ids: Sequence[str]

    def apply(self, connection: sqlite3.Connection) -> None:
        """Runs without events are passed over."""
        for run_id in self.run_ids:
            if (found := find_run(connection, run_id)) is not None:
                forget_runs(connection, found[:1])


def forget_runs(connection: sqlite3.Connection, runs: Iterable[int]) -> None:
    """Delete runs with their events."""
    for run in runs:
        first = run << EVENT_BITS
        connection.execute(_FORGET_EVENTS, (first, first + (1 << EVENT_BITS) - 1))
        connection.execute(_FORGET_LINK, (run,))
        connection.execute(_FORGET_RUN, (run,))
