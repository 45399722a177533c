"""What goes on beside requests as long as the server is there: crons, and sweeping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from actors import Supervisor

from .crons import Crons
from .retention import Retention
from .sweeper import Sweeper


@asynccontextmanager
async def upkept(
    supervisor: Supervisor,
    crons: Crons,
    sweeper: Sweeper,
    retention: Retention,
    *,
    interval: float,
) -> AsyncGenerator[None]:
    """All of it, inside the block.  At its end what was begun is brought to its end first.

    `interval`: seconds between two looks for events that nobody reads any more.
    """
    willing = [
        supervisor.spawn(crons.run(), name="crons"),
        supervisor.spawn(sweeper.run(), name="sweeper"),
    ]
    forgetting = supervisor.spawn(retention.sweep_every(interval, asyncio.sleep), name="retention")
    try:
        yield
    finally:
        crons.close()
        sweeper.close()
        supervisor.cancel(forgetting)
        await asyncio.wait([*willing, forgetting])
