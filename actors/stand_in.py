"""Who writes a run's events while sync code of a node holds up the run's loop.

The code waits for a graph, on a loop of its own, and that may wait for the events: what its reader
is shown, and what its steps are stored after, is in the file first.  What the held loop has sent
is found there, and what it would send next is sent from here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from streaming import StandIn

from .patience import see_through
from .supervisor import Supervisor

T = TypeVar("T")


async def stood_in(coro: Coroutine[Any, Any, T], stand_in: StandIn) -> T:
    """What a coroutine gives; the events are written meanwhile.  Raises what that raises, too."""
    waiting = asyncio.current_task()
    failed: list[BaseException] = []

    def over(task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and waiting is not None:
            failed.append(error)
            waiting.cancel()

    task = Supervisor("stand-in").spawn(stand_in.work(), name="stand-in", on_done=over)
    try:
        return await coro
    except asyncio.CancelledError:
        if failed and waiting is not None and not waiting.uncancel():
            raise failed[0] from None
        raise
    finally:
        stand_in.leave()
        await see_through(task)
