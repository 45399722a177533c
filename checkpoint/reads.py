"""Reads for the pool: the newest checkpoint of a scope, or the one asked for, and its history."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .gently import gently
from .hot_rows import Blobs, HotRows
from .places import ScopeRow, find_scope, find_thread
from .record import BlobRow, Loaded
from .rows import id_bytes, used_blobs, uuid_bytes
from .scope_rows import CHECKPOINT, CheckpointRow, ScopeRows, StoredRecord, checkpoint_row
from .sealing import is_sealed
from .serde import Serializer
from .spans import merged
from .value import Value, slotted

_OLDER = CHECKPOINT + " AND c.id<? ORDER BY c.id DESC"
_COUNT = "SELECT count(*) FROM checkpoint WHERE scope=?"
_IS_THERE = "SELECT 1 FROM checkpoint WHERE scope=? AND id=?"

_LAST_ID = b"\xff" * 16


@slotted
class LoadOne(Value):
    """Reads the newest checkpoint of a scope, or the one asked for."""

    serializer: Serializer
    thread_id: str
    ns: str
    checkpoint_id: str | None
    hot: HotRows | None = None
    """Rows that may be known, of newest checkpoints."""

    def read(self, connection: sqlite3.Connection) -> Loaded | None:
        """None when there is none.  Raises CorruptDataError."""
        scope = _scope(connection, self.thread_id, self.ns)
        if scope is None:
            return None
        rows = ScopeRows(connection, scope, self.thread_id, self.serializer)
        row = self._row(connection, scope)
        if row is None:
            (count,) = connection.execute(_COUNT, (scope.id,)).fetchone()
            if scope.count and (self.checkpoint_id is None or count != scope.count):
                raise rows.damaged(f"{count} of {scope.count} checkpoints are there")
            return None
        found = rows.record(row)
        if self.hot is None or self.checkpoint_id is not None:
            return rows.loaded([found])[0]
        rows.known = _known(connection, scope, self.hot)
        loaded = rows.loaded([found])[0]
        self.hot.keep(scope.id, scope.head, self._needed(loaded))
        return loaded

    def _needed(self, loaded: Loaded) -> Blobs:
        """The rows that the checkpoint itself needs; those of pending writes may go before it.

        Sealed ones stay apart, also where the reader has no key: the next one may have it.
        """
        needed: dict[int, tuple[BlobRow, ...]] = {}
        for key, stop in used_blobs(loaded.record, ()).items():
            rows = tuple([row for row in loaded.blobs[key] if row.start < stop])
            sealed = any(is_sealed(row.data) for row in rows)
            needed[key] = rows if sealed else merged(rows)
        return needed

    def _row(self, connection: sqlite3.Connection, scope: ScopeRow) -> CheckpointRow | None:
        if self.checkpoint_id is None:
            return checkpoint_row(connection, scope.id, scope.head)
        key = uuid_bytes(self.checkpoint_id)
        return None if key is None else checkpoint_row(connection, scope.id, key)


@slotted
class LoadHistory(Value):
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
        rows = ScopeRows(connection, scope, self.thread_id, self.serializer)
        found: list[StoredRecord] = []
        for row in self._newest_first(connection, rows):
            if rows.matches(row, self.match):
                found.append(rows.record(row))
                if len(found) == self.limit:
                    break
        if not found:
            return []
        return rows.loaded(found)

    def _newest_first(
        self, connection: sqlite3.Connection, rows: ScopeRows
    ) -> Iterator[CheckpointRow]:
        """Raises CorruptDataError if one is missing: the head, a parent of others, or any."""
        below = _LAST_ID if self.before is None else id_bytes(self.before)
        line = _Line(rows.scope, whole=self.before is None)
        for row in gently(connection.execute(_OLDER, (rows.scope.id, below))):
            if not line.passes(row):
                raise rows.damaged(f"a checkpoint above row {row[0]} is missing")
            yield row
        if not line.ends():
            raise rows.damaged("not all of its checkpoints are there")


class _Line:
    """Whether checkpoints that pass, newest first, are all there are, as far as can be told."""

    def __init__(self, scope: ScopeRow, *, whole: bool) -> None:
        self._expected = {scope.head} if whole and scope.count else set[bytes]()
        self._left = scope.count if whole else None

    def passes(self, row: CheckpointRow) -> bool:
        """False if one that must have come before did not."""
        key, above = row[1], row[3]
        self._expected.discard(key)
        complete = isinstance(key, bytes) and all(other < key for other in self._expected)
        if above is not None:
            self._expected.add(above)
        if self._left is not None:
            self._left -= 1
        return complete

    def ends(self) -> bool:
        """False if there must be more."""
        return not self._expected and self._left in {None, 0}


def _known(connection: sqlite3.Connection, scope: ScopeRow, hot: HotRows) -> Blobs:
    """What is kept of a scope, if the checkpoint that needs it is there."""
    kept = hot.of(scope.id)
    if kept is None or not connection.execute(_IS_THERE, (scope.id, kept.checkpoint)).fetchone():
        return {}
    return kept.blobs


def _scope(connection: sqlite3.Connection, thread_id: str, ns: str) -> ScopeRow | None:
    found = find_thread(connection, thread_id)
    return None if found is None else find_scope(connection, found[0], ns)
