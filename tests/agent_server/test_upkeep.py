"""Crons and sweeping go on beside requests, and end with them."""

from __future__ import annotations

import asyncio
from pathlib import Path

from actors import Supervisor
from agent_server.crons import Crons
from agent_server.records import Cron
from agent_server.sweeper import store_sweeper, thread_sweeper
from agent_server.threads import Lifetime, Threads
from agent_server.upkeep import upkept
from checkpoint import new_id
from tests.agent_server.database import Clock, opened


async def test_what_is_due_happens_and_what_was_begun_ends_first(tmp_path: Path) -> None:
    clock, begun, going_on = Clock(), asyncio.Event(), asyncio.Event()
    ended: list[str] = []

    async def start(cron: Cron, run_id: str) -> None:
        begun.set()
        await going_on.wait()
        ended.append(run_id)

    async with opened(tmp_path) as database, Supervisor("server") as supervisor:
        threads = Threads(database.tables, database.saver, clock)
        await threads.create(None, ttl=Lifetime(1))
        crons = Crons(database.tables, clock, start)
        await crons.add(Cron(new_id(), new_id(), None, "* * * * *", {}, 1.0, 1.0, None))
        clock.now += 61
        sweeper = thread_sweeper(threads, interval=60)
        items = store_sweeper(database.store, interval=60)
        async with upkept(supervisor, crons, sweeper, items):
            await begun.wait()
            asyncio.get_running_loop().call_soon(going_on.set)

        assert len(ended) == 1
        assert await sweeper.sweep() == 0
        assert supervisor.tasks == ()
