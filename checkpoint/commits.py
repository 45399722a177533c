"""Units of work for the committer: what a batch and a run of events do to the tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from .errors import CheckpointConflictError
from .events import Row, check_events
from .heads import Heads, ThreadHead
from .ids import id_from_bytes
from .packing import (
    FULL_EVERY,
    Origin,
    checksum,
    pack_checkpoint,
    pack_depth,
    pack_task_id,
    pack_writes,
    unpack_depth,
)
from .places import ScopeRow, add_run, add_scope, find_checkpoint, find_run, seal_run
from .record import Batch, BlobRow, CheckpointRecord, EventRow, TaskWrites
from .rows import EVENT_BITS, blob_taken, id_bytes, id_taken, no_checkpoint, stale
from .run_threads import link_runs
from .value import Value, slotted

_WRITES = "SELECT count(*) FROM pending WHERE checkpoint=?"
_ADD_CHECKPOINT = (
    "INSERT INTO checkpoint (scope, id, parent, depth, crc, data) VALUES (?, ?, ?, ?, ?, ?)"
)
_ADD_BLOB = "INSERT INTO blob (scope, key, start, count, crc, data) VALUES (?, ?, ?, ?, ?, ?)"
_BLOB = "SELECT 1 FROM blob WHERE scope=? AND key=? AND start=?"
_ADD_WRITES = "INSERT OR IGNORE INTO pending (checkpoint, task, crc, data) VALUES (?, ?, ?, ?)"
_REPLACE_WRITES = "UPDATE pending SET crc=?, data=? WHERE checkpoint=? AND task=?"
_ADD_EVENT = "INSERT INTO event (id, crc, data) VALUES (?, ?, ?)"

_ORIGINS = 1024

OriginParts: TypeAlias = tuple[str | None, Mapping[str, str], bytes]
"""What makes an `Origin`: a step compares two, and stores none."""


class Origins:
    """The origins of the checkpoints stored last, by scope; used by the committer's thread only.

    An entry names its checkpoint, so one whose transaction was undone is never taken for another.
    """

    def __init__(self) -> None:
        self._last: dict[int, tuple[bytes, OriginParts]] = {}

    def get(self, scope: int) -> tuple[bytes, OriginParts] | None:
        """The last checkpoint stored in a scope and its origin, if it is remembered."""
        return self._last.get(scope)

    def remember(self, scope: int, checkpoint: bytes, origin: OriginParts) -> None:
        """Remember a checkpoint; the scope that was new longest ago is forgotten."""
        if len(self._last) >= _ORIGINS and scope not in self._last:
            del self._last[next(iter(self._last))]
        self._last[scope] = (checkpoint, origin)


@slotted
class CommitBatch(Value):
    """Stores a batch whose claim holds in this process; `epoch` is the thread's in the file."""

    batch: Batch
    epoch: int
    extras: Sequence[bytes]
    """The encoded `extra` of each checkpoint's metadata."""
    origins: Origins
    heads: Heads

    def apply(self, connection: sqlite3.Connection) -> None:
        """Raises StaleClaimError or CheckpointConflictError; the caller undoes it then."""
        head = self.heads.thread(connection, self.batch.thread_id)
        if head is None or head.epoch != self.epoch:
            raise stale(self.batch)
        tables = _ThreadTables(connection, self.batch.thread_id, head, self.origins)
        left = list(self.batch.writes)
        for checkpoint, extra in zip(self.batch.checkpoints, self.extras, strict=True):
            if left:  # those after its parent, which it counts
                left = tables.add_writes_after(checkpoint, left)
            tables.add_checkpoint(checkpoint, extra)
        if self.batch.blobs:
            tables.add_blobs(self.batch.blobs)
        for task in left:
            tables.add_writes(task)
        tables.seal()
        if self.batch.events:
            link_runs(connection, head.number, add_events(connection, self.batch.events))
        self.heads.changed(connection)


