"""Reads that look at everything in a database file and tell what is damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from .contents_reads import ALL, SCOPES
from .errors import CheckpointError
from .ids import id_from_bytes
from .packing import is_sound
from .reads import ScopeRows
from .record import BlobRow
from .reports import Damage, Verification
from .rows import EVENT_BITS
from .serde import Serializer
from .soundness import ScopeCheck

_BLOBS = "SELECT key, start, count, crc, data FROM blob WHERE scope=?"
_THREADS = (
    "SELECT DISTINCT thread.name FROM thread JOIN scope ON scope.thread=thread.id"
    " ORDER BY thread.name"
)
_EVENTS = (
    "SELECT run.name, event.id & ?, event.crc, event.data FROM event"
    " LEFT JOIN run ON run.id=event.id >> ?"
)
_LOST = {
    "a namespace": "SELECT count(*) FROM scope WHERE thread NOT IN (SELECT id FROM thread)",
    "a checkpoint": "SELECT count(*) FROM checkpoint WHERE scope NOT IN (SELECT id FROM scope)",
    "a blob": "SELECT count(*) FROM blob WHERE scope NOT IN (SELECT id FROM scope)",
    "a task's pending writes": (
        "SELECT count(*) FROM pending WHERE checkpoint NOT IN (SELECT seq FROM checkpoint)"
    ),
}


@dataclass(frozen=True, slots=True)
class VerifyThread:
    """Reads all there is of a thread."""

    serializer: Serializer
    thread_id: str

    def read(self, connection: sqlite3.Connection) -> Verification:
        """What was found."""
        scopes = connection.execute(SCOPES, (self.thread_id,)).fetchall()
        found = Verification(threads=1 if scopes else 0)
        for scope, ns in scopes:
            found += self._scope(connection, scope, ns)
        return found

    def _scope(self, connection: sqlite3.Connection, scope: int, ns: str) -> Verification:
        check = ScopeCheck(self.serializer, self.thread_id, ns)
        check.blobs(self._sound_rows(connection, scope, ns, check))
        rows = ScopeRows(connection, scope, self.thread_id, ns, self.serializer)
        for row in connection.execute(ALL, (scope,)):
            checkpoint_id = None
            try:
                checkpoint_id = id_from_bytes(row[1])
                found = rows.record(row)
                check.checkpoint(found.record)
                for task in rows.writes(found):
                    check.task(task)
            except CheckpointError as error:
                check.note(str(error), checkpoint_id)
            if row[2] is not None and row[3] is None:
                check.note("its parent is missing", checkpoint_id)
        return check.result()

    def _sound_rows(
        self, connection: sqlite3.Connection, scope: int, ns: str, check: ScopeCheck
    ) -> Iterator[BlobRow]:
        for key, start, count, crc, data in connection.execute(_BLOBS, (scope,)):
            if is_sound(data, crc):
                yield BlobRow(ns, key, start, count, data)
            else:
                check.seen(key, start, count)
                check.note(f"blob {key}:{start} does not match its checksum")


@dataclass(frozen=True, slots=True)
class VerifyFile:
    """Reads the whole database: its pages, all threads, run events, and rows of nothing."""

    serializer: Serializer

    def read(self, connection: sqlite3.Connection) -> Verification:
        """What was found."""
        found = Verification(damage=tuple(self._file(connection)))
        for (thread_id,) in connection.execute(_THREADS).fetchall():
            found += VerifyThread(self.serializer, thread_id).read(connection)
        return found

    def _file(self, connection: sqlite3.Connection) -> Iterator[Damage]:
        for (line,) in connection.execute("PRAGMA integrity_check"):
            if line != "ok":
                yield Damage(None, "", None, line)
        for what, count in _LOST.items():
            (lost,) = connection.execute(count).fetchone()
            if lost:
                yield Damage(None, "", None, f"{what} belongs to nothing, {lost} times")
        mask = (1 << EVENT_BITS) - 1
        for run_id, event, crc, data in connection.execute(_EVENTS, (mask, EVENT_BITS)):
            if run_id is None or not is_sound(data, crc):
                why = "does not match its checksum" if run_id else "belongs to no run"
                yield Damage(None, "", None, f"event {event} of run {run_id!r} {why}")
