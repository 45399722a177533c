"""One saver's use of a database: what it asks, as units of work for the committer and the pool."""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from sys import is_finalizing
from typing import Any

from .begun import Begun
from .changes import ChangeThreads, CopyThread
from .commits import AppendEvents, CommitBatch
from .committer import Apply
from .contents import Contents
from .contents_reads import FindRuns, ListThreads, ReadContents
from .custodian import Change, unknown_source
from .database import Database, PrivateDatabase, Registry
from .errors import SaverClosedError
from .event_reads import LastEvent, ReadEvents, SizeOfEvents
from .events import Row
from .forget import Forget
from .points import Faults
from .rate import Rate
from .read_pool import Read
from .reads import LoadHistory, LoadOne
from .record import Batch, Claim, Loaded
from .reports import Removed, ThreadInfo, Vacuumed, Verification
from .rewind import RewindPoint
from .run_threads import ForgetEvents
from .serde import Serializer
from .soundness_reads import VerifyFile, VerifyThread
from .vacuum import Vacuum


class Lease:
    """The right to use an open database; the last lease of a file closes it.

    Every method raises SaverClosedError once the lease is closed, in a forked child, and when the
    interpreter ends: its threads have stopped by then, and nobody would answer.
    """

    def __init__(self, database: Database, path: Path | None, noun: str = "saver") -> None:
        self._database: Database | None = database
        self._path = path
        self._noun = noun
        self._inherited = False
        self._claims: set[Claim] = set()
        _leases.add(self)

    async def claim(self, thread_id: str, owner: str, timeout: float | None) -> Claim:
        """Take the right to write to a thread."""
        claim = await self._open().ownership.claim(thread_id, owner, timeout)
        self._claims.add(claim)
        return claim

    def release(self, claim: Claim) -> None:
        """Give a claim back; nothing once the lease is closed, which gives back all."""
        if self._database is not None:
            self._claims.discard(claim)
            self._database.ownership.release(claim)

    def release_erased(self, claim: Claim) -> None:
        """Give back the claim of a thread that is no more."""
        if self._database is not None:
            self._claims.discard(claim)
            self._database.ownership.release_erased(claim)

    def begin(self, batch: Batch, extras: Sequence[bytes], *, synced: bool) -> Begun:
        """Begin to store a batch, with the encoded `extra` of each of its checkpoints."""
        database = self._open()
        heads = database.committer.heads

        def apply(connection: sqlite3.Connection) -> None:
            epoch = database.ownership.check(batch)
            CommitBatch(batch, epoch, extras, database.origins, heads).apply(connection)

        kind = "checkpoint" if batch.checkpoints else "writes" if batch.writes else "events"
        return database.committer.begin(apply, kind, synced=synced)

    async def rewind(self, claim: Claim, points: Mapping[str, RewindPoint | None]) -> None:
        """Make scopes again what they were at their points."""
        database = self._open()
        database.ownership.seal(claim)

        def apply(connection: sqlite3.Connection) -> None:
            epoch = database.ownership.check_held(claim)
            Forget(claim, epoch, points).apply(connection)

        await database.committer.submit(apply, "rewind")

    async def change(self, change: Change, beside: Apply | None = None) -> Removed:
        """Carry out what administration decided, after what goes `beside` it, or neither; what
        erasing removed."""
        database = self._open()
        unit = ChangeThreads(change, database.ownership.check_held)

        def apply(connection: sqlite3.Connection) -> Removed:
            if beside is not None:
                beside(connection)
            return unit.apply(connection)

        return await database.committer.submit(apply, "administration")

    async def copy(self, source_thread_id: str, claim: Claim, beside: Apply | None = None) -> Any:
        """Copy a thread to the one that is claimed, after what goes `beside` it, or neither; what
        that gave.  Without it, a thread that holds nothing cannot be copied."""
        database = self._open()
        unit = CopyThread(source_thread_id, claim, database.ownership.check_held)

        def apply(connection: sqlite3.Connection) -> Any:
            given = None if beside is None else beside(connection)
            if not unit.apply(connection) and beside is None:
                raise unknown_source(source_thread_id)
            return given

        return await database.committer.submit(apply, "administration")

    async def take_over(self, thread_id: str) -> None:
        """Take a thread from whoever has it."""
        database = self._open()

        def apply(connection: sqlite3.Connection) -> None:
            database.ownership.fence(connection, thread_id)

        await database.committer.submit(apply, "claim")

    async def synced(self) -> None:
        """Wait until everything committed so far is flushed to the disk."""
        await self._open().synced()

    def commits(self) -> Rate:
        """The transactions that this process has committed to the database."""
        return self._open().commits

    async def load(
        self, serializer: Serializer, thread_id: str, ns: str, checkpoint_id: str | None
    ) -> Loaded | None:
        """The newest checkpoint of a scope, or the one asked for."""
        database = self._open()
        load = LoadOne(serializer, thread_id, ns, checkpoint_id, database.hot_rows)
        return await database.read(load.read)

    async def history(
        self,
        serializer: Serializer,
        thread_id: str,
        ns: str,
        before: str | None,
        limit: int,
        match: Mapping[str, Any] | None,
    ) -> Sequence[Loaded]:
        """A page of a scope's checkpoints, newest first."""
        load = LoadHistory(serializer, thread_id, ns, before, limit, match)
        return await self._open().read(load.read)

    async def contents(self, serializer: Serializer, thread_id: str) -> Contents:
        """What a thread holds."""
        return await self._open().read(ReadContents(serializer, thread_id).read)

    async def threads(self, limit: int | None) -> Sequence[ThreadInfo]:
        """The threads there are."""
        return await self._open().read(ListThreads(limit).read)

    async def threads_of(self, run_ids: Sequence[str]) -> Sequence[str]:
        """Threads that may have checkpoints of these runs."""
        return await self._open().read(FindRuns(run_ids).read)

    async def verify(self, serializer: Serializer, thread_id: str | None) -> Verification:
        """What is damaged."""
        whole = thread_id is None  # a thread's name may be the empty text
        read = VerifyFile(serializer) if whole else VerifyThread(serializer, thread_id)
        return await self._open().read(read.read)

    async def vacuum(self, timeout: float) -> Vacuumed:
        """Pack the database."""
        vacuum = Vacuum(self._path, timeout)
        return await self._open().committer.submit_alone(vacuum.apply, "administration")

    async def append_events(self, run_id: str, rows: Sequence[Row]) -> None:
        """Store events that belong to no checkpoint."""
        committer = self._open().committer
        append = partial(committer.heads.beside, AppendEvents(run_id, rows).apply)
        await committer.submit(append, "events")

    async def read_events(self, run_id: str, after: int, limit: int) -> Sequence[Row]:
        """Rows of a run's log."""
        return await self._open().read(ReadEvents(run_id, after, limit).read)

    async def last_event(self, run_id: str) -> int:
        """The highest event id of a run."""
        return await self._open().read(LastEvent(run_id).read)

    async def size_of_events(self, run_id: str) -> int:
        """The bytes of a run's events."""
        return await self._open().read(SizeOfEvents(run_id).read)

    async def forget_events(self, run_ids: Sequence[str]) -> None:
        """Delete the events of runs."""
        await self._open().committer.submit(ForgetEvents(tuple(run_ids)).apply, "forget")

    async def write(self, apply: Apply) -> Any:
        """A unit's result, once it is committed."""
        committer = self._open().committer
        return await committer.submit(partial(committer.heads.beside, apply), self._noun)

    async def read(self, read: Read) -> Any:
        """What a read gives, in one consistent view."""
        return await self._open().read(read)

    def run_write(self, apply: Apply) -> Any:
        """`write` for a thread that waits."""
        committer = self._open().committer
        return committer.run(partial(committer.heads.beside, apply), self._noun)

    def run_read(self, read: Read) -> Any:
        """`read` for a thread that waits."""
        return self._open().run_read(read)

    def close(self) -> None:
        """Finish what was asked, then give the database back; harmless when repeated, and when
        the interpreter ends."""
        database, self._database = self._database, None
        if database is None or is_finalizing():
            return
        if self._claims:
            database.committer.settle()  # what was asked under the claims still needs them
        for claim in self._claims:
            database.ownership.release(claim)
        if self._path is None:
            database.close()
        else:
            _registry.give_back(self._path)

    def leave_to_parent(self) -> None:
        """This process is a fork: its copy of the database must never be touched."""
        self._database, self._inherited = None, True

    def _open(self) -> Database:
        if is_finalizing():
            raise SaverClosedError(
                "the interpreter is ending, and the saver's threads with it; finish what needs the "
                "saver before, such as streams that were read in part"
            )
        if self._database is None:
            raise SaverClosedError(
                "the saver was opened by the parent process, whose connections a fork must not "
                "use; open a saver of its own here"
                if self._inherited
                else "the saver is closed; use it inside its `with` or `async with` block"
            )
        return self._database


def open_lease(name: str, noun: str = "saver", faults: Faults | None = None) -> Lease:
    """Open a file, or a private database for ":memory:", for a saver, a store …; waits for the
    disk.

    Raises as `Registry.take` does.
    """
    if name == ":memory:":
        return Lease(PrivateDatabase(faults), None, noun)
    path = Path(os.path.realpath(name))
    return Lease(_registry.take(path, faults), path, noun)


def shut(path: Path, in_use: Callable[[Path], Exception]) -> AbstractContextManager[None]:
    """Let nobody in this process open a file meanwhile; see `Registry.shut`."""
    return _registry.shut(path, in_use)


_registry = Registry()
_leases: weakref.WeakSet[Lease] = weakref.WeakSet()


def _forked() -> None:
    global _registry  # noqa: PLW0603 - the child starts with an empty one; its lock may be held
    _registry = Registry()
    for lease in _leases:
        lease.leave_to_parent()


if hasattr(os, "register_at_fork"):  # not on Windows, which does not fork
    os.register_at_fork(after_in_child=_forked)
