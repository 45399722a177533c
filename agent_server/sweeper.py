"""Takes away, now and then, what has outlived its time: threads, and items of the store."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from checkpoint import SqliteStore

from .threads import Threads

logger = logging.getLogger(__name__)

AT_ONCE = 100
"""Things between two looks at whether the server closes."""


class Sweeper:
    """Takes away what is over, every `interval` seconds while `run` runs.

    `portion` takes away some, and gives how many: `AT_ONCE` if there may be more.
    """

    def __init__(self, portion: Callable[[], Awaitable[int]], *, interval: float) -> None:
        self._portion = portion
        self.interval = interval
        self._closing = asyncio.Event()

    async def run(self) -> None:
        """Sweep now and then, until `close`."""
        while not self._closing.is_set():
            try:
                await self.sweep()
            except Exception:
                logger.exception("the sweep was given up; the next one will find the same")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), self.interval)

    async def sweep(self) -> int:
        """Take away what is over; gives how many things that were."""
        swept = portion = await self._portion()
        while portion == AT_ONCE and not self._closing.is_set():
            portion = await self._portion()
            swept += portion
        return swept

    def close(self) -> None:
        """Let `run` end."""
        self._closing.set()


def thread_sweeper(threads: Threads, *, interval: float) -> Sweeper:
    """Takes away threads, or what they keep no longer."""
    return Sweeper(lambda: threads.expire(AT_ONCE), interval=interval)


def store_sweeper(store: SqliteStore, *, interval: float) -> Sweeper:
    """Takes away items of the store."""
    return Sweeper(store.asweep_ttl, interval=interval)
