"""The saver that keeps threads in one SQLite file, and the repair of that file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

from .begun import Begun, waited_for
from .custodian import Change, Custodian
from .doors import PATIENCE, wait_for
from .events import Row
from .extras import ExtraEncoder
from .handle import DatabaseHandle
from .limits import checked_limit, checked_timeout, id_of, ids_to_copy
from .record import Batch, Claim, Loaded
from .reports import Removed, ThreadInfo, Vacuumed, Verification
from .rewind import RewindPoint
from .rows import id_bytes
from .saver_schema import SAVER
from .sealing import check_mark
from .serde import MsgpackSerializer, Serializer

if TYPE_CHECKING:
    import sqlite3

    from .contents import Contents
    from .points import Faults
    from .repair_reports import Repair
    from .upgrades import Part

T = TypeVar("T")


class SqliteSaver(DatabaseHandle, Custodian):
    """Keeps checkpoints in an SQLite file (or, for ":memory:", in a private database).

    One class for sync and async code; any event loop in any thread may use it while it is open::

        with SqliteSaver.from_conn_string("threads.db") as saver:      # or: async with
            graph = builder.compile(checkpointer=saver)

    Opening raises NotADatabaseError, NewerSchemaError, CorruptDataError, DatabaseUnwritableError,
    and for an encrypted file without its key WrongKeyError or KeyRequiredError;
    using it while it is not open raises SaverClosedError.  `events` is its log of run events.
    `serde` is LangGraph's word for `serializer`.  `faults` are for tests: what is to go wrong, and
    where (`checkpoint.testing_faults`).
    """

    part = SAVER

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        serializer: Serializer | None = None,
        serde: Serializer | None = None,
        faults: Faults | None = None,
    ) -> None:
        super().__init__(path, faults)
        self._serializer = serializer or serde or MsgpackSerializer()
        self._extras = ExtraEncoder(self._serializer)
        self.events = SqliteEvents(self)

    @classmethod
    def from_conn_string(
        cls, conn_string: str | os.PathLike[str], *, serializer: Serializer | None = None
    ) -> Self:
        """A saver for a path or ":memory:", to be opened by `with` or `async with`."""
        return cls(conn_string, serializer=serializer)

    @property
    def serializer(self) -> Serializer:
        """Turns channel values into bytes and back."""
        return self._serializer

    async def claim(self, thread_id: str, owner: str, *, timeout: float | None) -> Claim:
        """Take the right to write to a thread; raises ThreadBusyError, which names the owner.

        Also keeps out other processes on this machine, and takes over from one that died.
        """
        return await self.lease.claim(thread_id, owner, timeout)

    def release(self, claim: Claim) -> None:
        """Give a claim back; harmless when repeated or when the saver is closed."""
        if self._lease is not None:
            self._lease.release(claim)

    @waited_for
    async def commit(self, batch: Batch) -> None:
        """Store the batch; returns when it is committed.

        Raises StaleClaimError, CheckpointConflictError, InvalidIdError, SerializationError or
        DatabaseError; nothing is changed then.  A caller that is cancelled leaves it to happen.
        """
        begun = self.begin(batch, synced=False)
        begun.add_done_callback(_seen)
        await asyncio.shield(begun)

    def begin(self, batch: Batch, *, synced: bool) -> Begun:
        """Begin to store the batch; see `Begin`."""
        lease = self.lease
        extras = [self._extras.encode(each.metadata.extra) for each in batch.checkpoints]
        return lease.begin(batch, extras, synced=synced)

    async def rewind(self, claim: Claim, points: Mapping[str, RewindPoint | None]) -> None:
        """Make scopes again what they were at their points; see `Saver.rewind`.

        Raises StaleClaimError, CheckpointConflictError or DatabaseError; nothing is changed then.
        """
        await self.lease.rewind(claim, dict(points))

    @waited_for
    async def synced(self) -> None:
        """Wait until everything committed so far is flushed to the disk."""
        await self.lease.synced()

    async def load(
        self, thread_id: str, ns: str = "", checkpoint_id: str | None = None
    ) -> Loaded | None:
        """The newest checkpoint of a scope, or the one asked for; None when there is none.

        Raises CorruptDataError for a row that does not match its checksum.
        """
        return await self.lease.load(self._serializer, thread_id, ns, checkpoint_id)

    async def history(
        self,
        thread_id: str,
        ns: str = "",
        *,
        before: str | None = None,
        limit: int = 100,
        match: Mapping[str, Any] | None = None,
    ) -> Sequence[Loaded]:
        """Checkpoints of a scope, newest first; see `Saver.history`.

        Raises InvalidIdError for a `before` that is no id, and CorruptDataError.
        """
        if before is not None:
            id_bytes(before)
        lease = self.lease
        return await lease.history(self._serializer, thread_id, ns, before, limit, match)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        super()._prepare(connection)
        check_mark(connection, self._serializer, self._path)

    # --- administration, see `Custodian` ---------------------------------------------------

    async def athreads(self, *, limit: int | None = None) -> Sequence[ThreadInfo]:
        """The threads that hold checkpoints, the one written last first."""
        return await self.lease.threads(checked_limit(limit))

    async def averify(self, thread_id: str | None = None) -> Verification:
        """Read all that is stored, of one thread or the whole file, and tell what is damaged."""
        wanted = None if thread_id is None else id_of("thread_id", thread_id)
        return await self.lease.verify(self._serializer, wanted)

    async def adelete_thread_with(
        self,
        thread_id: str,
        unit: Callable[[sqlite3.Connection], object],
        *,
        timeout: float | None = PATIENCE,
    ) -> None:
        """Delete all there is of a thread in one transaction with what a unit does to tables of
        one's own (see `SqliteTables.write`); one that raises leaves everything as it is.

        Returns when that is committed; `synced` waits for the disk.  Raises ThreadBusyError,
        InvalidArgumentError, CorruptDataError, and what the unit raises.
        """
        async with self._holding([id_of("thread_id", thread_id)], "delete_thread", timeout) as held:
            held.erased.update(held.claims)
            await self.lease.change(Change(erased=tuple(held.claims)), unit)

    async def acopy_thread_with(
        self,
        source_thread_id: str,
        target_thread_id: str,
        unit: Callable[[sqlite3.Connection], T],
        *,
        timeout: float | None = PATIENCE,
    ) -> T:
        """Copy a thread in one transaction with what a unit does to tables of one's own, as
        `adelete_thread_with`; what the unit gives.  Of a source that holds nothing, nothing is
        copied: the unit alone is done.

        Raises ThreadNotEmptyError, ThreadBusyError, InvalidArgumentError, CorruptDataError, and
        what the unit raises.
        """
        source, target = ids_to_copy(source_thread_id, target_thread_id)
        async with self._holding_target(target, timeout) as claim:
            return await self.lease.copy(source, claim, unit)

    async def atake_over(self, thread_id: str) -> None:
        """Take a thread from a process that is stopped or hangs: the next one that claims it gets
        it at once, and what the former owner still writes raises StaleClaimError there.

        Of an owner that is dead nothing needs to be taken.  Raises UnknownThreadError.
        """
        await self.lease.take_over(id_of("thread_id", thread_id))

    def take_over(self, thread_id: str) -> None:
        """`atake_over`, waited for."""
        wait_for(self.atake_over(thread_id))

    async def avacuum(self, *, timeout: float = 5.0) -> Vacuumed:
        """Pack the database file: it gets as small as it can, and nothing that was deleted is left
        in it or in its log.  Waits `timeout` seconds for who reads; commits wait meanwhile.

        Raises DatabaseBusyError, or DatabaseUnwritableError when the disk has no room for a copy.
        """
        return await self.lease.vacuum(checked_timeout(timeout))

    def vacuum(self, *, timeout: float = 5.0) -> Vacuumed:
        """`avacuum`, waited for."""
        return wait_for(self.avacuum(timeout=timeout))

    async def _contents(self, thread_id: str) -> Contents:
        return await self.lease.contents(self._serializer, thread_id)

    async def _threads_of(self, run_ids: Sequence[str]) -> Sequence[str]:
        return await self.lease.threads_of(run_ids)

    async def _change(self, change: Change) -> Removed:
        return await self.lease.change(change)

    async def _copy(self, source_thread_id: str, claim: Claim) -> None:
        await self.lease.copy(source_thread_id, claim)

    def _release_erased(self, claim: Claim) -> None:
        if self._lease is not None:
            self._lease.release_erased(claim)


def _seen(begun: asyncio.Future[None]) -> None:
    """What went wrong is known to who waits; who was cancelled does not want to know."""
    begun.exception()


class SqliteEvents:
    """The event table of a SqliteSaver."""

    def __init__(self, saver: SqliteSaver) -> None:
        self._saver = saver

    async def append(self, run_id: str, rows: Sequence[Row]) -> None:
        """Store rows; see `EventTable.append`."""
        if rows:
            await self._saver.lease.append_events(run_id, list(rows))

    async def read(self, run_id: str, after: int, limit: int) -> Sequence[Row]:
        """Up to `limit` rows with id > after, ascending.  Raises CorruptDataError."""
        return await self._saver.lease.read_events(run_id, after, limit)

    async def last(self, run_id: str) -> int:
        """The highest id stored for the run, 0 when there is none."""
        return await self._saver.lease.last_event(run_id)

    async def size(self, run_id: str) -> int:
        """The bytes of all events stored for the run."""
        return await self._saver.lease.size_of_events(run_id)

    async def forget(self, run_ids: Sequence[str]) -> None:
        """Delete all events of runs; see `EventTable.forget`."""
        await self._saver.lease.forget_events(run_ids)


def repair_database(
    path: str | os.PathLike[str],
    *,
    serializer: Serializer | None = None,
    fall_back: bool = False,
    parts: Sequence[Part] = (),
) -> Repair:
    """Tell what is damaged in a file and what mending it costs; with `fall_back`, do it.

    Threads of which checkpoints are lost fall back to the newest checkpoint that is intact with all
    it needs; logs of events end before the first one that is lost; other rows are saved one by one.
    The damaged file stays beside the new one, as `Repair.backup`.  Who dies in the middle leaves
    the one or the other::

        found = repair_database("threads.db")
        print(found.damage, found.threads)
        repair_database("threads.db", fall_back=True)

    `serializer` is that of the savers, `parts` are tables of one's own.  It blocks until it is done
    (in async code: `asyncio.to_thread`), and needs room beside the file for three copies of it.

    Raises DatabaseBusyError for a file that is open anywhere, NotADatabaseError, NewerSchemaError,
    DatabaseUnwritableError, KeyRequiredError or WrongKeyError, and CorruptDataError if nothing
    sound can be made of it; nothing is changed then.
    """
    from .rebuild import Rebuild  # not before somebody repairs a file

    return Rebuild(os.path.realpath(path), serializer, tuple(parts)).run(fall_back=fall_back)
