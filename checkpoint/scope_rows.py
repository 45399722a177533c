"""The rows of one scope, as a read finds them: records are made of them, every row is checked."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from .errors import CorruptDataError, InvalidIdError
from .gently import gently
from .hot_rows import Blobs
from .ids import id_from_bytes
from .packing import (
    PackedRow,
    is_sound,
    unpack_checkpoint,
    unpack_depth,
    unpack_task_id,
    unpack_writes,
)
from .places import ScopeRow, misled
from .record import BlobRow, CheckpointMetadata, CheckpointRecord, Entry, Loaded, TaskWrites
from .rows import id_bytes, matches, used_blobs
from .serde import Serializer
from .value import Value, slotted

FROM_CHECKPOINTS = (
    "c.seq, c.id, c.parent, p.id, c.depth, c.crc, c.data FROM checkpoint AS c"
    " LEFT JOIN checkpoint AS p ON p.seq=c.parent"
)
CHECKPOINT = f"SELECT {FROM_CHECKPOINTS} WHERE c.scope=?"
_BY_ID = CHECKPOINT + " AND c.id=?"
_PARENT = f"SELECT {FROM_CHECKPOINTS} WHERE c.seq=?"
_FOLLOWS = "SELECT parent, depth FROM checkpoint WHERE scope=? AND id>? ORDER BY id LIMIT 1"
_WRITES = "SELECT task, crc, data FROM pending WHERE checkpoint=? ORDER BY task"
_BLOB = (
    "SELECT start, count, crc, data FROM blob WHERE scope=? AND key=? AND start>=? AND start<?"
    " ORDER BY start"
)
_NEXT_KEY = "SELECT key FROM blob WHERE scope=? ORDER BY key DESC LIMIT 1"

_KEPT_ROWS = 4096
_NO_STOP = (1 << 63) - 1

CheckpointRow: TypeAlias = tuple[int, Any, Any, Any, Any, Any, Any]  # a damaged one: anything


def checkpoint_row(connection: sqlite3.Connection, scope: int, key: bytes) -> CheckpointRow | None:
    """The row of a checkpoint, still to be checked.  Raises CorruptDataError for another one's."""
    row: CheckpointRow | None = connection.execute(_BY_ID, (scope, key)).fetchone()
    if row is not None and row[1] != key:
        raise misled(f"checkpoint {key.hex()} of namespace number {scope}")
    return row


@slotted
class StoredRecord(Value):
    """A record and the number of its row."""

    seq: int
    record: CheckpointRecord


@slotted
class _Row(Value):
    seq: int
    key: bytes
    parent: int | None
    depth: int
    packed: PackedRow


