"""Taking a run away: its row, its events; what it has done to its thread stays."""

from __future__ import annotations

import contextlib

from checkpoint import SqliteSaver, SqliteTables

from .cancelling import Canceller
from .errors import NotFoundError
from .register import Register
from .run_rows import delete_runs, find_run


class Deleter:
    """Deletes runs; open ones are cancelled first."""

    def __init__(
        self,
        tables: SqliteTables,
        saver: SqliteSaver,
        register: Register,
        canceller: Canceller,
    ) -> None:
        self._tables = tables
        self._saver = saver
        self._register = register
        self._canceller = canceller

    async def delete(self, thread_id: str, run_id: str) -> None:
        """Delete a run of a thread.  Raises NotFoundError, also for another thread's run."""
        job = self._register.job(run_id)
        if job is not None and job.thread_id != thread_id:
            raise NotFoundError("Run not found")
        if job is not None:
            with contextlib.suppress(NotFoundError):  # it has ended meanwhile
                await self._canceller.cancel(thread_id, [run_id], "interrupt", wait=False)
            await job.live.settled()
        run = await self._tables.read(lambda db: find_run(db, thread_id, run_id))
        if run is None and job is None:
            raise NotFoundError("Run not found")
        await self._tables.write(lambda db: delete_runs(db, [run_id]))
        await self._saver.events.forget([run_id])
