"""Waiting that a cancel cannot cut short: it sees the end first, and then the cancel counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any


async def see_through(
    task: asyncio.Task[Any], on_cancel: Callable[[], object] | None = None
) -> None:
    """Wait until a task has ended, however it ends.

    A cancel of the waiting calls `on_cancel` (to make the task hurry) and is raised at the end.
    The scope is for anyio, which repeats a cancel at every turn of the loop; the loop is for
    asyncio, where each further cancel interrupts the wait once more.
    """
    from anyio import CancelScope

    cancelled = False
    with CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait({task})
            except asyncio.CancelledError:
                cancelled = True
                if on_cancel is not None:
                    on_cancel()
    if cancelled:
        raise asyncio.CancelledError


def seen(task: asyncio.Task[Any]) -> None:
    """For `on_done`: whoever waits for the task raises its error, so it is no failure by itself."""
    if not task.cancelled():
        task.exception()
