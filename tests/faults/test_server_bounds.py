"""What clients can make a server hold: streams that nobody reads, bodies, requests that wait."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypedDict

import httpx
import pytest

from actors import START, StateGraph, StreamWriter
from agent_server.app import create_app
from agent_server.settings import Settings
from tests.agent_server.harness import graphs
from tests.agent_server.harness.gate import Gate
from tests.agent_server.lib_streams import listening
from tests.faults.scale import WHOLE

REFUSED = b"HTTP/1.1 503 Service Unavailable\r\n"
STALLED = 100 if WHOLE else 20
TEXT, TEXTS = 4_000, 1_000
"""Characters of one event, and how many there are: four megabytes."""


class Said(TypedDict):
    count: int


async def say(state: Said, writer: StreamWriter) -> Said:
    for number in range(TEXTS):
        writer(f"{number} " + "x" * TEXT)
        if number % 50 == 0:
            await writer.drain()
    return {"count": TEXTS}


saying = StateGraph(Said).add_node("say", say).add_edge(START, "say").compile()


async def read_all(client: httpx.AsyncClient, path: str) -> int:
    """Bytes of a run's stream."""
    size = 0
    async with client.stream("GET", path, headers={"last-event-id": "-1"}) as answer:
        async for piece in answer.aiter_raw():
            size += len(piece)
    return size


async def never_read(port: int, path: str) -> socket.socket:
    """A client that asks for a stream, and takes nothing of it but what its system takes."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(client, ("127.0.0.1", port))
    head = f"GET {path} HTTP/1.1\r\nhost: server\r\nlast-event-id: -1\r\n\r\n"
    await loop.sock_sendall(client, head.encode())
    assert await loop.sock_recv(client, 12) == b"HTTP/1.1 200"
    return client


ITSELF = 16 << 20
"""Bytes that a server takes which has done anything at all; each run could take four megabytes."""


@pytest.mark.timeout(180)
async def test_streams_that_nobody_reads_hold_a_piece_each_and_cost_the_others_nothing(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    app = create_app({"saying": saying}, settings=Settings(database=tmp_path / "server.db"))
    async with AsyncExitStack() as open_:
        port = await open_.enter_async_context(listening(app))
        client = await open_.enter_async_context(
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60)
        )
        thread = (await client.post("/threads", json={})).json()["thread_id"]
        order = {"assistant_id": "saying", "input": {"count": 0}, "stream_mode": ["custom"]}
        run = (await client.post(f"/threads/{thread}/runs", json=order)).json()["run_id"]
        path = f"/threads/{thread}/runs/{run}/stream?stream_mode=custom"
        whole = await read_all(client, path)
        assert whole > TEXT * TEXTS
        assert await read_all(client, path) == whole
        gc.collect()
        before = held()
        for _ in range(STALLED):
            open_.callback((await never_read(port, path)).close)
        assert await read_all(client, path) == whole
        assert app.state.services.streams.count == STALLED
        gc.collect()
        assert held() - before < ITSELF + STALLED * (1 << 20), "a piece for each, not the run"
    record_property("streams of a server that nobody read", STALLED)


def held() -> int:
    """Bytes of the process; 0 where the system does not say."""
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * 4096 if status.exists() else 0


async def test_requests_that_wait_for_a_run_are_bounded_with_the_streams(tmp_path: Path) -> None:
    settings = Settings(database=tmp_path / "server.db", max_readers=3)
    app = create_app({"slow": graphs.slow}, settings=settings)
    async with AsyncExitStack() as open_:
        gate = await open_.enter_async_context(Gate())
        port = await open_.enter_async_context(listening(app))
        client = await open_.enter_async_context(
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60)
        )
        order = {"assistant_id": "slow", "input": {"gate": gate.address, "log": []}}
        thread = (await client.post("/threads", json={})).json()["thread_id"]
        run = (await client.post(f"/threads/{thread}/runs", json=order)).json()["run_id"]
        join = f"/threads/{thread}/runs/{run}/join"
        joined: list[httpx.Response] = []
        async with AsyncExitStack() as waiting:
            for _ in range(3):
                answer = await waiting.enter_async_context(client.stream("GET", join))
                assert answer.status_code == 200
                joined.append(answer)
            for method, path in (("GET", join), ("POST", f"/threads/{thread}/runs/wait")):
                body: Any = order if method == "POST" else None
                refused = await client.request(method, path, json=body)
                assert refused.status_code == 503
                assert "wait for a run" in refused.json()["detail"]
            gate.open()
            for answer in joined:
                await answer.aread()
                assert len(answer.json()["log"]) == 5
        assert (await client.get(join)).status_code == 200


async def test_bodies_that_never_end_are_bounded_together(tmp_path: Path) -> None:
    """Each of these clients may send sixteen megabytes, and stops in the middle."""
    settings = Settings(database=tmp_path / "server.db", bodies_bytes=1 << 20)
    app = create_app({"agent": graphs.agent}, settings=settings)
    head = b"POST /threads HTTP/1.1\r\nhost: server\r\ncontent-length: 16000000\r\n\r\n"
    async with listening(app) as port:
        url = f"http://127.0.0.1:{port}"
        async with AsyncExitStack() as open_, httpx.AsyncClient(base_url=url, timeout=60) as client:
            answers: list[asyncio.Future[bytes]] = []
            for _ in range(8):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                open_.callback(writer.transport.abort)
                open_.callback(writer.close)
                answers.append(asyncio.ensure_future(reader.readline()))
                writer.write(head + b" " * 300_000)
            refused, waiting = set[asyncio.Future[bytes]](), set(answers)
            while len(refused) < 4:
                done, waiting = await asyncio.wait(waiting, return_when="FIRST_COMPLETED")
                refused |= done
            for each in refused:  # what it has refused it does not read: the line may be lost
                told = each.exception() or each.result()
                assert isinstance(told, ConnectionError) or told in (REFUSED, b"")
            assert (await client.get("/ok")).status_code == 200
        await asyncio.gather(*answers, return_exceptions=True)
        async with httpx.AsyncClient(base_url=url, timeout=60) as client:
            while (await client.post("/threads", json={})).status_code != 200:
                pass  # until the server has seen that they are gone
