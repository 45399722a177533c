"""Taking threads away: their rows and their checkpoints go in one transaction.

So nobody sees half of it, a crash leaves all or nothing, and who makes a thread with the id anew
begins with nothing: no row can be added before the checkpoints of the old one are gone.  That holds
for several servers of one file as well.

Checkpoints without a row there are for a moment where one was written to that another server
deleted meanwhile.  Older versions left some when they died; these stand in `server_gone`, and
nobody gets a thread with their id before they are gone.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable

from checkpoint import CorruptDataError, SqliteSaver, SqliteTables, ThreadBusyError

from .errors import ConflictError, InFlightError, NotFoundError
from .thread_rows import (
    erase_thread,
    forget_left,
    has_outlived,
    left_checkpoints,
    open_runs,
    thread_exists,
)

logger = logging.getLogger(__name__)


class _MadeAnewError(Exception):
    """There is a thread with the id: its checkpoints are its own."""


class Eraser:
    """Takes away the threads of a server, and what is left of such."""

    def __init__(self, tables: SqliteTables, saver: SqliteSaver) -> None:
        self._tables = tables
        self._saver = saver

    async def erase(self, thread_id: str, *, outlived: float | None = None) -> None:
        """Take away a thread with its runs, crons and checkpoints; committed when this returns.

        `outlived`: only if its time to live is over at that moment.  Raises InFlightError while a
        run of it is open, ConflictError while somebody holds it, and NotFoundError; nothing is
        changed then.
        """

        def check(db: sqlite3.Connection) -> None:
            if not thread_exists(db, thread_id):
                raise NotFoundError(f"Thread with ID {thread_id} not found")
            if open_runs(db, thread_id):
                raise InFlightError(
                    f"Thread {thread_id} has in-flight runs, which would go on without it; cancel "
                    "them first"
                )
            if outlived is not None and not has_outlived(db, thread_id, outlived):
                raise ConflictError(f"Thread {thread_id} has been used again; leave it")

        def unit(db: sqlite3.Connection) -> None:
            check(db)
            erase_thread(db, thread_id)

        await self._tables.read(check)  # at once, not when whoever holds it has let go
        await self._with_checkpoints(thread_id, unit)

    async def clear(self, thread_id: str) -> None:
        """Take away the checkpoints of a thread that has no row; nothing, if it was made anew.

        Raises ConflictError while somebody holds it.
        """

        def unit(db: sqlite3.Connection) -> None:
            if thread_exists(db, thread_id):
                raise _MadeAnewError
            forget_left(db, thread_id)

        try:
            await self._with_checkpoints(thread_id, unit)
        except _MadeAnewError:
            await self._tables.write(lambda db: forget_left(db, thread_id))

    async def clear_all(self) -> None:
        """Take away what processes that died have left: at the server's start.

        What is damaged is left, and told of in the log: the server starts without it.
        """
        for thread_id in await self._tables.read(left_checkpoints):
            try:
                await self.clear(thread_id)
            except (CorruptDataError, ConflictError) as error:
                logger.error("a deletion is not finished: %s", error)  # noqa: TRY400 - all is said

    async def _with_checkpoints(
        self, thread_id: str, unit: Callable[[sqlite3.Connection], None]
    ) -> None:
        try:
            await self._saver.adelete_thread_with(thread_id, unit)
        except ThreadBusyError as error:
            raise ConflictError(
                f"Thread {thread_id} cannot be deleted now; try again later: {error}"
            ) from error
