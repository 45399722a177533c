"""Units of work for the committer: what a batch and a run of events do to the tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .errors import CheckpointConflictError
from .events import Row, check_events
from .ids import id_from_bytes
from .packing import FULL_EVERY, Origin, checksum, pack_checkpoint, pack_task_id, pack_writes
from .record import Batch, BlobRow, CheckpointRecord, EventRow, TaskWrites
from .rows import EVENT_BITS, blob_taken, id_bytes, id_taken, no_checkpoint, stale
from .run_threads import link_runs

_THREAD = "SELECT id, epoch FROM thread WHERE name=?"
_SCOPE = "SELECT id FROM scope WHERE thread=? AND ns=?"
_ADD_SCOPE = "INSERT INTO scope (thread, ns) VALUES (?, ?) RETURNING id"
_HEAD = "SELECT seq, id, depth FROM checkpoint WHERE scope=? ORDER BY id DESC LIMIT 1"
_FIND = "SELECT seq, id, depth FROM checkpoint WHERE scope=? AND id=?"
_ADD_CHECKPOINT = (
    "INSERT INTO checkpoint (scope, id, parent, depth, crc, data) VALUES (?, ?, ?, ?, ?, ?)"
)
_ADD_BLOB = "INSERT INTO blob (scope, key, start, count, crc, data) VALUES (?, ?, ?, ?, ?, ?)"
_BLOB = "SELECT 1 FROM blob WHERE scope=? AND key=? AND start=?"
_ADD_WRITES = "INSERT OR REPLACE INTO pending (checkpoint, task, crc, data) VALUES (?, ?, ?, ?)"
_RUN = "SELECT id FROM run WHERE name=?"
_ADD_RUN = "INSERT INTO run (name) VALUES (?) RETURNING id"
_LAST_EVENT = "SELECT id FROM event WHERE id BETWEEN ? AND ? ORDER BY id DESC LIMIT 1"
_ADD_EVENT = "INSERT INTO event (id, crc, data) VALUES (?, ?, ?)"

_ORIGINS = 1024


class Origins:
    """The origins of the checkpoints stored last, by scope; used by the committer's thread only.

    An entry names its checkpoint, so one whose transaction was undone is never taken for another.
    """

    def __init__(self) -> None:
        self._last: dict[int, tuple[bytes, Origin]] = {}

    def get(self, scope: int) -> tuple[bytes, Origin] | None:
        """The last checkpoint stored in a scope and its origin, if it is remembered."""
        return self._last.get(scope)

    def remember(self, scope: int, checkpoint: bytes, origin: Origin) -> None:
        """Remember a checkpoint; the scope that was new longest ago is forgotten."""
        if len(self._last) >= _ORIGINS and scope not in self._last:
            del self._last[next(iter(self._last))]
        self._last[scope] = (checkpoint, origin)


@dataclass(frozen=True, slots=True)
class CommitBatch:
    """Stores a batch whose claim holds in this process; `epoch` is the thread's in the file."""

    batch: Batch
    epoch: int
    extras: Sequence[bytes]
    """The encoded `extra` of each checkpoint's metadata."""
    origins: Origins

    def apply(self, connection: sqlite3.Connection) -> None:
        """Raises StaleClaimError or CheckpointConflictError; the caller undoes it then."""
        row = connection.execute(_THREAD, (self.batch.thread_id,)).fetchone()
        if row is None or row[1] != self.epoch:
            raise stale(self.batch)
        tables = _ThreadTables(connection, self.batch.thread_id, row[0], self.origins)
        for record, extra in zip(self.batch.checkpoints, self.extras, strict=True):
            tables.add_checkpoint(record, extra)
        if self.batch.blobs:
            tables.add_blobs(self.batch.blobs)
        for task in self.batch.writes:
            tables.add_writes(task)
        if self.batch.events:
            link_runs(connection, row[0], add_events(connection, self.batch.events))