class _ThreadTables:
    """The rows of one thread, during one unit."""

    def __init__(
        self, connection: sqlite3.Connection, thread_id: str, head: ThreadHead, origins: Origins
    ) -> None:
        self._connection = connection
        self._origins = origins
        self._thread_id = thread_id
        self._head = head
        self._changed: dict[int, ScopeRow] = {}

    def add_checkpoint(self, record: CheckpointRecord, extra: bytes) -> None:
        key, scope = id_bytes(record.id), self._scope(record.ns)
        if scope.head >= key:
            raise id_taken(record, id_from_bytes(scope.head))
        seq, above, depth, before = self._parent(scope, record)
        full = above is None or depth + 1 >= FULL_EVERY
        origin = record.metadata.run_id, record.metadata.parents, extra
        same = not full and self._origins.get(scope.id) == (above, origin)
        data = pack_checkpoint(record, None if same else Origin(*origin), full=full)
        depth = 0 if full else depth + 1
        both = pack_depth(depth, before)
        crc = checksum(data, scope.id, key, above, both)
        added = self._connection.execute(_ADD_CHECKPOINT, (scope.id, key, seq, both, crc, data))
        scope.seq, scope.head, scope.depth = added.lastrowid or 0, key, depth
        scope.count += 1
        scope.writes = 0
        self._changed[scope.id] = scope
        self._origins.remember(scope.id, key, origin)

    def add_blobs(self, rows: Sequence[BlobRow]) -> None:
        try:
            self._connection.executemany(
                _ADD_BLOB,
                [blob_values(self._scope(row.ns).id, row) for row in rows],
            )
        except sqlite3.IntegrityError as error:
            raise self._taken(rows) from error

    def add_writes_after(
        self, record: CheckpointRecord, tasks: Sequence[TaskWrites]
    ) -> list[TaskWrites]:
        """Store the pending writes after a checkpoint's parent; gives the others."""
        left: list[TaskWrites] = []
        for task in tasks:
            if task.checkpoint_id == record.parent_id and task.ns == record.ns:
                self.add_writes(task)
            else:
                left.append(task)
        return left

    def add_writes(self, task: TaskWrites) -> None:
        scope = self._scope(task.ns)
        found = self._find(scope, task.checkpoint_id)
        if found is None:
            raise no_checkpoint(self._thread_id, task)
        row = pending_values(found[0], task)
        if self._connection.execute(_ADD_WRITES, row).rowcount == 0:
            self._connection.execute(_REPLACE_WRITES, (*row[2:], *row[:2]))
        elif found[0] == scope.seq:
            scope.writes += 1
            self._changed[scope.id] = scope

    def seal(self) -> None:
        """Store the heads of the scopes that have changed."""
        for scope in self._changed.values():
            scope.seal(self._connection)

    def _taken(self, rows: Sequence[BlobRow]) -> CheckpointConflictError:
        """The error for the first row that is stored already (the others may be, by now)."""
        for row in rows:
            place = (self._scope(row.ns).id, row.key, row.start)
            if self._connection.execute(_BLOB, place).fetchone():
                break
        else:
            row = rows[0]
        return blob_taken(self._thread_id, row.ns, row.key, row.start)

    def _parent(
        self, scope: ScopeRow, record: CheckpointRecord
    ) -> tuple[int | None, bytes | None, int, int]:
        """The place, id and depth of the parent, and how many tasks have writes after it."""
        if record.parent_id is None:
            return None, None, 0, 0
        found = self._find(scope, record.parent_id)
        if found is None:
            raise CheckpointConflictError(
                f"checkpoint {record.id!r} of thread {self._thread_id!r} names a parent that is "
                f"not stored: {record.parent_id!r}; nothing was changed; commit the parent before "
                "it or with it, or leave it out"
            )
        if found[0] == scope.seq:
            return (*found, scope.writes)
        return (*found, self._connection.execute(_WRITES, found[:1]).fetchone()[0])

    def _find(self, scope: ScopeRow, checkpoint_id: str) -> tuple[int, bytes, int] | None:
        """The place, id and depth of a checkpoint; nearly always it is the newest."""
        key = id_bytes(checkpoint_id)
        if scope.head == key:
            return scope.seq, key, scope.depth
        found = find_checkpoint(self._connection, scope.id, key)
        return found and (found.seq, key, unpack_depth(found.depth)[0])

    def _scope(self, ns: str) -> ScopeRow:
        scope = self._head.scope(self._connection, ns)
        if scope is None:
            scope = add_scope(self._connection, self._head.number, ns)
            self._head.keep(scope)
            self._changed[scope.id] = scope
        return scope


@slotted
class AppendEvents(Value):
    """Stores events of a run that belong to no checkpoint."""

    run_id: str
    rows: Sequence[Row]

    def apply(self, connection: sqlite3.Connection) -> None:
        """Raises CheckpointConflictError; the caller undoes it then."""
        add_events(connection, [EventRow(self.run_id, at, data) for at, data in self.rows])


def add_events(connection: sqlite3.Connection, events: Sequence[EventRow]) -> Iterable[int]:
    """Store events that count on from the last ones of their runs; the numbers of those."""
    runs: dict[str, tuple[int, int]] = {}
    for name in {event.run_id for event in events}:
        runs[name] = find_run(connection, name) or (add_run(connection, name), 0)
    check_events(events, lambda run_id: runs[run_id][1])
    connection.executemany(_ADD_EVENT, [_event_values(runs[e.run_id][0], e) for e in events])
    for name, last in {event.run_id: event.id for event in events}.items():
        seal_run(connection, runs[name][0], name, last)
    return [number for number, _ in runs.values()]


def _event_values(run: int, event: EventRow) -> tuple[int, int, bytes]:
    number = run << EVENT_BITS | event.id
    return number, checksum(event.data, number), event.data


def blob_values(scope: int, row: BlobRow) -> tuple[int, int, int, int, int, bytes]:
    """The columns of a blob's row."""
    place = (scope, row.key, row.start, row.count)
    return (*place, checksum(row.data, *place), row.data)


def pending_values(seq: int, task: TaskWrites) -> tuple[int, bytes | str, int, bytes]:
    """The columns of the row of a task's pending writes."""
    data, task_id = pack_writes(task.writes), pack_task_id(task.task_id)
    return seq, task_id, checksum(data, seq, task_id), data
