"""Reads that look at everything in a database file and tell what is damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, cast

from .contents_reads import ALL
from .definitions import damaged_definitions
from .errors import CheckpointError
from .gently import gently
from .ids import id_from_bytes
from .index_reads import unreadable_indexes
from .packing import is_sound
from .part_versions import damaged_versions
from .places import SCOPES, ScopeRow, checked_scope, find_run, find_thread
from .record import BlobRow
from .reports import Damage, Verification
from .row_checks import BESIDE, is_row_of
from .row_seals import is_sealed_row, sealed_tables
from .rows import EVENT_BITS
from .scope_rows import ScopeRows
from .serde import Serializer
from .soundness import ScopeCheck
from .value import Value, slotted

_BLOBS = "SELECT key, start, count, crc, data FROM blob WHERE scope=?"
_THREADS = (
    "SELECT DISTINCT thread.name FROM thread JOIN scope ON scope.thread=thread.id"
    " ORDER BY thread.name"
)
_RUNS = "SELECT name FROM run ORDER BY name"
_EVENTS = (
    "SELECT run.name, event.id & ?, event.id, event.crc, event.data FROM event"
    " LEFT JOIN run ON run.id=event.id >> ?"
)
_EVENTS_OF = "SELECT count(*) FROM event WHERE id BETWEEN ? AND ?"
_UNUSED = "SELECT * FROM thread WHERE id NOT IN (SELECT thread FROM scope)"
_HAS = "SELECT 1 FROM sqlite_master WHERE type='table' AND name=?"
_LOST = {
    "a namespace": "SELECT count(*) FROM scope WHERE thread NOT IN (SELECT id FROM thread)",
    "a checkpoint": "SELECT count(*) FROM checkpoint WHERE scope NOT IN (SELECT id FROM scope)",
    "a blob": "SELECT count(*) FROM blob WHERE scope NOT IN (SELECT id FROM scope)",
    "a task's pending writes": (
        "SELECT count(*) FROM pending WHERE checkpoint NOT IN (SELECT seq FROM checkpoint)"
    ),
}


@slotted
class VerifyThread(Value):
    """Reads all there is of a thread."""

    serializer: Serializer
    thread_id: str

    def read(self, connection: sqlite3.Connection) -> Verification:
        """What was found."""
        try:
            thread = find_thread(connection, self.thread_id)
        except CheckpointError as error:
            return Verification(1, damage=(Damage(self.thread_id, "", None, str(error)),))
        scopes = connection.execute(SCOPES, (thread[0],)).fetchall() if thread else []
        found = Verification(threads=1 if scopes else 0)
        for row in scopes:
            found += self._scope(connection, row)
        return found

    def _scope(self, connection: sqlite3.Connection, stored: tuple[Any, ...]) -> Verification:
        check = ScopeCheck(self.serializer, self.thread_id, stored[2])
        try:
            scope = checked_scope(cast(Any, stored))
        except CheckpointError as error:
            check.note(str(error))
            scope = ScopeRow(*stored[:-1])
        check.blobs(self._sound_rows(connection, scope.id, scope.ns, check))
        rows = ScopeRows(connection, scope, self.thread_id, self.serializer)
        count = 0
        for row in gently(connection.execute(ALL, (scope.id,))):
            checkpoint_id = None
            count += 1
            try:
                checkpoint_id = id_from_bytes(row[1])
                found = rows.record(row)
                check.checkpoint(found.record)
                for task in rows.writes(found):
                    check.task(task)
            except CheckpointError as error:
                check.note(str(error), checkpoint_id)
        if count != scope.count:
            check.note(f"{count} of {scope.count} checkpoints are there")
        return check.result()

    def _sound_rows(
        self, connection: sqlite3.Connection, scope: int, ns: str, check: ScopeCheck
    ) -> Iterator[BlobRow]:
        for key, start, count, crc, data in gently(connection.execute(_BLOBS, (scope,))):
            if is_sound(data, crc, scope, key, start, count):
                yield BlobRow(ns, key, start, count, data)
            else:
                if isinstance(start, int) and isinstance(count, int):
                    check.seen(key, start, count)
                check.note(f"blob {key}:{start} does not match its checksum")


@slotted
class VerifyFile(Value):
    """Reads the whole database: its pages, all threads, run events, and rows of nothing."""

    serializer: Serializer

    def read(self, connection: sqlite3.Connection) -> Verification:
        """What was found."""
        found = Verification(damage=tuple(self._file(connection)))
        for (thread_id,) in connection.execute(_THREADS).fetchall():
            if not isinstance(thread_id, str):
                found += Verification(damage=(Damage(None, "", None, _no_name(thread_id)),))
                continue
            found += VerifyThread(self.serializer, thread_id).read(connection)
        return found

    def _file(self, connection: sqlite3.Connection) -> Iterator[Damage]:
        for (line,) in connection.execute("PRAGMA integrity_check"):
            if line != "ok":
                yield Damage(None, "", None, line)
        for look in (damaged_definitions, unreadable_indexes, damaged_versions):
            for what in look(connection):
                yield Damage(None, "", None, what)
        for what, count in _LOST.items():
            (lost,) = connection.execute(count).fetchone()
            if lost:
                yield Damage(None, "", None, f"{what} belongs to nothing, {lost} times")
        yield from self._events(connection)
        yield from self._rows(connection)
        for (run_id,) in connection.execute(_RUNS).fetchall():
            if isinstance(run_id, str):
                yield from self._run(connection, run_id)
            else:
                yield Damage(None, "", None, _no_name(run_id))

    def _events(self, connection: sqlite3.Connection) -> Iterator[Damage]:
        mask = (1 << EVENT_BITS) - 1
        for run_id, event, number, crc, data in connection.execute(_EVENTS, (mask, EVENT_BITS)):
            if run_id is None or not is_sound(data, crc, number):
                why = "belongs to no run" if run_id is None else "does not match its checksum"
                yield Damage(None, "", None, f"event {event} of run {run_id!r} {why}")

    def _rows(self, connection: sqlite3.Connection) -> Iterator[Damage]:
        """Of threads without checkpoints, of the store, of the cache, and of others whose rows are
        sealed."""
        there = [each for each in BESIDE if connection.execute(_HAS, (each,)).fetchone()]
        sealed = dict.fromkeys(sealed_tables(connection), is_sealed_row)
        checks = {**dict.fromkeys(there, is_row_of), **sealed}
        reads = [(f'SELECT * FROM "{table}"', table, check) for table, check in checks.items()]  # noqa: S608
        for read, table, is_sound_in in ((_UNUSED, "thread", is_row_of), *reads):
            for row in connection.execute(read):
                if not is_sound_in(table, row):
                    what = f"a row of {table}, {row[:3]!r}, does not match its checksum"
                    yield Damage(None, "", None, what)

    def _run(self, connection: sqlite3.Connection, run_id: str) -> Iterator[Damage]:
        try:
            number, last = find_run(connection, run_id) or (0, 0)
        except CheckpointError as error:
            yield Damage(None, "", None, str(error))
            return
        span = (number << EVENT_BITS, ((number + 1) << EVENT_BITS) - 1)
        (count,) = connection.execute(_EVENTS_OF, span).fetchone()
        if count != last:
            yield Damage(None, "", None, f"{count} of {last} events of run {run_id!r} are there")


def _no_name(stored: object) -> str:
    return f"{stored!r} is no name of a thread or a run"
