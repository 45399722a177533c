"""The events and answers of ended runs are forgotten: some time after the end, and the oldest first
when all of them together are too large."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Awaitable, Callable, Sequence

from checkpoint import CheckpointError, EventTable, SqliteTables

from .left_rows import drop_answers
from .sealed import sound_rows
from .tables import RUN

logger = logging.getLogger(__name__)

_AT_ONCE = 50
"""Runs whose events go in one transaction: others write in between."""
_ALL = f"SELECT {RUN.select} FROM server_run"  # noqa: S608 - all ours
_OLD = f"{_ALL} WHERE events_until <= ? ORDER BY events_until"
_ONE = f"{_ALL} WHERE id = ?"
_UNKNOWN = (
    "SELECT id, coalesce(length(answer), 0) FROM server_run LEFT JOIN server_answer USING (id) "
    "WHERE events_until IS NOT NULL AND events_size IS NULL"
)
_KNOW = RUN.update("id = ?2", events_size="?1")
_SIZES = (
    "SELECT id, events_size FROM server_run WHERE events_until IS NOT NULL "
    "ORDER BY events_until DESC, rowid DESC"
)
_FORGET = RUN.update("id = ?1", events_until="NULL", events_size="NULL")


class Retention:
    """Says how long the events of ended runs can be read again.

    What is measured is the encoded events and the answer; a run's are measured once, at the first
    sweep after its end.
    """

    def __init__(
        self,
        tables: SqliteTables,
        events: EventTable,
        *,
        max_bytes: int,
        clock: Callable[[], float],
    ) -> None:
        self._tables = tables
        self._events = events
        self._max_bytes = max_bytes
        self._clock = clock

    async def sweep_every(
        self, seconds: float, sleep: Callable[[float], Awaitable[object]]
    ) -> None:
        """Sweep again and again; a database that cannot be written is tried again later."""
        while True:
            await sleep(seconds)
            try:
                await self.sweep()
            except CheckpointError as error:
                logger.warning("old events could not be forgotten: %s", error)

    async def sweep(self) -> None:
        """Forget what is too old or too much now."""
        await self._measure()
        while old := await self._old():
            await self._forget(old)
        too_many = await self._tables.read(self._too_many)
        for start in range(0, len(too_many), _AT_ONCE):
            await self._forget(too_many[start : start + _AT_ONCE])

    async def _old(self) -> list[str]:
        now = self._clock()
        return await self._tables.read(
            lambda db: [row[0] for row in sound_rows(RUN, db.execute(_OLD, (now,)), _AT_ONCE)]
        )

    async def _measure(self) -> None:
        unknown = await self._tables.read(lambda db: db.execute(_UNKNOWN).fetchall())
        sizes = [(answer + await self._events.size(run_id), run_id) for run_id, answer in unknown]
        if sizes:
            await self._tables.write(lambda db: db.executemany(_KNOW, sizes) and None)

    def _too_many(self, db: sqlite3.Connection) -> list[str]:
        """Those that do not fit beside newer ones; of a damaged row nobody knows that."""
        total, gone = 0, list[str]()
        for run_id, size in db.execute(_SIZES).fetchall():
            total += size or 0
            if total > self._max_bytes and sound_rows(RUN, db.execute(_ONE, (run_id,))):
                gone.append(run_id)
        return gone

    async def _forget(self, run_ids: Sequence[str]) -> None:
        """First the events: if the process dies in between, they are looked for again."""
        await self._events.forget(run_ids)
        rows = [(run_id,) for run_id in run_ids]

        def unit(db: sqlite3.Connection) -> None:
            drop_answers(db, run_ids)
            db.executemany(_FORGET, rows)

        await self._tables.write(unit)
