"""What clients see of a server in this process whom they ask over HTTP, all at the same time."""

from __future__ import annotations

import random
import time
import uuid
from pathlib import Path
from typing import Any

from tests.agent_server.serving import serving
from tests.histories.clients import history_of, work
from tests.histories.linear import Operation
from tests.histories.server import GRAPH_ID, HttpClients, server_order
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


def _scripts(dice: random.Random) -> dict[str, list[list[Any]]]:
    """Scripts about three threads, one of which every client wants to make."""
    threads = [str(uuid.UUID(int=dice.getrandbits(128), version=4)) for _ in range(3)]

    def order(client: str, number: int) -> list[Any]:
        word = f"{client}.{number}"
        name, *given = ["create", word] if number == 0 else server_order(dice, word)
        return [name, dice.choice(threads), *given]

    return {client: [order(client, number) for number in range(LENGTH)] for client in CLIENTS}
