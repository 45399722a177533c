"""What does a server cost its clients?  Ours beside `langgraph dev`, asked by raw sockets."""

from __future__ import annotations

import asyncio
import json
import statistics
from time import perf_counter, sleep

from benchmarks.served.client import (
    Connection,
    check,
    drain,
    one_after_the_other,
    request,
    side_by_side,
)
from benchmarks.served.server import Server, Servers
from benchmarks.workload import Stage, Target, Workload

JOKE = {"assistant_id": "joke", "input": {"topic": "ice cream"}}
EVENTS, CLIENTS, JOINERS = 5_000, 16, 10
SETTLING = 0.5
"""Seconds that joiners get to be there before there is something to read."""


def joke(path: str = "/runs/wait") -> bytes:
    return request("POST", path, JOKE)


def burst(path: str, gate: str = "") -> bytes:
    given = {"count": EVENTS, "gate": gate}
    return request(
        "POST", path, {"assistant_id": "burst", "input": given, "stream_mode": ["custom"]}
    )


async def one_client(servers: Servers, stage: Stage) -> float:
    with servers.start(stage.folder) as server, server.connect() as client:
        one_after_the_other(client, joke(), 3)
        count = stage.size(200, 50) if servers.is_ours else stage.size(8, 4)
        return statistics.median(one_after_the_other(client, joke(), count)) * 1e3


async def many_clients(servers: Servers, stage: Stage) -> float:
    with servers.start(stage.folder) as server:
        return _runs(servers, stage, server)[0]


async def processor_of_a_run(servers: Servers, stage: Stage) -> float:
    with servers.start(stage.folder) as server:
        return _runs(servers, stage, server)[1]


def _runs(servers: Servers, stage: Stage, server: Server) -> tuple[float, float]:
    """Runs a second, and milliseconds of the server's processor time for each."""
    clients = [server.connect() for _ in range(CLIENTS)]
    count = stage.size(2_000, 500) if servers.is_ours else stage.size(320, 96)
    side_by_side(clients, joke("/runs/stream"), 2 * CLIENTS)
    before = server.processor_time()
    seconds = side_by_side(clients, joke("/runs/stream"), count)
    return count / seconds, (server.processor_time() - before) / count * 1e3


async def one_reader(servers: Servers, stage: Stage) -> float:
    rates = list[float]()
    with servers.start(stage.folder) as server, server.connect() as client:
        for _ in range(stage.size(9, 4)):
            client.send(burst("/runs/stream"))
            while b"event: custom" not in client.answer.latest:
                client.receive()
            began = perf_counter()
            answer = client.rest()
            rates.append(EVENTS / (perf_counter() - began))
            check(answer)
            assert answer.body.count(b"event: custom") == EVENTS
    return statistics.median(rates[1:])


async def joiners(servers: Servers, stage: Stage) -> float:
    with servers.start(stage.folder) as server:
        return statistics.median(
            [_joined(server, stage, number) for number in range(stage.size(6, 3))][1:]
        )


def _joined(server: Server, stage: Stage, number: int) -> float:
    """Events delivered a second, to all joiners of one run, from the moment that it writes."""
    gate = stage.folder / f"gate{number}"
    readers = [server.connect() for _ in range(JOINERS)]
    with server.connect() as client:
        thread = _told(client, request("POST", "/threads", {}))["thread_id"]
        run = _told(client, burst(f"/threads/{thread}/runs", str(gate)))["run_id"]
        _await_running(client, thread, run)
        path = f"/threads/{thread}/runs/{run}/stream?stream_mode=custom"
        for reader in readers:
            reader.ask_for_head(request("GET", path))
        sleep(SETTLING)
        began = perf_counter()
        gate.touch()
        seconds = drain(readers) - began
    for reader in readers:
        assert reader.answer.body.count(b"event: custom") == EVENTS
        reader.socket.close()
    return EVENTS * JOINERS / seconds


def _await_running(client: Connection, thread: str, run: str) -> None:
    """LangGraph's starts queued runs by the second."""
    while _told(client, request("GET", f"/threads/{thread}/runs/{run}"))["status"] == "pending":
        sleep(0.02)


def _told(client: Connection, message: bytes) -> dict[str, str]:
    answer = client.ask(message)
    check(answer)
    body = answer.body
    return dict(json.loads(body[body.index(b"{") : body.rindex(b"}") + 1]))


async def idle_memory(servers: Servers, stage: Stage) -> float:
    with servers.start(stage.folder) as server:
        await asyncio.sleep(2)  # what a start leaves to be done
        return server.memory()


async def start(servers: Servers, stage: Stage) -> float:
    with servers.start(stage.folder):
        pass  # compiles the modules and fills the caches of the disk
    with servers.start(stage.folder) as server:
        return server.started_in


WORKLOADS = [
    Workload(
        "server-run",
        "a stateless run of two nodes that is waited for, one after the other",
        "ms",
        one_client,
        target=Target(limit=10),
        rounds=3,
        load=Servers,
    ),
    Workload(
        "server-clients",
        f"streamed stateless runs of {CLIENTS} clients at once",
        "runs/s",
        many_clients,
        target=Target(least=300),
        rounds=3,
        load=Servers,
    ),
    Workload(
        "server-cpu",
        "processor time of the server for such a run",
        "ms",
        processor_of_a_run,
        rounds=3,
        load=Servers,
    ),
    Workload(
        "server-burst",
        f"a run that writes {EVENTS:,} custom events to its one reader, from the first of them on",
        "events/s",
        one_reader,
        target=Target(least=25_000),
        rounds=3,
        load=Servers,
    ),
    Workload(
        "server-joiners",
        f"the same on a thread, to {JOINERS} that joined: what is delivered in all",
        "events/s",
        joiners,
        target=Target(least=80_000),
        rounds=3,
        load=Servers,
    ),
    Workload(
        "server-memory",
        "memory of the idle server",
        "MiB",
        idle_memory,
        target=Target(limit=80),
        rounds=1,
        load=Servers,
    ),
    Workload(
        "server-start",
        "from the start of the process to its first answer",
        "s",
        start,
        target=Target(limit=1),
        rounds=3,
        load=Servers,
    ),
]
