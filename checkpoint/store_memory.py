"""A store in this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from .store_base import PlannedStore
from .store_config import IndexConfig, TTLConfig
from .store_ops import Result

if TYPE_CHECKING:
    from .embedding import Embedded
    from .store_plan import Plan


class MemoryStore(PlannedStore):
    """Keeps values in memory: for tests, and for what need not outlive the process.

    Any event loop in any thread may use it.  `index` lets it search by meaning, `ttl` lets items
    expire; `clock` gives the seconds since the epoch::

        graph = builder.compile(store=MemoryStore())

    Raises InvalidArgumentError, or VectorsUnavailableError for an index when numpy is missing.
    """

    def __init__(
        self,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        from .store_items import MemoryItems  # not before somebody has a store

        super().__init__(index, ttl, clock)
        self._lock = threading.Lock()
        self._items = MemoryItems(self._planner.cosines)

    def sweep_ttl(self) -> int:
        """Delete what has expired; gives the number of items."""
        with self._lock:
            return self._items.sweep(self._clock())

    async def asweep_ttl(self) -> int:
        """Delete what has expired; gives the number of items."""
        return self.sweep_ttl()

    def _ready(self) -> None:
        """Always."""

    def _run(self, asked: Plan, embedded: Embedded) -> list[Result]:
        with self._lock:
            return self._items.run(asked, embedded, self._clock())

    async def _arun(self, asked: Plan, embedded: Embedded) -> list[Result]:
        return self._run(asked, embedded)
