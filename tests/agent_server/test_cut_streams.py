"""Connections that break under the real client: it comes back, and gets each event once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from langgraph_sdk import get_client

from agent_server.app import create_app
from agent_server.settings import Settings
from tests.agent_server.harness import graphs
from tests.agent_server.lib_streams import listening


class CuttingProxy:
    """Passes bytes on, and cuts a connection that has answered so many of them, `cuts` times."""

    def __init__(self, port: int, *, after: int, cuts: int) -> None:
        self._port = port
        self._after = after
        self.cuts = cuts

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, up = await asyncio.open_connection("127.0.0.1", self._port)
        asking = asyncio.ensure_future(self._ask(reader, up))
        answered = 0
        while data := await there.read(64):
            answered += len(data)
            writer.write(data)
            await writer.drain()
            if self.cuts and answered > self._after:
                self.cuts -= 1
                break
        asking.cancel()
        for side in (writer, up):
            side.transport.abort()

    async def _ask(self, reader: asyncio.StreamReader, up: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            up.write(data)
            await up.drain()


@asynccontextmanager
async def cutting(port: int, *, after: int, cuts: int) -> AsyncGenerator[tuple[CuttingProxy, str]]:
    proxy = CuttingProxy(port, after=after, cuts=cuts)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    async with server:
        host, number = server.sockets[0].getsockname()
        yield proxy, f"http://{host}:{number}"


async def test_each_event_comes_once_however_often_the_connection_breaks(tmp_path: Path) -> None:
    settings = Settings(database=tmp_path / "server.db")
    async with (
        listening(create_app({"slow": graphs.slow}, settings=settings)) as port,
        get_client(url=f"http://127.0.0.1:{port}") as client,
        cutting(port, after=900, cuts=2) as (proxy, url),
        get_client(url=url) as cut,
    ):
        thread = (await client.threads.create())["thread_id"]
        streamed = cut.runs.stream(
            thread,
            "slow",
            input={"delay": 0, "log": []},
            stream_mode=["updates", "values", "custom"],
        )
        parts = [(part.event, part.data) async for part in streamed]
        assert proxy.cuts == 0
        whole = client.runs.join_stream(thread, parts[0][1]["run_id"], last_event_id="-1")
        assert [(part.event, part.data) async for part in whole] == parts
    assert len(parts) == 17
