"""A store in an SQLite file, which may be that of a saver."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, Self

from .handle import DatabaseHandle
from .store_base import PlannedStore
from .store_config import IndexConfig, TTLConfig
from .store_ops import Result
from .store_schema import STORE

if TYPE_CHECKING:
    from .embedding import Embedded
    from .store_plan import Plan
    from .store_tables import Swept


class SqliteStore(DatabaseHandle, PlannedStore):
    """Keeps values in an SQLite file (or, for ":memory:", in a private database).

    One class for sync and async code; any event loop in any thread may use it while it is open.
    Savers, stores and caches of one file share its connections::

        with SqliteStore.from_conn_string("threads.db") as store:      # or: async with
            graph = builder.compile(checkpointer=saver, store=store)

    `index` lets it search by meaning, `ttl` lets items expire; `clock` gives the seconds since the
    epoch.  What is put is *committed* when `put` returns: it survives the death of the process.

    Raises InvalidArgumentError, or VectorsUnavailableError for an index when nothing is installed
    that compares vectors.  Opening raises as a SqliteSaver does; using it while it is not open
    raises SaverClosedError, reading a damaged row CorruptDataError.
    """

    noun: ClassVar[str] = "store"
    part = STORE

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        from .store_units import StoreUnits  # not before somebody has a store

        DatabaseHandle.__init__(self, path)
        PlannedStore.__init__(self, index, ttl, clock)
        self._units = StoreUnits(self._planner.cosines)

    @classmethod
    def from_conn_string(
        cls,
        conn_string: str | os.PathLike[str],
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
    ) -> Self:
        """A store for a path or ":memory:", to be opened by `with` or `async with`."""
        return cls(conn_string, index=index, ttl=ttl)

    def setup(self) -> None:
        """Nothing is left to do: opening the store makes its tables.  Raises SaverClosedError."""
        self._ready()

    def close(self) -> None:
        """Stop the sweeper, wait for what is being committed, then close."""
        self.stop_ttl_sweeper()
        super().close()

    async def aclose(self) -> None:
        """`close`, without holding up the event loop."""
        if self._sweeper is not None:
            await asyncio.to_thread(self.stop_ttl_sweeper)
        await super().aclose()

    def sweep_ttl(self) -> int:
        """Delete what has expired; gives the number of items."""
        total, sweep = 0, self._units.sweep(self._clock())
        while sweep is not None:
            swept: Swept = self.lease.run_write(sweep.apply)
            total, sweep = total + swept.count, swept.rest
        return total

    async def asweep_ttl(self) -> int:
        """Delete what has expired; gives the number of items."""
        total, sweep = 0, self._units.sweep(self._clock())
        while sweep is not None:
            swept: Swept = await self.lease.write(sweep.apply)
            total, sweep = total + swept.count, swept.rest
        return total

    def _ready(self) -> None:
        _ = self.lease

    def _run(self, asked: Plan, embedded: Embedded) -> list[Result]:
        units, now = self._units, self._clock()
        answers = units.unread(asked)
        if asked.reads:
            answers = self.lease.run_read(units.read(asked, embedded, now).read)
        if asked.puts or answers.refreshed:
            self.lease.run_write(units.write(asked, answers, embedded, now).apply)
        return answers.results

    async def _arun(self, asked: Plan, embedded: Embedded) -> list[Result]:
        units, now = self._units, self._clock()
        answers = units.unread(asked)
        if asked.reads:
            answers = await self.lease.read(units.read(asked, embedded, now).read)
        if asked.puts or answers.refreshed:
            await self.lease.write(units.write(asked, answers, embedded, now).apply)
        return answers.results
