"""What goes on beside requests as long as the server is there: crons, and sweeping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from actors import Supervisor

from .crons import Crons
from .sweeper import Sweeper


@asynccontextmanager
async def upkept(supervisor: Supervisor, crons: Crons, sweeper: Sweeper) -> AsyncGenerator[None]:
    """Both, inside the block.  At its end what was begun is brought to its end first."""
    tasks = [
        supervisor.spawn(crons.run(), name="crons"),
        supervisor.spawn(sweeper.run(), name="sweeper"),
    ]
    try:
        yield
    finally:
        crons.close()
        sweeper.close()
        await asyncio.wait(tasks)
