"""Reads for the pool: a scope's checkpoints put together from their rows, every row checked."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from .commits import last_event
from .errors import CorruptDataError, InvalidIdError
from .events import Row
from .ids import id_from_bytes
from .packing import PackedRow, is_sound, unpack_checkpoint, unpack_task_id, unpack_writes
from .record import BlobRow, CheckpointMetadata, CheckpointRecord, Entry, Loaded, TaskWrites
from .rows import EVENT_BITS, id_bytes, matches, used_blobs, uuid_bytes
from .serde import Serializer

_SCOPE = (
    "SELECT scope.id FROM thread JOIN scope ON scope.thread=thread.id"
    " WHERE thread.name=? AND scope.ns=?"
)
_CHECKPOINT = (
    "SELECT c.seq, c.id, c.parent, p.id, c.depth, c.crc, c.data FROM checkpoint AS c"
    " LEFT JOIN checkpoint AS p ON p.seq=c.parent WHERE c.scope=?"
)
NEWEST = _CHECKPOINT + " ORDER BY c.id DESC LIMIT 1"
BY_ID = _CHECKPOINT + " AND c.id=?"
OLDER = _CHECKPOINT + " AND c.id<? ORDER BY c.id DESC"
PARENT = "SELECT seq, id, parent, NULL, depth, crc, data FROM checkpoint WHERE seq=?"
NEWEST_ID = "SELECT id FROM checkpoint WHERE scope=? ORDER BY id DESC LIMIT 1"
WRITES = "SELECT task, crc, data FROM pending WHERE checkpoint=? ORDER BY task"
BLOB = "SELECT start, count, crc, data FROM blob WHERE scope=? AND key=? AND start<? ORDER BY start"
NEXT_KEY = "SELECT key FROM blob WHERE scope=? ORDER BY key DESC LIMIT 1"
RUN = "SELECT id FROM run WHERE name=?"
_SIZE = "SELECT coalesce(sum(length(data)), 0) FROM event WHERE id>? AND id<?"
EVENTS = "SELECT id, crc, data FROM event WHERE id>? AND id<? ORDER BY id LIMIT ?"

_KEPT_ROWS = 4096
_NO_STOP = (1 << 63) - 1
_LAST_ID = b"\xff" * 16

CheckpointRow: TypeAlias = tuple[int, bytes, int | None, bytes | None, int, int, bytes]


@dataclass(frozen=True, slots=True)
class LoadOne:
    """Reads the newest checkpoint of a scope, or the one asked for."""

    serializer: Serializer
    thread_id: str
    ns: str
    checkpoint_id: str | None

    def read(self, connection: sqlite3.Connection) -> Loaded | None:
        """None when there is none.  Raises CorruptDataError."""
        scope = _scope(connection, self.thread_id, self.ns)
        row = None if scope is None else self._row(connection, scope)
        if scope is None or row is None:
            return None
        rows = ScopeRows(connection, scope, self.thread_id, self.ns, self.serializer)
        return rows.loaded([rows.record(row)])[0]

    def _row(self, connection: sqlite3.Connection, scope: int) -> CheckpointRow | None:
        if self.checkpoint_id is None:
            return connection.execute(NEWEST, (scope,)).fetchone()
        key = uuid_bytes(self.checkpoint_id)
        return None if key is None else connection.execute(BY_ID, (scope, key)).fetchone()


@dataclass(frozen=True, slots=True)
class LoadHistory:
    """Reads a page of a scope's checkpoints, newest first."""

    serializer: Serializer
    thread_id: str
    ns: str
    before: str | None
    limit: int
    match: Mapping[str, Any] | None

    def read(self, connection: sqlite3.Connection) -> Sequence[Loaded]:
        """Raises CorruptDataError."""
        scope = _scope(connection, self.thread_id, self.ns)
        if scope is None or self.limit <= 0:
            return []
        rows = ScopeRows(connection, scope, self.thread_id, self.ns, self.serializer)
        found: list[StoredRecord] = []
        for row in self._newest_first(connection, scope):
            if rows.matches(row, self.match):
                found.append(rows.record(row))
                if len(found) == self.limit:
                    break
        if not found:
            return []
        return rows.loaded(found)

    def _newest_first(self, connection: sqlite3.Connection, scope: int) -> Iterator[CheckpointRow]:
        below = _LAST_ID if self.before is None else id_bytes(self.before)
        yield from connection.execute(OLDER, (scope, below))


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record and the number of its row."""

    seq: int
    record: CheckpointRecord


@dataclass(frozen=True, slots=True)
class _Row:
    seq: int
    parent: int | None
    depth: int
    packed: PackedRow


class ScopeRows:
    """The rows of one scope during one read; what several checkpoints share is read once."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        scope: int,
        thread_id: str,
        ns: str,
        serializer: Serializer,
    ) -> None:
        self._connection = connection
        self._scope = scope
        self._thread_id = thread_id
        self._ns = ns
        self._serializer = serializer
        self._rows: dict[int, _Row] = {}
        self._entries: dict[int, Mapping[str, Entry]] = {}
        self._origins: dict[int, CheckpointMetadata] = {}

    def matches(self, row: CheckpointRow, match: Mapping[str, Any] | None) -> bool:
        """True if the row's metadata is what the caller looks for; its entries are left alone."""
        if not match:
            return True
        if len(self._rows) > _KEPT_ROWS:  # a long search keeps no more than it needs
            self._rows.clear()
        return matches(self._metadata(self._unpack(row)), match)

    def record(self, row: CheckpointRow) -> StoredRecord:
        """The whole record of a row."""
        unpacked = self._unpack(row)
        packed, above = unpacked.packed, row[3]
        record = CheckpointRecord(
            id=self._id(unpacked.seq, row[1]),
            thread_id=self._thread_id,
            ns=self._ns,
            parent_id=None if above is None else self._id(unpacked.seq, above),
            created_at=packed.created_at,
            metadata=self._metadata(unpacked),
            entries=self._all_entries(unpacked),
            changed=packed.changed,
            version=packed.version,
            wrote=packed.wrote,
        )
        return StoredRecord(unpacked.seq, record)

    def loaded(self, records: Sequence[StoredRecord]) -> list[Loaded]:
        """The records, newest first, with their writes and blobs."""
        newest_id = self._newest_id()
        writes = [self.writes(found) for found in records]
        used = [
            used_blobs(found.record, tasks) for found, tasks in zip(records, writes, strict=True)
        ]
        stops: dict[int, int] = (
            dict.fromkeys(used[0], _NO_STOP) if records[0].record.id == newest_id else {}
        )
        for blobs in used:
            for key, stop in blobs.items():
                stops[key] = max(stop, stops.get(key, 0))
        rows = {key: self._blob(key, stop) for key, stop in stops.items()}
        last = self._connection.execute(NEXT_KEY, (self._scope,)).fetchone()
        next_key = last[0] + 1 if last else 0
        return [
            Loaded(
                record=found.record,
                blobs={key: rows[key] for key in blobs},
                writes=tasks,
                newest_id=newest_id,
                next_key=next_key,
            )
            for found, tasks, blobs in zip(records, writes, used, strict=True)
        ]

    def whole(self, key: int) -> bytes:
        """The bytes of a value that is stored as one.  Raises CorruptDataError."""
        return self._blob(key, 1)[0].data

    def _newest_id(self) -> str:
        return id_from_bytes(self._connection.execute(NEWEST_ID, (self._scope,)).fetchone()[0])

    def _all_entries(self, row: _Row) -> Mapping[str, Entry]:
        """The full map of a row: its changes laid over its parent's map."""
        line: list[_Row] = []
        while row.seq not in self._entries and row.depth > 0:
            line.append(row)
            row = self._parent(row)
        entries = self._entries.setdefault(row.seq, row.packed.entries)
        for below in reversed(line):
            merged = {**entries, **below.packed.entries}
            for name in below.packed.dropped:
                merged.pop(name, None)
            entries = self._entries[below.seq] = merged
        return entries

    def _metadata(self, row: _Row) -> CheckpointMetadata:
        """Why the row was written; the origin is its own or that of the parents above it."""
        above = row
        while (origin := above.packed.origin) is None:
            above = self._parent(above)
        common = self._origins.get(above.seq)
        if common is None:
            extra: dict[str, Any] = self._serializer.loads(origin.extra) if origin.extra else {}
            common = CheckpointMetadata("input", 0, origin.run_id, origin.parents, extra)
            self._origins[above.seq] = common
        return replace(common, source=row.packed.source, step=row.packed.step)

    def _parent(self, row: _Row) -> _Row:
        """The row above; read and checked once."""
        known = self._rows.get(row.parent or 0)
        if known is not None:
            return known
        found = self._connection.execute(PARENT, (row.parent,)).fetchone()
        if found is None:
            raise self._damaged(f"the parent of checkpoint row {row.seq} is missing")
        return self._unpack(found)

    def _unpack(self, row: CheckpointRow) -> _Row:
        seq, _, parent, _, depth, crc, data = row
        unpacked = self._rows.get(seq)
        if unpacked is None:
            self._check(f"checkpoint row {seq}", crc, data)
            if parent is not None and parent >= seq:  # rows would lead round in a circle
                raise self._damaged(f"checkpoint row {seq} is older than its parent")
            unpacked = self._rows[seq] = _Row(seq, parent, depth, unpack_checkpoint(data))
        return unpacked

    def writes(self, found: StoredRecord) -> tuple[TaskWrites, ...]:
        """The pending writes after a checkpoint, by task."""
        tasks: list[TaskWrites] = []
        for task, crc, data in self._connection.execute(WRITES, (found.seq,)):
            task_id = unpack_task_id(task)
            self._check(f"the pending writes of task {task_id!r}", crc, data)
            tasks.append(TaskWrites(self._ns, found.record.id, task_id, unpack_writes(data)))
        return tuple(tasks)

    def _blob(self, key: int, stop: int) -> tuple[BlobRow, ...]:
        rows: list[BlobRow] = []
        for start, count, crc, data in self._connection.execute(BLOB, (self._scope, key, stop)):
            self._check(f"blob {key}:{start}", crc, data)
            rows.append(BlobRow(self._ns, key, start, count, data))
        if not rows:
            raise self._damaged(f"blob {key} is missing")
        return tuple(rows)

    def _check(self, what: str, crc: int, data: bytes) -> None:
        if not is_sound(data, crc):
            raise self._damaged(f"{what} does not match its checksum")

    def _id(self, seq: int, stored: bytes) -> str:
        try:
            return id_from_bytes(stored)
        except InvalidIdError:
            raise self._damaged(f"{stored!r} is no id, in checkpoint row {seq} or above") from None

    def _damaged(self, what: str) -> CorruptDataError:
        return CorruptDataError(
            f"thread {self._thread_id!r}, namespace {self._ns!r} is damaged: {what}; "
            "restore the database from a backup, or go on from an older checkpoint"
        )


