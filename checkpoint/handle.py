"""Opening and closing one's use of a database file: by hand, by `with`, or by `async with`."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

from .errors import InvalidArgumentError, SaverClosedError

if TYPE_CHECKING:
    import sqlite3

    from .lease import Lease
    from .points import Faults
    from .upgrades import Part

T = TypeVar("T")


class DatabaseHandle:
    """What a saver, a store and a cache in a file (or, for ":memory:", in private) have in common.

    Raises InvalidArgumentError (a ValueError) for what is no path, such as a connection.  Opening
    raises NotADatabaseError, NewerSchemaError, CorruptDataError or DatabaseUnwritableError;
    using it while it is not open raises SaverClosedError.
    """

    noun: ClassVar[str] = "saver"
    part: Part | None = None
    """What this use needs beyond the tables every file has."""

    def __init__(self, path: str | os.PathLike[str], faults: Faults | None = None) -> None:
        try:
            self._path = os.fspath(path)
        except TypeError as error:
            raise InvalidArgumentError(
                f"{path!r} is no path: a {self.noun} opens its connections to the file itself; "
                'give the path of the file, or ":memory:"'
            ) from error
        _check_path(self._path)
        self._faults = faults
        self._lease: Lease | None = None
        self._lock = threading.Lock()
        self._closings = 0
        """What was being opened while this rose is not wanted any more."""

    def open(self) -> Self:
        """Open the database, waiting for the disk; harmless when it is open."""
        if self._lease is None:
            closings = self._closings
            self._keep(self._open_lease(), closings)
        return self

    def close(self) -> None:
        """Wait for what is being committed, then close; harmless when repeated."""
        lease = self._let_go()
        if lease is not None:
            lease.close()

    async def aopen(self) -> Self:
        """`open`, without holding up the event loop."""
        if self._lease is None:
            closings = self._closings
            self._keep(await _in_thread(self._open_lease, undo=_close), closings)
        return self

    async def aclose(self) -> None:
        """`close`, without holding up the event loop."""
        lease = self._let_go()
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

    @property
    def lease(self) -> Lease:
        """The open database.  Raises SaverClosedError."""
        if self._lease is None:
            raise SaverClosedError(
                f"the {self.noun} of {self._path!r} is not open; use it inside its `with` or "
                "`async with` block"
            )
        return self._lease

    def _prepare(self, connection: sqlite3.Connection) -> None:
        """What this use does when it has opened the database; part of a transaction."""
        if self.part is not None:
            self.part.prepare(connection, repr(self._path))

    def _keep(self, lease: Lease, closings: int) -> None:
        """Use a lease, unless somebody else was faster, or closed this meanwhile."""
        with self._lock:
            wanted = self._lease is None and self._closings == closings
            if wanted:
                self._lease = lease
        if not wanted:
            lease.close()

    def _let_go(self) -> Lease | None:
        with self._lock:
            self._closings += 1
            lease, self._lease = self._lease, None
            return lease

    def _open_lease(self) -> Lease:
        from .lease import open_lease  # with SQLite and its threads, only for who uses them

        lease = open_lease(self._path, self.noun, self._faults)
        try:
            lease.run_write(self._prepare)
        except BaseException:
            lease.close()
            raise
        return lease


def _check_path(path: str | bytes) -> None:
    try:
        held = os.fsencode(path)
    except UnicodeEncodeError:
        held = b"\0"
    if b"\0" in held:
        raise InvalidArgumentError(
            f"{path!r} is no path: no file can have a name with a zero byte or half a character; "
            "give another one"
        )


def _close(lease: Lease) -> None:
    lease.close()


async def _in_thread(call: Callable[[], T], undo: Callable[[T], None] | None = None) -> T:
    """The result of a blocking call; if the caller is cancelled, the call is undone at its end."""
    future = asyncio.get_running_loop().run_in_executor(None, call)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        if undo is not None:
            future.add_done_callback(lambda done: done.exception() or undo(done.result()))
        raise
