"""How tests wait where there is no event to wait for: by turns of the loop, never by the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_DEADLINE = 30.0
"""Seconds after which what has not come does not come; far more than anything takes."""


async def let_all_run(turns: int = 20) -> None:
    """Turn the loop until every task that can go on has come to a wait."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    """Turn the loop until the condition holds, which another thread may bring about."""
    async with asyncio.timeout(_DEADLINE):
        while not condition():  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0)
