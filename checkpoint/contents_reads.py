"""Reads for the pool: what threads hold, which there are, and which have checkpoints of a run."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from .contents import BlobSize, Contents, Place, ScopeContents
from .errors import CorruptDataError
from .gently import gently
from .ids import id_from_bytes
from .links import LinkReader
from .packing import is_sound, unpack_checkpoint
from .places import (
    FROM_SCOPES,
    ScopeRow,
    checked_scope,
    checked_thread,
    find_thread,
    scopes_of,
)
from .record import CheckpointRecord, TaskWrites
from .reports import ThreadInfo
from .rows import uuid_bytes
from .scope_rows import FROM_CHECKPOINTS, ScopeRows, checkpoint_row
from .serde import Serializer
from .value import Value, slotted

ALL = f"SELECT {FROM_CHECKPOINTS} WHERE c.scope=? ORDER BY c.id"
_ALL_SCOPES = f"SELECT {FROM_SCOPES} ORDER BY ns"
_COUNT_SCOPES = "SELECT count(mark) FROM scope INDEXED BY scope_mark"
_SIZES = "SELECT key, start, count, length(data) FROM blob WHERE scope=?"
_THREADS = "SELECT id, name, epoch, crc FROM thread"
_ALL_THREADS = "SELECT count(mark) FROM thread INDEXED BY thread_mark"
_WITH = (
    "SELECT DISTINCT thread.name FROM checkpoint AS c JOIN scope ON scope.id=c.scope"
    " JOIN thread ON thread.id=scope.thread WHERE instr(c.data, ?)"
)


@slotted
class ReadContents(Value):
    """Reads all there is of a thread, but for the bytes of its blobs."""

    serializer: Serializer
    thread_id: str

    def read(self, connection: sqlite3.Connection) -> Contents:
        """Empty when there is none.  Raises CorruptDataError."""
        thread = find_thread(connection, self.thread_id)
        found = scopes_of(connection, thread[0]) if thread else []
        scopes = [self._scope(connection, scope) for scope in found]
        return {scope.ns: scope for scope in scopes if scope.checkpoints}

    def _scope(self, connection: sqlite3.Connection, scope: ScopeRow) -> ScopeContents:
        rows = ScopeRows(connection, scope, self.thread_id, self.serializer)
        records: list[CheckpointRecord] = []
        writes: dict[str, tuple[TaskWrites, ...]] = {}
        reader = LinkReader(self.serializer, rows.whole)
        links: dict[str, frozenset[Place]] = {}
        for row in gently(connection.execute(ALL, (scope.id,))):
            found = rows.record(row)
            records.append(found.record)
            if tasks := rows.writes(found):
                writes[found.record.id] = tasks
            if needed := reader.of(found.record, tasks):
                links[found.record.id] = needed
        if len(records) != scope.count:
            raise rows.damaged(f"{len(records)} of {scope.count} checkpoints are there")
        blobs = tuple(BlobSize(*row) for row in connection.execute(_SIZES, (scope.id,)))
        return ScopeContents(scope.ns, tuple(records), writes, blobs, links)


@slotted
class ListThreads(Value):
    """Reads which threads there are."""

    limit: int | None

    def read(self, connection: sqlite3.Connection) -> Sequence[ThreadInfo]:
        """The one written last first."""
        names = _names(connection)
        counts: dict[str, int] = {}
        newest: dict[str, ScopeRow] = {}
        for scope in _all_scopes(connection):
            name = names.get(scope.thread)
            if name is None:
                raise _incomplete()
            if scope.count:
                counts[name] = counts.get(name, 0) + scope.count
                newest.setdefault(name, scope)  # the root's ns sorts first
        listed = sorted(sorted(newest), key=lambda name: newest[name].head, reverse=True)
        return [
            self._info(connection, name, counts[name], newest[name])
            for name in listed[: self.limit]
        ]

    def _info(
        self, connection: sqlite3.Connection, name: str, count: int, newest: ScopeRow
    ) -> ThreadInfo:
        row = checkpoint_row(connection, newest.id, newest.head)
        if row is None or not is_sound(row[6], row[5], newest.id, row[1], row[3], row[4]):
            raise CorruptDataError(
                f"the newest checkpoint of thread {name!r} is missing or does not match its "
                "checksum; restore the database from a backup, or delete the thread"
            )
        created_at = unpack_checkpoint(row[6]).created_at
        return ThreadInfo(name, count, id_from_bytes(newest.head), created_at)


def _names(connection: sqlite3.Connection) -> dict[int, str]:
    """The names of all threads by their numbers; a second index tells how many there must be."""
    rows = connection.execute(_THREADS).fetchall()
    (count,) = connection.execute(_ALL_THREADS).fetchone()
    if count != len(rows):
        raise _incomplete()
    return {checked_thread(row)[0]: row[1] for row in rows}


def _all_scopes(connection: sqlite3.Connection) -> list[ScopeRow]:
    rows = connection.execute(_ALL_SCOPES).fetchall()
    (count,) = connection.execute(_COUNT_SCOPES).fetchone()
    if count != len(rows):
        raise _incomplete()
    return [checked_scope(row) for row in rows]


def _incomplete() -> CorruptDataError:
    return CorruptDataError(
        "the list of threads is damaged: rows of the database are missing; restore the file from "
        "a backup"
    )


@slotted
class FindRuns(Value):
    """Looks through all checkpoint rows for the ids of runs."""

    run_ids: Sequence[str]

    def read(self, connection: sqlite3.Connection) -> set[str]:
        """Threads that may have checkpoints of these runs, and no other has."""
        return {name for packed in self._packed() for (name,) in connection.execute(_WITH, packed)}

    def _packed(self) -> Iterator[tuple[bytes]]:
        for run_id in self.run_ids:
            yield (uuid_bytes(run_id) or run_id.encode("utf-8", "replace"),)
