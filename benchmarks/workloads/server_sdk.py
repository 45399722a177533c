"""The same with the real client, `langgraph_sdk`, whose own work is part of what its users see."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Iterator
from time import perf_counter
from typing import Any

from benchmarks.served.server import Server, Servers
from benchmarks.workload import Stage, Workload

from .server import CLIENTS, EVENTS, JOKE


def _client(server: Server) -> Any:
    from langgraph_sdk import get_client

    return get_client(url=server.url)


async def _run(client: Any) -> None:
    assert "joke" in await client.runs.wait(None, JOKE["assistant_id"], input=JOKE["input"])


async def one_client(servers: Servers, stage: Stage) -> float:
    with servers.start(stage.folder) as server:
        client, times = _client(server), list[float]()
        for _ in range(stage.size(100, 30) if servers.is_ours else 5):
            began = perf_counter()
            await _run(client)
            times.append(perf_counter() - began)
        return statistics.median(times) * 1e3


async def many_clients(servers: Servers, stage: Stage) -> float:
    with servers.start(stage.folder) as server:
        count = stage.size(800, 200) if servers.is_ours else stage.size(160, 64)
        left = iter(range(count))

        async def ask_again(client: Any, left: Iterator[int]) -> None:
            for _ in left:
                await _run(client)

        clients = [_client(server) for _ in range(CLIENTS)]
        began = perf_counter()
        await asyncio.gather(*(ask_again(client, left) for client in clients))
        return count / (perf_counter() - began)


async def one_reader(servers: Servers, stage: Stage) -> float:
    with servers.start(stage.folder) as server:
        client, rates = _client(server), list[float]()
        for _ in range(stage.size(6, 3)):
            seen, began = 0, 0.0
            async for part in client.runs.stream(
                None, "burst", input={"count": EVENTS}, stream_mode="custom"
            ):
                if part.event == "custom":
                    began, seen = began or perf_counter(), seen + 1
            rates.append(EVENTS / (perf_counter() - began))
            assert seen == EVENTS
        return statistics.median(rates[1:])


WORKLOADS = [
    Workload(
        "sdk-run", "`server-run` with langgraph_sdk", "ms", one_client, rounds=3, load=Servers
    ),
    Workload(
        "sdk-clients",
        "runs of as many clients of langgraph_sdk at once, waited for",
        "runs/s",
        many_clients,
        rounds=3,
        load=Servers,
    ),
    Workload(
        "sdk-burst",
        "`server-burst` with langgraph_sdk",
        "events/s",
        one_reader,
        rounds=3,
        load=Servers,
    ),
]
