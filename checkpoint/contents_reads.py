"""Reads for the pool: what threads hold, which there are, and which have checkpoints of a run."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .contents import BlobSize, Contents, Place, ScopeContents
from .errors import CorruptDataError
from .ids import id_from_bytes
from .links import LinkReader
from .packing import is_sound, unpack_checkpoint
from .reads import ScopeRows
from .record import CheckpointRecord, TaskWrites
from .reports import ThreadInfo
from .rows import uuid_bytes
from .serde import Serializer

SCOPES = (
    "SELECT scope.id, scope.ns FROM thread JOIN scope ON scope.thread=thread.id"
    " WHERE thread.name=? ORDER BY scope.ns"
)
ALL = (
    "SELECT c.seq, c.id, c.parent, p.id, c.depth, c.crc, c.data FROM checkpoint AS c"
    " LEFT JOIN checkpoint AS p ON p.seq=c.parent WHERE c.scope=? ORDER BY c.id"
)
_SIZES = "SELECT key, start, count, length(data) FROM blob WHERE scope=?"
_COUNTS = (
    "SELECT thread.name, scope.id, count(*), max(c.id) FROM checkpoint AS c"
    " JOIN scope ON scope.id=c.scope JOIN thread ON thread.id=scope.thread"
    " GROUP BY scope.id ORDER BY scope.ns"
)
_DATA = "SELECT crc, data FROM checkpoint WHERE scope=? AND id=?"
_WITH = (
    "SELECT DISTINCT thread.name FROM checkpoint AS c JOIN scope ON scope.id=c.scope"
    " JOIN thread ON thread.id=scope.thread WHERE instr(c.data, ?)"
)


@dataclass(frozen=True, slots=True)
class ReadContents:
    """Reads all there is of a thread, but for the bytes of its blobs."""

    serializer: Serializer
    thread_id: str

    def read(self, connection: sqlite3.Connection) -> Contents:
        """Empty when there is none.  Raises CorruptDataError."""
        found = connection.execute(SCOPES, (self.thread_id,)).fetchall()
        scopes = [self._scope(connection, scope, ns) for scope, ns in found]
        return {scope.ns: scope for scope in scopes if scope.checkpoints}

    def _scope(self, connection: sqlite3.Connection, scope: int, ns: str) -> ScopeContents:
        rows = ScopeRows(connection, scope, self.thread_id, ns, self.serializer)
        records: list[CheckpointRecord] = []
        writes: dict[str, tuple[TaskWrites, ...]] = {}
        reader = LinkReader(self.serializer, rows.whole)
        links: dict[str, frozenset[Place]] = {}
        for row in connection.execute(ALL, (scope,)):
            found = rows.record(row)
            records.append(found.record)
            if tasks := rows.writes(found):
                writes[found.record.id] = tasks
            if needed := reader.of(found.record, tasks):
                links[found.record.id] = needed
        blobs = tuple(BlobSize(*row) for row in connection.execute(_SIZES, (scope,)))
        return ScopeContents(ns, tuple(records), writes, blobs, links)


@dataclass(frozen=True, slots=True)
class ListThreads:
    """Reads which threads there are."""

    limit: int | None

    def read(self, connection: sqlite3.Connection) -> Sequence[ThreadInfo]:
        """The one written last first."""
        counts: dict[str, int] = {}
        newest: dict[str, tuple[bytes, int]] = {}
        for name, scope, count, last in connection.execute(_COUNTS):
            counts[name] = counts.get(name, 0) + count
            newest.setdefault(name, (last, scope))  # the root's ns sorts first
        names = sorted(sorted(newest), key=lambda name: newest[name][0], reverse=True)
        return [
            self._info(connection, name, counts[name], *newest[name])
            for name in names[: self.limit]
        ]

    def _info(
        self, connection: sqlite3.Connection, name: str, count: int, newest: bytes, scope: int
    ) -> ThreadInfo:
        crc, data = connection.execute(_DATA, (scope, newest)).fetchone()
        if not is_sound(data, crc):
            raise CorruptDataError(
                f"the newest checkpoint of thread {name!r} does not match its checksum; restore "
                "the database from a backup, or delete the thread"
            )
        return ThreadInfo(name, count, id_from_bytes(newest), unpack_checkpoint(data).created_at)


@dataclass(frozen=True, slots=True)
class FindRuns:
    """Looks through all checkpoint rows for the ids of runs."""

    run_ids: Sequence[str]

    def read(self, connection: sqlite3.Connection) -> set[str]:
        """Threads that may have checkpoints of these runs, and no other has."""
        return {name for packed in self._packed() for (name,) in connection.execute(_WITH, packed)}

    def _packed(self) -> Iterator[tuple[bytes]]:
        for run_id in self.run_ids:
            yield (uuid_bytes(run_id) or run_id.encode("utf-8", "replace"),)
