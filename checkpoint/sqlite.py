"""The saver that keeps threads in one SQLite file."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from .errors import SaverClosedError
from .events import Row
from .record import Batch, Claim, Loaded
from .rewind import RewindPoint
from .rows import id_bytes
from .serde import MsgpackSerializer, Serializer, encode_extra

if TYPE_CHECKING:
    from .lease import Lease

T = TypeVar("T")


class SqliteSaver:
    """Keeps checkpoints in an SQLite file (or, for ":memory:", in a private database).

    One class for sync and async code; any event loop in any thread may use it while it is open::

        with SqliteSaver.from_conn_string("threads.db") as saver:      # or: async with
            graph = builder.compile(checkpointer=saver)

    Opening raises NotADatabaseError, NewerSchemaError, CorruptDataError or DatabaseUnwritableError;
    using it while it is not open raises SaverClosedError.  `events` is its log of run events.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, serializer: Serializer | None = None
    ) -> None:
        self._path = os.fspath(path)
        self._serializer = serializer or MsgpackSerializer()
        self._lease: Lease | None = None
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

    def open(self) -> Self:
        """Open the database, waiting for the disk; harmless when it is open."""
        if self._lease is None:
            self._lease = _open(self._path)
        return self

    def close(self) -> None:
        """Wait for what is being committed, then close; harmless when repeated."""
        lease, self._lease = self._lease, None
        if lease is not None:
            lease.close()

    async def aopen(self) -> Self:
        """`open`, without holding up the event loop."""
        if self._lease is None:
            lease = await _in_thread(partial(_open, self._path), undo=_close)
            if self._lease is None:
                self._lease = lease
            else:  # somebody else was faster
                lease.close()
        return self

    async def aclose(self) -> None:
        """`close`, without holding up the event loop."""
        lease, self._lease = self._lease, None
        if lease is not None:
            await _in_thread(lease.close)

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return await self.aopen()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def claim(self, thread_id: str, owner: str, *, timeout: float | None) -> Claim:
        """Take the right to write to a thread; raises ThreadBusyError, which names the owner.

        Also keeps out other processes on this machine, and takes over from one that died.
        """
        return await self.lease.claim(thread_id, owner, timeout)

    def release(self, claim: Claim) -> None:
        """Give a claim back; harmless when repeated or when the saver is closed."""
        if self._lease is not None:
            self._lease.release(claim)

    async def commit(self, batch: Batch) -> None:
        """Store the batch; returns when it is committed.

        Raises StaleClaimError, CheckpointConflictError, InvalidIdError, SerializationError or
        DatabaseError; nothing is changed then.
        """
        lease = self.lease
        extras = [encode_extra(self._serializer, c.metadata.extra) for c in batch.checkpoints]
        await lease.commit(batch, extras)

    async def rewind(self, claim: Claim, points: Mapping[str, RewindPoint | None]) -> None:
        """Make scopes again what they were at their points; see `Saver.rewind`.

        Raises StaleClaimError, CheckpointConflictError or DatabaseError; nothing is changed then.
        """
        await self.lease.rewind(claim, dict(points))

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

    @property
    def lease(self) -> Lease:
        """The open database.  Raises SaverClosedError."""
        if self._lease is None:
            raise SaverClosedError(
                f"the saver of {self._path!r} is not open; use it inside its `with` or "
                "`async with` block"
            )
        return self._lease


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


def _open(path: str) -> Lease:
    from .lease import open_lease  # with SQLite and its threads, only for who uses them

    return open_lease(path)


def _close(lease: Lease) -> None:
    lease.close()


async def _in_thread(call: Callable[[], T], undo: Callable[[T], None] | None = None) -> T:
    """The result of a blocking call; if the caller is cancelled, the call is undone at its end."""
    future = asyncio.get_running_loop().run_in_executor(None, call)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        if undo is not None:
            future.add_done_callback(lambda done: undo(done.result()))
        raise