@dataclass(frozen=True, slots=True)
class ReadEvents:
    """Reads rows of a run's log."""

    run_id: str
    after: int
    limit: int

    def read(self, connection: sqlite3.Connection) -> Sequence[Row]:
        """Ascending.  Raises CorruptDataError."""
        run = connection.execute(RUN, (self.run_id,)).fetchone()
        if run is None or self.limit <= 0:
            return []
        first = run[0] << EVENT_BITS
        after = min(max(self.after, 0), (1 << EVENT_BITS) - 1)
        span = (first + after, first + (1 << EVENT_BITS), self.limit)
        return list(self._checked(connection.execute(EVENTS, span), first))

    def _checked(self, rows: Iterable[tuple[int, int, bytes]], first: int) -> Iterator[Row]:
        for row, crc, data in rows:
            if not is_sound(data, crc):
                raise CorruptDataError(
                    f"event {row - first} of run {self.run_id!r} does not match its checksum; "
                    "restore the database from a backup"
                )
            yield row - first, data


@dataclass(frozen=True, slots=True)
class LastEvent:
    """Reads the highest event id of a run."""

    run_id: str

    def read(self, connection: sqlite3.Connection) -> int:
        """0 when there is none."""
        run = connection.execute(RUN, (self.run_id,)).fetchone()
        return last_event(connection, run[0]) if run else 0


@dataclass(frozen=True, slots=True)
class SizeOfEvents:
    """Reads how many bytes the events of a run have."""

    run_id: str

    def read(self, connection: sqlite3.Connection) -> int:
        """0 when there is none."""
        run = connection.execute(RUN, (self.run_id,)).fetchone()
        if run is None:
            return 0
        first = run[0] << EVENT_BITS
        return connection.execute(_SIZE, (first, first + (1 << EVENT_BITS))).fetchone()[0]


def _scope(connection: sqlite3.Connection, thread_id: str, ns: str) -> int | None:
    found = connection.execute(_SCOPE, (thread_id, ns)).fetchone()
    return found[0] if found else None
