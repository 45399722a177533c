"""Sync twins of a saver's administration: each waits, in its thread, for the async one."""

from __future__ import annotations

import asyncio
import contextvars
from abc import ABC, abstractmethod
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from .limits import Age, Strategy
from .reports import Removed, ThreadInfo, Verification

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds that an operation waits for a thread that a run holds."""


def wait_for(coro: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine; inside a running loop it gets a thread and a loop of its own."""
    from .waiting import waited_for  # only for who waits

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return waited_for(coro)
    from concurrent.futures import ThreadPoolExecutor

    context = contextvars.copy_context()
    with ThreadPoolExecutor(1, thread_name_prefix="checkpoint-door") as helper:
        return helper.submit(context.run, waited_for, coro).result()


class SyncDoors(ABC):
    """The twins, for whoever has the async methods."""

    @abstractmethod
    async def acopy_thread(
        self,
        source_thread_id: str,
        target_thread_id: str,
        *,
        timeout: float | None = PATIENCE,
    ) -> None:
        """See `Administration`."""

    @abstractmethod
    async def adelete_thread(self, thread_id: str, *, timeout: float | None = PATIENCE) -> Removed:
        """See `Administration`."""

    @abstractmethod
    async def adelete_for_runs(
        self, run_ids: Sequence[str], *, timeout: float | None = PATIENCE
    ) -> Removed:
        """See `Administration`."""

    @abstractmethod
    async def aprune(
        self,
        thread_ids: Sequence[str],
        *,
        strategy: Strategy = "keep_latest",
        keep_last: int | None = None,
        older_than: Age | None = None,
        timeout: float | None = PATIENCE,
    ) -> Removed:
        """See `Administration`."""

    @abstractmethod
    async def averify(self, thread_id: str | None = None) -> Verification:
        """See `Administration`."""

    @abstractmethod
    async def athreads(self, *, limit: int | None = None) -> Sequence[ThreadInfo]:
        """See `Administration`."""

    def copy_thread(
        self,
        source_thread_id: str,
        target_thread_id: str,
        *,
        timeout: float | None = PATIENCE,
    ) -> None:
        """`acopy_thread`, waited for."""
        wait_for(self.acopy_thread(source_thread_id, target_thread_id, timeout=timeout))

    def delete_thread(self, thread_id: str, *, timeout: float | None = PATIENCE) -> Removed:
        """`adelete_thread`, waited for."""
        return wait_for(self.adelete_thread(thread_id, timeout=timeout))

    def delete_for_runs(
        self, run_ids: Sequence[str], *, timeout: float | None = PATIENCE
    ) -> Removed:
        """`adelete_for_runs`, waited for."""
        return wait_for(self.adelete_for_runs(run_ids, timeout=timeout))

    def prune(
        self,
        thread_ids: Sequence[str],
        *,
        strategy: Strategy = "keep_latest",
        keep_last: int | None = None,
        older_than: Age | None = None,
        timeout: float | None = PATIENCE,
    ) -> Removed:
        """`aprune`, waited for."""
        return wait_for(
            self.aprune(
                thread_ids,
                strategy=strategy,
                keep_last=keep_last,
                older_than=older_than,
                timeout=timeout,
            )
        )

    def verify(self, thread_id: str | None = None) -> Verification:
        """`averify`, waited for."""
        return wait_for(self.averify(thread_id))

    def threads(self, *, limit: int | None = None) -> Sequence[ThreadInfo]:
        """`athreads`, waited for."""
        return wait_for(self.athreads(limit=limit))
