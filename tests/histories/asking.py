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
    """The same of a server in a process that is killed after some of their questions, or, if the
    seed is odd, after some events of the streams that they read."""
    lines: list[Any] = []
    dice = random.Random(f"killed {seed}")
    scripts = _scripts(dice)
    questions, events = dice.randrange(2, len(CLIENTS) * LENGTH - 4), 0
    if seed % 2:
        _stream_first(scripts, dice)
        questions, events = 0, dice.randrange(1, 16)
    async with ServerProcess(folder / "server.db", config=CONFIG) as server:
        mortal = Mortal(server, questions, events, dice.randrange(30))
        async with asyncio.timeout(60):
            await work(mortal, scripts, lines.append)
        assert mortal.was_killed
    return history_of(scripts, lines, time.monotonic())


class Mortal:
    """A server that is killed some turns of the loop after it was asked so many questions, or has
    told so many events (0: not by that)."""

    def __init__(self, server: ServerProcess, questions: int, events: int, turns: int) -> None:
        self._server = server
        self._left = questions
        self._events = events
        self._turns = turns
        self._killing: asyncio.Task[None] | None = None
        self.was_killed = False
        self._alive = asyncio.Event()
        self._alive.set()
        self._killed = 0.0
        self._over = 0.0

    async def answer(self, order: Any) -> Any:
        """Carry out an order, when the server is there.  Raises LostError."""
        await self._alive.wait()
        self._left -= 1
        if self._left == 0:
            self._killing = asyncio.create_task(self._kill())
        answer = await self._ask(order)
        if self._left == 0 and self._killing is not None:
            await self._killing
        if isinstance(answer, LostError):
            raise answer
        return answer

    async def _ask(self, order: Any) -> Any:
        async with httpx.AsyncClient(base_url=self._server.url, timeout=60) as http:
            try:
                clients = HttpClients(http, seen=self._count, again=self._again)
                return await clients.answer(order)
            except httpx.TransportError:
                await self._alive.wait()
                return LostError(self._killed, None if order[0] in RUNS else self._over)

    def _count(self) -> None:
        self._events -= 1
        if self._events == 0:
            self._killing = asyncio.create_task(self._kill())

    async def _again(self) -> None:
        """Until it is there; a connection may break before anybody knows why."""
        if self._killing is not None:
            await asyncio.wait([self._killing])

    async def _kill(self) -> None:
        for _ in range(self._turns):
            await asyncio.sleep(0)
        self._alive.clear()
        self.was_killed = True
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


def _stream_first(scripts: dict[str, list[list[Any]]], dice: random.Random) -> None:
    """Have each client read a stream on the thread that it has asked for."""
    for client, orders in scripts.items():
        value = ["input", f"{client}.1"]
        orders[1] = ["stream", orders[0][1], value, "enqueue", dice.randint(0, 8)]
