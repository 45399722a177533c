"""Where threads, namespaces and runs are in the file: their rows, found by name, and checked.

A scope's row is sealed with its head: the newest checkpoint, how many there are, and how many tasks
have pending writes after the newest.  So a checkpoint that an index or a page has lost is missed.

Nothing is taken for absent because one index does not have it: a second one, over `mark`, a hash of
the name, is asked too, and one damaged page cannot make both forget.  Nor is a row taken for what
was asked because an index led there: SQLite does not compare, so a damaged index leads to another.
"""

from __future__ import annotations

import sqlite3
import zlib
from dataclasses import dataclass

from .errors import CorruptDataError
from .packing import checksum, unpack_depth
from .value import Value, slotted

_THREAD = "SELECT id, name, epoch, crc FROM thread WHERE name=?"
_THREAD_BY_MARK = "SELECT 1 FROM thread INDEXED BY thread_mark WHERE mark=? AND name=?"
_ADD_THREAD = "INSERT INTO thread (name, epoch, mark, crc) VALUES (?, 1, ?, 0) RETURNING id"
_SEAL_THREAD = "UPDATE thread SET epoch=?, crc=? WHERE id=?"
FROM_SCOPES = "id, thread, ns, seq, head, depth, count, writes, crc FROM scope"
_SCOPE = f"SELECT {FROM_SCOPES} WHERE thread=? AND ns=?"
SCOPES = f"SELECT {FROM_SCOPES} WHERE thread=? ORDER BY ns"
_SCOPE_BY_ID = f"SELECT {FROM_SCOPES} WHERE id=?"
_SCOPE_BY_MARK = "SELECT 1 FROM scope INDEXED BY scope_mark WHERE mark=? AND thread=? AND ns=?"
_ADD_SCOPE = (
    "INSERT INTO scope (thread, ns, mark, seq, head, depth, count, writes, crc)"
    " VALUES (?, ?, ?, 0, x'', 0, 0, 0, 0) RETURNING id"
)
_SEAL_SCOPE = "UPDATE scope SET seq=?, head=?, depth=?, count=?, writes=?, crc=? WHERE id=?"
_CHECKPOINT = (
    "SELECT c.scope, c.id, c.seq, c.parent, c.depth, c.data FROM checkpoint AS i"
    " JOIN checkpoint AS c ON c.seq=i.seq WHERE i.scope=? AND i.id=?"
)
"""The join reads the columns from the table: else what the index holds of them would come back."""
_HEAD = "SELECT seq, id, depth FROM checkpoint WHERE scope=? ORDER BY id DESC LIMIT 1"
_COUNT = "SELECT count(*) FROM checkpoint WHERE scope=?"
_WRITES = "SELECT count(*) FROM pending WHERE checkpoint=?"
RUN_TAG = b"run"
"""Told from a thread's row, which looks alike."""
_RUN = "SELECT id, name, last, crc FROM run WHERE name=?"
_RUN_BY_MARK = "SELECT 1 FROM run INDEXED BY run_mark WHERE mark=? AND name=?"
_ADD_RUN = "INSERT INTO run (name, last, mark, crc) VALUES (?, 0, ?, 0) RETURNING id"
_SEAL_RUN = "UPDATE run SET last=?, crc=? WHERE id=?"


@dataclass(slots=True)
class ScopeRow:
    """One namespace of a thread."""

    id: int
    thread: int
    ns: str
    seq: int
    """The row of its newest checkpoint; 0 without one."""
    head: bytes
    """That one's id."""
    depth: int
    count: int
    """How many checkpoints it has."""
    writes: int
    """How many tasks have pending writes after the newest."""

    def seal(self, connection: sqlite3.Connection) -> None:
        """Store it as it is now."""
        facts = (self.seq, self.head, self.depth, self.count, self.writes)
        crc = checksum(b"", self.id, self.thread, self.ns, *facts)
        connection.execute(_SEAL_SCOPE, (*facts, crc, self.id))


def find_thread(connection: sqlite3.Connection, name: str) -> tuple[int, int] | None:
    """A thread's number and epoch; None when there is none.  Raises CorruptDataError."""
    row = connection.execute(_THREAD, (name,)).fetchone()
    if row is not None:
        if row[1] != name:
            raise misled(f"thread {name!r}")
        return checked_thread(row)
    if connection.execute(_THREAD_BY_MARK, (mark(name), name)).fetchone():
        raise _lost(f"thread {name!r}")
    return None


def checked_thread(row: tuple[int, str, int, int]) -> tuple[int, int]:
    """A thread's number and epoch, of its row.  Raises CorruptDataError."""
    number, name, epoch, crc = row
    if checksum(b"", number, name, epoch) != crc:
        raise _unsound(f"the row of thread {name!r}")
    return number, epoch


def add_thread(connection: sqlite3.Connection, name: str) -> int:
    """The number of a new thread, whose epoch is 1."""
    (number,) = connection.execute(_ADD_THREAD, (name, mark(name))).fetchone()
    seal_thread(connection, number, name, 1)
    return number


