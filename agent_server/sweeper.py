"""Takes away, now and then, what has outlived its time: threads, and items of the store."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from checkpoint import SqliteStore

from .threads import Threads

logger = logging.getLogger(__name__)

AT_ONCE = 100
"""Threads between two looks at whether the server closes."""


class Sweeper:
    """Sweeps every `interval` seconds while `run` runs."""

    def __init__(self, threads: Threads, store: SqliteStore, *, interval: float) -> None:
        self._threads = threads
        self._store = store
        self._interval = interval
        self._closing = asyncio.Event()

    async def run(self) -> None:
        """Sweep now and then, until `close`."""
        while not self._closing.is_set():
            try:
                await self.sweep()
            except Exception:
                logger.exception("the sweep was given up; the next one will find the same")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), self._interval)

    async def sweep(self) -> int:
        """Take away what is over; gives how many threads and items that were."""
        swept = portion = await self._threads.expire(AT_ONCE)
        while portion == AT_ONCE and not self._closing.is_set():
            portion = await self._threads.expire(AT_ONCE)
            swept += portion
        return swept + await self._store.asweep_ttl()

    def close(self) -> None:
        """Let `run` end."""
        self._closing.set()
