"""Waiting that a cancel cannot cut short: it sees the end first, and then the cancel counts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any


async def see_through(
    task: asyncio.Task[Any], on_cancel: Callable[[], object] | None = None
) -> None:
    """Wait until a task has ended, however it ends.

    A cancel of the waiting calls `on_cancel` (to make the task hurry) and is raised at the end.
    """
    if task.done():
        return
    ended = asyncio.get_running_loop().create_future()
    task.add_done_callback(lambda _: None if ended.done() else ended.set_result(None))
    try:
        await ended
    except asyncio.CancelledError:
        await _shielded(lambda: _hurried(task, on_cancel))
        raise


async def _hurried(task: asyncio.Task[Any], on_cancel: Callable[[], object] | None) -> None:
    if task.done():
        return
    if on_cancel is not None:
        on_cancel()
    await asyncio.wait({task})


async def see_done(wait: Callable[[], Awaitable[object]]) -> None:
    """Wait for what can be waited for anew, as often as the waiting is cancelled; raises the first
    cancel at the end."""
    try:
        await wait()
    except asyncio.CancelledError:
        await _shielded(wait)
        raise


async def _shielded(wait: Callable[[], Awaitable[object]]) -> None:
    """The rest of a wait, once it was cancelled.

    The scope is for anyio, which repeats a cancel at every turn of the loop; the loop is for
    asyncio, where each further cancel interrupts the wait once more.
    """
    from anyio import CancelScope

    with CancelScope(shield=True):
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await wait()
                return


async def see_out(wait: Callable[[], Awaitable[object]]) -> None:
    """Wait for what can be waited for anew: a cancel has it begin again, and is raised at its end.

    For ends that who was cancelled has to see, and where a cancel comes but once.
    """
    try:
        await wait()
    except asyncio.CancelledError:
        await wait()
        raise


def seen(task: asyncio.Task[Any]) -> None:
    """For `on_done`: whoever waits for the task raises its error, so it is no failure by itself."""
    if not task.cancelled():
        task.exception()