class ScopeRows:
    """The rows of one scope during one read; what several checkpoints share is read once."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        scope: ScopeRow,
        thread_id: str,
        serializer: Serializer,
    ) -> None:
        self.scope = scope
        self._connection = connection
        self._thread_id = thread_id
        self._ns = scope.ns
        self._serializer = serializer
        self._rows: dict[int, _Row] = {}
        self._entries: dict[int, Mapping[str, Entry]] = {}
        self._origins: dict[int, CheckpointMetadata] = {}
        self.known: Blobs = {}
        """The first rows of blobs, which need not be read."""
        self._owed: dict[int | None, int] = {}
        """How many tasks must have pending writes after a row, as its children say."""

    def matches(self, row: CheckpointRow, match: Mapping[str, Any] | None) -> bool:
        """True if the row's metadata is what the caller looks for; its entries are left alone."""
        if not match:
            return True
        if len(self._rows) > _KEPT_ROWS:  # a long search keeps no more than it needs
            self._rows.clear()
            self._origins.clear()
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
        newest_id = self._id(self.scope.seq, self.scope.head)
        writes = [self.writes(found) for found in gently(records)]
        used = [
            used_blobs(found.record, tasks) for found, tasks in zip(records, writes, strict=True)
        ]
        stops: dict[int, int] = (
            dict.fromkeys(used[0], _NO_STOP) if records[0].record.id == newest_id else {}
        )
        for blobs in used:
            for key, stop in blobs.items():
                stops[key] = max(stop, stops.get(key, 0))
        rows = {key: self._blob(key, stop) for key, stop in gently(stops.items())}
        last = self._connection.execute(_NEXT_KEY, (self.scope.id,)).fetchone()
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
        packed, common = row.packed, self._common(row)
        return CheckpointMetadata(
            packed.source, packed.step, common.run_id, common.parents, common.extra
        )

    def _common(self, row: _Row) -> CheckpointMetadata:
        """What a row has in common with those of its run; told to all rows up to where it stands,
        as the next one that is asked for is one of them."""
        line: list[_Row] = []
        above = row
        while (common := self._origins.get(above.seq)) is None:
            line.append(above)
            if (origin := above.packed.origin) is not None:
                extra: dict[str, Any] = self._serializer.loads(origin.extra) if origin.extra else {}
                common = CheckpointMetadata("input", 0, origin.run_id, origin.parents, extra)
                break
            above = self._parent(above)
        for below in line:
            self._origins[below.seq] = common
        return common

    def _parent(self, row: _Row) -> _Row:
        """The row above; read and checked once."""
        known = self._rows.get(row.parent or 0)
        if known is not None:
            return known
        found = self._connection.execute(_PARENT, (row.parent,)).fetchone()
        if found is None:
            raise self.damaged(f"the parent of checkpoint row {row.seq} is missing")
        return self._unpack(found)

    def _unpack(self, row: CheckpointRow) -> _Row:
        seq, key, parent, above, packed, crc, data = row
        unpacked = self._rows.get(seq)
        if unpacked is None:
            if parent is not None and above is None:
                raise self.damaged(f"the parent of checkpoint row {seq} is missing")
            if parent is not None and not (isinstance(parent, int) and parent < seq):
                raise self.damaged(f"checkpoint row {seq} is older than its parent")
            self._check(f"checkpoint row {seq}", crc, data, self.scope.id, key, above, packed)
            depth, before = unpack_depth(packed)
            self._owed[parent] = max(before, self._owed.get(parent, 0))
            unpacked = self._rows[seq] = _Row(seq, key, parent, depth, unpack_checkpoint(data))
        elif unpacked.key != key:  # an index leads to the row of another checkpoint
            raise self.damaged(f"checkpoint row {seq} is not that of the checkpoint asked for")
        return unpacked

    def writes(self, found: StoredRecord) -> tuple[TaskWrites, ...]:
        """The pending writes after a checkpoint, by task."""
        tasks: list[TaskWrites] = []
        for task, crc, data in self._connection.execute(_WRITES, (found.seq,)):
            self._check(f"the pending writes of task {task!r}", crc, data, found.seq, task)
            task_id = unpack_task_id(task)
            tasks.append(TaskWrites(self._ns, found.record.id, task_id, unpack_writes(data)))
        newest = found.seq == self.scope.seq
        least = self.scope.writes if newest else self._least(found.seq, id_bytes(found.record.id))
        if len(tasks) < least or (newest and len(tasks) > least):
            raise self.damaged(f"pending writes are missing: {len(tasks)} of {least}")
        return tuple(tasks)

    def _least(self, seq: int, key: bytes) -> int:
        """How many tasks had pending writes after an older checkpoint, as the one that follows
        says; 0 if that is none of its children."""
        if seq not in self._owed:
            follows = self._connection.execute(_FOLLOWS, (self.scope.id, key)).fetchone()
            parent, depth = follows or (0, 0)
            self._owed[seq] = unpack_depth(depth)[1] if parent == seq else 0
        return self._owed[seq]

    def _blob(self, key: int, stop: int) -> tuple[BlobRow, ...]:
        rows = list(self.known.get(key, ()))
        scope, ns = self.scope.id, self._ns
        end = rows[-1].start + max(rows[-1].count, 1) if rows else 0
        place = (scope, key, end, stop)
        for start, count, crc, data in self._connection.execute(_BLOB, place):
            if not is_sound(data, crc, scope, key, start, count):
                raise self.damaged(f"blob {key}:{start} does not match its checksum")
            rows.append(BlobRow(ns, key, start, count, data))
        if not rows:
            raise self.damaged(f"blob {key} is missing")
        return tuple(rows)

    def _check(self, what: str, crc: int, data: bytes, *place: object) -> None:
        if not is_sound(data, crc, *place):
            raise self.damaged(f"{what} does not match its checksum")

    def _id(self, seq: int, stored: bytes) -> str:
        try:
            return id_from_bytes(stored)
        except InvalidIdError:
            raise self.damaged(f"{stored!r} is no id, in checkpoint row {seq} or above") from None

    def damaged(self, what: str) -> CorruptDataError:
        """The error for what is wrong with this scope."""
        return CorruptDataError(
            f"thread {self._thread_id!r}, namespace {self._ns!r} is damaged: {what}; "
            "restore the database from a backup, or go on from an older checkpoint"
        )
