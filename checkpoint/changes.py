"""Units of work for the committer: what administration does to the rows of threads.

The number of a thread is the number of its lock, so it must never be given to another one.  SQLite
gives a new row the greatest number there is, plus one: of all threads that were erased, the row of
the greatest number stays, without its name.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable

from .contents import Removal, ScopeRemoval
from .custodian import Change
from .packing import Origin, checksum, pack_checkpoint, pack_depth, unpack_checkpoint
from .places import (
    CheckpointPlace,
    add_scope,
    find_checkpoint,
    find_scope,
    find_thread,
    misled,
    reseal,
    scopes_of,
)
from .record import CheckpointRecord, Claim
from .reports import Removed
from .rows import id_bytes, stale
from .run_threads import ForgetEvents, forget_runs, link_runs, loose_runs, runs_of
from .value import Value, slotted

_COUNT = "SELECT count(*) FROM checkpoint WHERE scope IN (SELECT id FROM scope WHERE thread=?)"
_SIZE = (
    "SELECT count(*), sum(length(data)) FROM blob"
    " WHERE scope IN (SELECT id FROM scope WHERE thread=?)"
)
_ERASE = (
    (
        "DELETE FROM pending WHERE checkpoint IN (SELECT seq FROM checkpoint"
        " WHERE scope IN (SELECT id FROM scope WHERE thread=?))"
    ),
    "DELETE FROM checkpoint WHERE scope IN (SELECT id FROM scope WHERE thread=?)",
    "DELETE FROM blob WHERE scope IN (SELECT id FROM scope WHERE thread=?)",
    "DELETE FROM scope WHERE thread=?",
    (
        "UPDATE thread SET name=CAST(id AS BLOB), mark=0,"
        " crc=checksum(x'', id, CAST(id AS BLOB), epoch) WHERE id=?"
    ),
)
_DROP_NAMELESS = "DELETE FROM thread WHERE name>=x'' AND id<(SELECT max(id) FROM thread)"
"""Bytes sort after every text, and are no thread's name."""

_ABOVE = "SELECT parent, data FROM checkpoint WHERE seq=?"
_RELINK = "UPDATE checkpoint SET parent=?, depth=?, crc=?, data=? WHERE seq=?"
_WRITES = "SELECT count(*) FROM pending WHERE checkpoint=?"
_DROP_WRITES = (
    "DELETE FROM pending WHERE checkpoint=(SELECT seq FROM checkpoint WHERE scope=? AND id=?)"
)
_DROP_CHECKPOINT = "DELETE FROM checkpoint WHERE scope=? AND id=?"
_DROP_BLOB = "DELETE FROM blob WHERE scope=? AND key=? AND start=?"
_DROP_SCOPE = "DELETE FROM scope WHERE id=?"

_SHIFT = "SELECT (SELECT max(seq) FROM checkpoint) + 1 - min(seq) FROM checkpoint WHERE scope=?"
_COPY_CHECKPOINTS = (
    "INSERT INTO checkpoint (seq, scope, id, parent, depth, crc, data)"
    " SELECT c.seq+?1, ?2, c.id, c.parent+?1, c.depth,"
    " checksum(c.data, ?2, c.id, p.id, c.depth), c.data"
    " FROM checkpoint AS c LEFT JOIN checkpoint AS p ON p.seq=c.parent WHERE c.scope=?3"
    " ORDER BY c.seq"
)
_COPY_WRITES = (
    "INSERT INTO pending (checkpoint, task, crc, data)"
    " SELECT checkpoint+?1, task, checksum(data, checkpoint+?1, task), data FROM pending"
    " WHERE checkpoint IN (SELECT seq FROM checkpoint WHERE scope=?2)"
)
_COPY_BLOBS = (
    "INSERT INTO blob (scope, key, start, count, crc, data)"
    " SELECT ?1, key, start, count, checksum(data, ?1, key, start, count), data"
    " FROM blob WHERE scope=?2 ORDER BY seq"
)


EpochOf = Callable[[Claim], int]
"""The epoch in the database that a claim needs; raises StaleClaimError."""


@slotted
class ChangeThreads(Value):
    """Carries out a change; what erasing removed."""

    change: Change
    epoch_of: EpochOf

    def apply(self, connection: sqlite3.Connection) -> Removed:
        """Raises StaleClaimError; the caller undoes it then."""
        removed = Removed()
        for claim in self.change.erased:
            removed += _erase(connection, _number(connection, claim, self.epoch_of))
        for claim, removal in self.change.removals:
            remove(connection, _number(connection, claim, self.epoch_of), removal)
        ForgetEvents(self.change.run_ids).apply(connection)
        return removed


