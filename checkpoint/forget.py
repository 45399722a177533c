"""The unit of work that makes scopes again what they were at their rewind points."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from .commits import pending_values
from .places import find_checkpoint, find_scope, find_thread, reseal
from .record import Claim
from .rewind import RewindPoint
from .rows import id_bytes, no_point, stale
from .value import Value, slotted

_DROP_WRITES = (
    "DELETE FROM pending WHERE checkpoint IN (SELECT seq FROM checkpoint WHERE scope=? AND id>?)"
)
_DROP_CHECKPOINTS = "DELETE FROM checkpoint WHERE scope=? AND id>?"
_DROP_BLOBS = "DELETE FROM blob WHERE scope=? AND key>=?"
_DROP_SCOPE = "DELETE FROM scope WHERE id=?"
_SHORTEN = "DELETE FROM blob WHERE scope=? AND key=? AND start>=?"
_DROP_WRITES_OF = "DELETE FROM pending WHERE checkpoint=?"
_PUT_BACK = "INSERT INTO pending (checkpoint, task, crc, data) VALUES (?, ?, ?, ?)"

_BEFORE_ALL = b""
"""Sorts before every id."""


@slotted
class Forget(Value):
    """Rewinds scopes of a thread whose claim holds in this process.

    `epoch` is the thread's in the file.  What the committer remembers of a checkpoint that goes
    names it by its id, which never comes again.
    """

    claim: Claim
    epoch: int
    points: Mapping[str, RewindPoint | None]

    def apply(self, connection: sqlite3.Connection) -> None:
        """Raises StaleClaimError or CheckpointConflictError; the caller undoes it then."""
        row = find_thread(connection, self.claim.thread_id)
        if row is None or row[1] != self.epoch:
            raise stale(self.claim)
        for ns, point in self.points.items():
            if point is None:
                _drop(connection, row[0], ns)
                continue
            scope = find_scope(connection, row[0], ns)
            base = scope and find_checkpoint(connection, scope.id, id_bytes(point.base))
            if scope is None or base is None:
                raise no_point(self.claim.thread_id, ns, point.base)
            _rewind(connection, scope.id, point)
            _put_back(connection, base.seq, point)
            reseal(connection, scope.id)


def _drop(connection: sqlite3.Connection, thread: int, ns: str) -> None:
    scope = find_scope(connection, thread, ns)
    if scope is None:
        return
    connection.execute(_DROP_WRITES, (scope.id, _BEFORE_ALL))
    connection.execute(_DROP_CHECKPOINTS, (scope.id, _BEFORE_ALL))
    connection.execute(_DROP_BLOBS, (scope.id, 0))
    connection.execute(_DROP_SCOPE, (scope.id,))


def _rewind(connection: sqlite3.Connection, scope: int, point: RewindPoint) -> None:
    head = id_bytes(point.head)
    connection.execute(_DROP_WRITES, (scope, head))
    connection.execute(_DROP_CHECKPOINTS, (scope, head))
    connection.execute(_DROP_BLOBS, (scope, point.next_key))
    connection.executemany(_SHORTEN, [(scope, key, end) for key, end in point.ends.items()])


def _put_back(connection: sqlite3.Connection, base: int, point: RewindPoint) -> None:
    connection.execute(_DROP_WRITES_OF, (base,))
    for task in point.writes:
        connection.execute(_PUT_BACK, pending_values(base, task))