class _ThreadTables:
    """The rows of one thread, during one unit."""

    def __init__(
        self, connection: sqlite3.Connection, thread_id: str, thread: int, origins: Origins
    ) -> None:
        self._connection = connection
        self._origins = origins
        self._thread_id = thread_id
        self._thread = thread
        self._scopes: dict[str, int] = {}

    def add_checkpoint(self, record: CheckpointRecord, extra: bytes) -> None:
        key, scope = id_bytes(record.id), self._scope(record.ns)
        head = self._connection.execute(_HEAD, (scope,)).fetchone()
        if head is not None and head[1] >= key:
            raise id_taken(record, id_from_bytes(head[1]))
        parent = self._parent(scope, record, head)
        full = parent is None or parent[2] + 1 >= FULL_EVERY
        origin = Origin(record.metadata.run_id, record.metadata.parents, extra)
        same = not full and parent is not None and self._origins.get(scope) == (parent[1], origin)
        data = pack_checkpoint(record, None if same else origin, full=full)
        row = (
            scope,
            key,
            parent[0] if parent else None,
            0 if parent is None or full else parent[2] + 1,
            checksum(data),
            data,
        )
        self._connection.execute(_ADD_CHECKPOINT, row)
        self._origins.remember(scope, key, origin)

    def add_blobs(self, rows: Sequence[BlobRow]) -> None:
        try:
            self._connection.executemany(
                _ADD_BLOB,
                [
                    (self._scope(r.ns), r.key, r.start, r.count, checksum(r.data), r.data)
                    for r in rows
                ],
            )
        except sqlite3.IntegrityError as error:
            raise self._taken(rows) from error

    def add_writes(self, task: TaskWrites) -> None:
        found = self._find(self._scope(task.ns), task.checkpoint_id)
        if found is None:
            raise no_checkpoint(self._thread_id, task)
        data = pack_writes(task.writes)
        row = (found[0], pack_task_id(task.task_id), checksum(data), data)
        self._connection.execute(_ADD_WRITES, row)

    def _taken(self, rows: Sequence[BlobRow]) -> CheckpointConflictError:
        """The error for the first row that is stored already (the others may be, by now)."""
        for row in rows:
            place = (self._scope(row.ns), row.key, row.start)
            if self._connection.execute(_BLOB, place).fetchone():
                break
        else:
            row = rows[0]
        return blob_taken(self._thread_id, row.ns, row.key, row.start)

    def _parent(
        self, scope: int, record: CheckpointRecord, head: tuple[int, bytes, int] | None
    ) -> tuple[int, bytes, int] | None:
        if record.parent_id is None:
            return None
        if head is not None and head[1] == id_bytes(record.parent_id):
            return head
        found = self._find(scope, record.parent_id)
        if found is None:
            raise CheckpointConflictError(
                f"checkpoint {record.id!r} of thread {self._thread_id!r} names a parent that is "
                f"not stored: {record.parent_id!r}; nothing was changed; commit the parent before "
                "it or with it, or leave it out"
            )
        return found

    def _find(self, scope: int, checkpoint_id: str) -> tuple[int, bytes, int] | None:
        return self._connection.execute(_FIND, (scope, id_bytes(checkpoint_id))).fetchone()

    def _scope(self, ns: str) -> int:
        scope = self._scopes.get(ns)
        if scope is None:
            found = self._connection.execute(_SCOPE, (self._thread, ns)).fetchone()
            scope = found[0] if found else self._add_scope(ns)
            self._scopes[ns] = scope
        return scope

    def _add_scope(self, ns: str) -> int:
        return self._connection.execute(_ADD_SCOPE, (self._thread, ns)).fetchone()[0]


@dataclass(frozen=True, slots=True)
class AppendEvents:
    """Stores events of a run that belong to no checkpoint."""

    run_id: str
    rows: Sequence[Row]

    def apply(self, connection: sqlite3.Connection) -> None:
        """Raises CheckpointConflictError; the caller undoes it then."""
        add_events(connection, [EventRow(self.run_id, at, data) for at, data in self.rows])


def add_events(connection: sqlite3.Connection, events: Sequence[EventRow]) -> Iterable[int]:
    """Store events that count on from the last ones of their runs; the numbers of those."""
    runs = {event.run_id: _run(connection, event.run_id) for event in events}
    check_events(events, lambda run_id: last_event(connection, runs[run_id]))
    connection.executemany(
        _ADD_EVENT,
        [(runs[e.run_id] << EVENT_BITS | e.id, checksum(e.data), e.data) for e in events],
    )
    return runs.values()


def last_event(connection: sqlite3.Connection, run: int) -> int:
    """The highest event id of a run; 0 when there is none."""
    first = run << EVENT_BITS
    found = connection.execute(_LAST_EVENT, (first, first + (1 << EVENT_BITS) - 1)).fetchone()
    return found[0] - first if found else 0


def _run(connection: sqlite3.Connection, run_id: str) -> int:
    found = connection.execute(_RUN, (run_id,)).fetchone()
    return (found or connection.execute(_ADD_RUN, (run_id,)).fetchone())[0]