@slotted
class CopyThread(Value):
    """Copies the rows of a thread to the one that is claimed."""

    source_thread_id: str
    claim: Claim
    epoch_of: EpochOf

    def apply(self, connection: sqlite3.Connection) -> bool:
        """False if the source holds nothing.  Raises StaleClaimError; the caller undoes it then."""
        target = _number(connection, self.claim, self.epoch_of)
        found = find_thread(connection, self.source_thread_id)
        scopes = scopes_of(connection, found[0]) if found else []
        if found is None or not scopes:
            return False
        # The copy has the same runs; their events stay those of the thread they came with.
        link_runs(connection, found[0], loose_runs(connection, found[0]))
        for scope in scopes:
            (shift,) = connection.execute(_SHIFT, (scope.id,)).fetchone()
            if shift is None:
                continue
            copy = add_scope(connection, target, scope.ns).id
            connection.execute(_COPY_WRITES, (shift, scope.id))
            connection.execute(_COPY_CHECKPOINTS, (shift, copy, scope.id))
            connection.execute(_COPY_BLOBS, (copy, scope.id))
            reseal(connection, copy)
        return True


def _number(connection: sqlite3.Connection, claim: Claim, epoch_of: EpochOf) -> int:
    """The number of a claimed thread; StaleClaimError if the claim is over."""
    found = find_thread(connection, claim.thread_id)
    if found is None or found[1] != epoch_of(claim):
        raise stale(claim)
    return found[0]


def _erase(connection: sqlite3.Connection, thread: int) -> Removed:
    (checkpoints,) = connection.execute(_COUNT, (thread,)).fetchone()
    blobs, size = connection.execute(_SIZE, (thread,)).fetchone()
    link_runs(connection, thread, loose_runs(connection, thread))
    forget_runs(connection, runs_of(connection, thread))
    for statement in _ERASE:
        connection.execute(statement, (thread,))
    connection.execute(_DROP_NAMELESS)
    return Removed(checkpoints, blobs, size or 0)


def remove(connection: sqlite3.Connection, thread: int, removal: Removal) -> None:
    """Carry out a removal of a thread, by its number."""
    for part in removal.scopes:
        scope = find_scope(connection, thread, part.ns)
        if scope is None:
            raise misled(f"namespace {part.ns!r} of thread number {thread}")
        relink(connection, scope.id, part.relinked)
        _drop(connection, scope.id, part)
        reseal(connection, scope.id)


def relink(connection: sqlite3.Connection, scope: int, records: Iterable[CheckpointRecord]) -> None:
    """Write checkpoints anew that cannot lean any more on the rows above them: all in full."""
    for record in records:
        place = _place(connection, scope, record.id)
        origin = _origin(connection, place.parent, place.data)
        packed = pack_checkpoint(record, origin, full=True)
        above, key, before = None, None, 0
        if record.parent_id is not None:
            key = id_bytes(record.parent_id)
            above = _place(connection, scope, record.parent_id).seq
            (before,) = connection.execute(_WRITES, (above,)).fetchone()
        depth = pack_depth(0, before)
        crc = checksum(packed, scope, id_bytes(record.id), key, depth)
        connection.execute(_RELINK, (above, depth, crc, packed, place.seq))


def _place(connection: sqlite3.Connection, scope: int, checkpoint_id: str) -> CheckpointPlace:
    """Where a checkpoint is that was read before."""
    place = find_checkpoint(connection, scope, id_bytes(checkpoint_id))
    if place is None:
        raise misled(f"checkpoint {checkpoint_id!r}")
    return place


def _origin(connection: sqlite3.Connection, parent: int | None, data: bytes) -> Origin:
    """The origin of a row, its own or that of the row above that has one."""
    while (origin := unpack_checkpoint(data).origin) is None:
        parent, data = connection.execute(_ABOVE, (parent,)).fetchone()
    return origin


def _drop(connection: sqlite3.Connection, scope: int, part: ScopeRemoval) -> None:
    places = [(scope, id_bytes(gone)) for gone in part.gone]
    connection.executemany(_DROP_WRITES, places)
    connection.executemany(_DROP_CHECKPOINT, places)
    connection.executemany(_DROP_BLOB, [(scope, key, start) for key, start in part.blobs])
    if part.emptied:
        connection.execute(_DROP_SCOPE, (scope,))
