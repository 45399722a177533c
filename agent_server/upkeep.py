"""What goes on beside requests as long as the server is there: crons, and sweeping."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from actors import Supervisor

from .crons import Crons
from .sweeper import Sweeper


@asynccontextmanager
async def upkept(supervisor: Supervisor, crons: Crons, *sweepers: Sweeper) -> AsyncGenerator[None]:
    """All of it, inside the block.  At its end what was begun is brought to its end first."""
    tasks = [
        supervisor.spawn(crons.run(), name="crons"),
        *(supervisor.spawn(each.run(), name="sweeper") for each in sweepers),
    ]
    try:
        yield
    finally:
        crons.close()
        for each in sweepers:
            each.close()
        await asyncio.wait(tasks)