def seal_thread(connection: sqlite3.Connection, number: int, name: str | bytes, epoch: int) -> None:
    """Store a thread's epoch."""
    connection.execute(_SEAL_THREAD, (epoch, checksum(b"", number, name, epoch), number))


def find_scope(connection: sqlite3.Connection, thread: int, ns: str) -> ScopeRow | None:
    """A namespace of a thread; None when there is none.  Raises CorruptDataError."""
    row = connection.execute(_SCOPE, (thread, ns)).fetchone()
    if row is not None:
        if row[1:3] != (thread, ns):
            raise misled(f"namespace {ns!r} of thread number {thread}")
        return checked_scope(row)
    if connection.execute(_SCOPE_BY_MARK, (scope_mark(thread, ns), thread, ns)).fetchone():
        raise _lost(f"namespace {ns!r} of thread number {thread}")
    return None


def scopes_of(connection: sqlite3.Connection, thread: int) -> list[ScopeRow]:
    """The namespaces of a thread, as far as the index knows.  Raises CorruptDataError."""
    rows = connection.execute(SCOPES, (thread,)).fetchall()
    if any(row[1] != thread for row in rows):
        raise misled(f"the list of namespaces of thread number {thread}")
    return [checked_scope(row) for row in rows]


def checked_scope(row: tuple[int, int, str, int, bytes, int, int, int, int]) -> ScopeRow:
    """A scope of its row.  Raises CorruptDataError."""
    if checksum(b"", *row[:-1]) != row[-1]:
        raise _unsound(f"the row of namespace {row[2]!r} of thread number {row[1]}")
    return ScopeRow(*row[:-1])


def add_scope(connection: sqlite3.Connection, thread: int, ns: str) -> ScopeRow:
    """A new namespace; whoever adds to it seals it."""
    place = (thread, ns, scope_mark(thread, ns))
    (number,) = connection.execute(_ADD_SCOPE, place).fetchone()
    return ScopeRow(number, thread, ns, 0, b"", 0, 0, 0)


def reseal(connection: sqlite3.Connection, scope: int) -> None:
    """Store a scope's head as its rows are now, after some of them went."""
    row = connection.execute(_SCOPE_BY_ID, (scope,)).fetchone()
    if row is None:
        return
    seq, head, packed = connection.execute(_HEAD, (scope,)).fetchone() or (0, b"", 0)
    depth, _ = unpack_depth(packed)
    (count,) = connection.execute(_COUNT, (scope,)).fetchone()
    (writes,) = connection.execute(_WRITES, (seq,)).fetchone()
    ScopeRow(row[0], row[1], row[2], seq, head, depth, count, writes).seal(connection)


def find_run(connection: sqlite3.Connection, name: str) -> tuple[int, int] | None:
    """A run's number and the id of its last event; None when there is none.

    Raises CorruptDataError.
    """
    row = connection.execute(_RUN, (name,)).fetchone()
    if row is None:
        if connection.execute(_RUN_BY_MARK, (mark(name), name)).fetchone():
            raise _lost(f"run {name!r}")
        return None
    if row[1] != name:
        raise misled(f"run {name!r}")
    if checksum(RUN_TAG, *row[:-1]) != row[-1]:
        raise _unsound(f"the row of run {name!r}")
    return row[0], row[2]


def add_run(connection: sqlite3.Connection, name: str) -> int:
    """The number of a new run; whoever adds events seals it."""
    return connection.execute(_ADD_RUN, (name, mark(name))).fetchone()[0]


def seal_run(connection: sqlite3.Connection, number: int, name: str, last: int) -> None:
    """Store the id of a run's last event."""
    connection.execute(_SEAL_RUN, (last, checksum(RUN_TAG, number, name, last), number))


@slotted
class CheckpointPlace(Value):
    """Where a checkpoint is, and what its row holds."""

    seq: int
    parent: int | None
    depth: int
    data: bytes


def find_checkpoint(
    connection: sqlite3.Connection, scope: int, key: bytes
) -> CheckpointPlace | None:
    """A checkpoint's place; None when there is none.  Raises CorruptDataError."""
    row = connection.execute(_CHECKPOINT, (scope, key)).fetchone()
    if row is None:
        return None
    if row[:2] != (scope, key):
        raise misled(f"checkpoint {key.hex()} of namespace number {scope}")
    return CheckpointPlace(*row[2:])


def mark(name: str) -> int:
    """What the second index finds a name by."""
    return zlib.crc32(name.encode("utf-8", "surrogatepass"))


def scope_mark(thread: int, ns: str) -> int:
    """What the second index finds a namespace by."""
    return zlib.crc32(ns.encode("utf-8", "surrogatepass"), thread & 0xFFFFFFFF)


def _lost(what: str) -> CorruptDataError:
    return CorruptDataError(
        f"{what} is in the database, and an index has lost it; restore the file from a backup"
    )


def misled(what: str) -> CorruptDataError:
    """The error for an index that leads to another row than was asked for."""
    return CorruptDataError(
        f"{what} was asked for, and an index of the database leads elsewhere; restore the file "
        "from a backup, or look at `understudy db repair`"
    )


def _unsound(what: str) -> CorruptDataError:
    return CorruptDataError(
        f"{what} does not match its checksum; restore the database from a backup"
    )
