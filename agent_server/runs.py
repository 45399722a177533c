"""The runs of threads, as their rows tell."""

from __future__ import annotations

from collections.abc import Sequence

from checkpoint import SqliteTables

from .errors import NotFoundError
from .records import Run, RunStatus
from .run_rows import find_run, keeps_events, list_runs


class Runs:
    """Reads the queue and the history of runs; the dispatcher alone writes it."""

    def __init__(self, tables: SqliteTables) -> None:
        self._tables = tables

    async def get(self, thread_id: str | None, run_id: str) -> Run:
        """A run by its id, and its thread's if one is given.  Raises NotFoundError."""
        run = await self.find(thread_id, run_id)
        if run is None:
            raise NotFoundError("Run not found")
        return run

    async def find(self, thread_id: str | None, run_id: str) -> Run | None:
        """The same; None if there is none."""
        return await self._tables.read(lambda db: find_run(db, thread_id, run_id))

    async def keeps_events(self, run_id: str) -> bool:
        """True for a run that has ended and whose events, if it had any, are not forgotten."""
        return await self._tables.read(lambda db: keeps_events(db, run_id))

    async def list(
        self,
        thread_id: str,
        *,
        limit: int = 10,
        offset: int = 0,
        status: RunStatus | None = None,
    ) -> Sequence[Run]:
        """A thread's runs, the newest first."""
        return await self._tables.read(
            lambda db: list_runs(db, thread_id, status=status, limit=limit, offset=offset)
        )
