"""What clients see of a server that they ask over HTTP, all at the same time: of one in this
process, or of one that is killed and started again while they ask."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from pathlib import Path
from typing import Any

import httpx

from tests.agent_server.harness.server import ServerProcess
from tests.agent_server.serving import serving
from tests.histories.clients import LostError, history_of, work
from tests.histories.linear import Operation
from tests.histories.server import GRAPH_ID, RUNS, HttpClients, server_order
from tests.histories.threads import GRAPH

CLIENTS = ("ann", "ben", "cyd", "dan")
LENGTH = 6
"""Questions of each."""


async def seen_of_a_server(folder: Path, seed: int) -> list[Operation]:
    """What they see, whose questions a seed decides."""
    lines: list[Any] = []
    scripts = _scripts(random.Random(seed))
    async with serving(folder, {GRAPH_ID: GRAPH}) as server:
        await work(HttpClients(server.http), scripts, lines.append)
    return history_of(scripts, lines, time.monotonic())


CONFIG = Path(__file__).parent / "langgraph.json"


async def seen_of_a_killed_server(folder: Path, seed: int) -> list[Operation]:
    """The same of a server in a process that is killed after some of their questions."""
    lines: list[Any] = []
    dice = random.Random(f"killed {seed}")
    scripts = _scripts(dice)
    async with ServerProcess(folder / "server.db", config=CONFIG) as server:
        mortal = Mortal(server, dice.randrange(2, len(CLIENTS) * LENGTH - 4), dice.randrange(30))
        async with asyncio.timeout(60):
            await work(mortal, scripts, lines.append)
    return history_of(scripts, lines, time.monotonic())


class Mortal:
    """A server that is killed some turns of the loop after it was asked for the nth time."""

    def __init__(self, server: ServerProcess, nth: int, turns: int) -> None:
        self._server = server
        self._left = nth
        self._turns = turns
        self._alive = asyncio.Event()
        self._alive.set()
        self._killed = 0.0
        self._over = 0.0

    async def answer(self, order: Any) -> Any:
        """Carry out an order, when the server is there.  Raises LostError."""
        await self._alive.wait()
        self._left -= 1
        if self._left == 0:
            async with asyncio.TaskGroup() as group:
                asked = group.create_task(self._ask(order))
                group.create_task(self._kill())
            answer = asked.result()
        else:
            answer = await self._ask(order)
        if isinstance(answer, LostError):
            raise answer
        return answer

    async def _ask(self, order: Any) -> Any:
        async with httpx.AsyncClient(base_url=self._server.url, timeout=60) as http:
            try:
                return await HttpClients(http).answer(order)
            except httpx.TransportError:
                await self._alive.wait()
                return LostError(self._killed, None if order[0] in RUNS else self._over)

    async def _kill(self) -> None:
        for _ in range(self._turns):
            await asyncio.sleep(0)
        self._alive.clear()
        self._killed = time.monotonic()
        await self._server.kill()
        self._over = time.monotonic()
        await self._server.restart()
        self._alive.set()


def _scripts(dice: random.Random) -> dict[str, list[list[Any]]]:
    """Scripts about three threads, one of which every client wants to make."""
    threads = [str(uuid.UUID(int=dice.getrandbits(128), version=4)) for _ in range(3)]

    def order(client: str, number: int) -> list[Any]:
        word = f"{client}.{number}"
        name, *given = ["create", word] if number == 0 else server_order(dice, word)
        return [name, dice.choice(threads), *given]

    return {client: [order(client, number) for number in range(LENGTH)] for client in CLIENTS}
