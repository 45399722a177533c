"""One scope made readable again after its rows were salvaged: what cannot be read goes."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, replace

from .changes import relink, remove
from .contents import BlobSize, ScopeContents, changed_between, removal_of
from .contents_reads import ALL
from .errors import CheckpointError
from .fall_back import Losses
from .ids import id_from_bytes
from .packing import checksum, pack_depth, unpack_depth, unpack_writes
from .places import ScopeRow, reseal
from .record import BlobRow, CheckpointRecord, TaskWrites
from .scope_rows import ScopeRows
from .serde import Serializer
from .sieve import CheckpointBytes, Sieved, sieve
from .soundness import ScopeCheck

_ROWS = "SELECT seq, id, parent, depth, crc, data FROM checkpoint WHERE scope=?"
_DROP_ROW = "DELETE FROM checkpoint WHERE seq=?"
_DROP_WRITES = "DELETE FROM pending WHERE checkpoint=?"
_PART = "UPDATE checkpoint SET parent=NULL, depth=?, crc=? WHERE seq=?"
_BLOBS = "SELECT seq, key, start, count, data FROM blob WHERE scope=?"
_SIZES = "SELECT key, start, count, length(data) FROM blob WHERE scope=?"
_DROP_BLOB = "DELETE FROM blob WHERE seq=?"
_TASKS = "SELECT task, data FROM pending WHERE checkpoint=?"
_COUNT_TASKS = "SELECT count(*) FROM pending WHERE checkpoint=?"
_DROP_TASK = "DELETE FROM pending WHERE checkpoint=? AND task=?"
_CHILDREN = (
    "SELECT c.seq, c.id, p.seq, p.id, c.depth, c.data FROM checkpoint AS c"
    " JOIN checkpoint AS p ON p.seq=c.parent WHERE c.scope=?"
)
_RECOUNT = "UPDATE checkpoint SET depth=?, crc=? WHERE seq=?"


@dataclass(frozen=True, slots=True)
class Mended:
    """What a scope has lost."""

    losses: Losses
    checkpoints: int
    """How many there were, as far as can be told."""
    writes: int
    """Tasks of checkpoints that are there, whose pending writes are lost."""


@dataclass(frozen=True, slots=True)
class MendScope:
    """Makes a scope readable.

    `sealed`: its row as it stood in the file; None: that was lost.  `indexed`: the ids of its
    checkpoints by their places, as an index knows them.
    """

    connection: sqlite3.Connection
    serializer: Serializer
    thread_id: str
    thread: int
    scope: int
    ns: str
    sealed: ScopeRow | None
    indexed: Mapping[int, bytes]

    def mend(self) -> Mended:
        """Raises CheckpointError for what cannot be read though no checksum is wrong."""
        rows = [CheckpointBytes(*row) for row in self.connection.execute(_ROWS, (self.scope,))]
        found = sieve(self.scope, rows, self.indexed)
        for seq in found.dropped:
            self.connection.execute(_DROP_WRITES, (seq,))
            self.connection.execute(_DROP_ROW, (seq,))
        if not found.kept:
            self._empty()
            return Mended(self._losses(found), self._count(found), 0)
        self._part(found, {row.seq: row for row in rows})
        check = self._blobs()
        self._tasks(found, check)
        writes = self._recount(found)
        reseal(self.connection, self.scope)
        self._drop_unreadable(found, check)
        return Mended(self._losses(found), self._count(found), writes)

    def _empty(self) -> None:
        self.connection.execute("DELETE FROM blob WHERE scope=?", (self.scope,))
        self.connection.execute("DELETE FROM scope WHERE id=?", (self.scope,))

    def _part(self, found: Sieved, rows: Mapping[int, CheckpointBytes]) -> None:
        """Rows whose parents are lost begin anew, for now."""
        for seq in found.parted:
            row, depth = rows[seq], pack_depth(0, 0)
            crc = checksum(row.data, self.scope, row.id, None, depth)
            self.connection.execute(_PART, (depth, crc, seq))

    def _blobs(self) -> ScopeCheck:
        """What blobs there are; those that cannot be read go."""
        check = ScopeCheck(self.serializer, self.thread_id, self.ns)
        for seq, key, start, count, data in self.connection.execute(
            _BLOBS, (self.scope,)
        ).fetchall():
            alone = ScopeCheck(self.serializer, self.thread_id, self.ns)
            alone.blobs([BlobRow(self.ns, key, start, count, data)])
            if alone.result().ok:
                check.seen(key, start, count)
            else:
                self.connection.execute(_DROP_BLOB, (seq,))
        return check

    def _tasks(self, found: Sieved, check: ScopeCheck) -> None:
        """Pending writes that need what is lost go."""
        for seq in found.kept:
            for task, data in self.connection.execute(_TASKS, (seq,)).fetchall():
                if any(check.wrong_with(entry) for _, entry in unpack_writes(data)):
                    self.connection.execute(_DROP_TASK, (seq, task))

    def _recount(self, found: Sieved) -> int:
        """Have rows say how many tasks have pending writes after their parents; gives how many are
        lost."""
        lost = dict[int, int]()
        for seq, key, parent, above, packed, data in self.connection.execute(
            _CHILDREN, (self.scope,)
        ).fetchall():
            depth, before = unpack_depth(packed)
            (there,) = self.connection.execute(_COUNT_TASKS, (parent,)).fetchone()
            if there < before:
                lost[parent] = before - there
                now = pack_depth(depth, there)
                crc = checksum(data, self.scope, key, above, now)
                self.connection.execute(_RECOUNT, (now, crc, seq))
        if self.sealed is not None and self.sealed.seq in found.kept:
            (there,) = self.connection.execute(_COUNT_TASKS, (self.sealed.seq,)).fetchone()
            lost[self.sealed.seq] = max(self.sealed.writes - there, 0)
        return sum(lost.values())

    def _drop_unreadable(self, found: Sieved, check: ScopeCheck) -> None:
        """Checkpoints that need blobs which are lost go; those that were parted are linked to the
        nearest one above."""
        (row,) = self.connection.execute(
            "SELECT id, thread, ns, seq, head, depth, count, writes FROM scope WHERE id=?",
            (self.scope,),
        ).fetchall()
        rows = ScopeRows(self.connection, ScopeRow(*row), self.thread_id, self.serializer)
        records: list[CheckpointRecord] = []
        writes: dict[str, tuple[TaskWrites, ...]] = {}
        for stored in self.connection.execute(ALL, (self.scope,)).fetchall():
            each = rows.record(stored)
            records.append(each.record)
            if tasks := rows.writes(each):
                writes[each.record.id] = tasks
        sizes = tuple(BlobSize(*size) for size in self.connection.execute(_SIZES, (self.scope,)))
        contents = {self.ns: ScopeContents(self.ns, tuple(records), writes, sizes)}
        whole = {
            (self.ns, record.id)
            for record in records
            if not any(check.wrong_with(entry) for entry in record.entries.values())
        }
        remove(self.connection, self.thread, removal_of(contents, whole))
        kept = {record.id: record for record in records if (self.ns, record.id) in whole}
        self._link(found, kept)

    def _link(self, found: Sieved, kept: Mapping[str, CheckpointRecord]) -> None:
        for seq, place in found.parted.items():
            record = kept.get(id_from_bytes(found.kept[seq]))
            if record is None:
                continue
            above = None if place is None else kept.get(id_from_bytes(found.kept[place]))
            changed = changed_between(record, above)
            linked = replace(record, parent_id=above and above.id, changed=changed)
            relink(self.connection, self.scope, [linked])
        if kept:
            reseal(self.connection, self.scope)

    def _losses(self, found: Sieved) -> Losses:
        ids = {**self.indexed, **found.dropped, **found.kept}
        there = {
            key
            for (key,) in self.connection.execute(
                "SELECT id FROM checkpoint WHERE scope=?", (self.scope,)
            )
        }
        texts = {seq: text for seq, key in ids.items() if (text := _text(key)) is not None}
        above = {
            texts[seq]: None if parent is None else texts.get(parent)
            for seq, parent in found.above.items()
            if seq in texts
        }
        head = _text(self.sealed.head) if self.sealed is not None else None
        gone = map(_text, {*ids.values()} - there)
        lost = frozenset(text for text in gone if text is not None)
        return Losses(lost, head or None, above)

    def _count(self, found: Sieved) -> int:
        if self.sealed is not None:
            return self.sealed.count
        return len({*self.indexed, *found.dropped, *found.kept})


def _text(key: bytes) -> str | None:
    try:
        return id_from_bytes(key)
    except CheckpointError:
        return None
