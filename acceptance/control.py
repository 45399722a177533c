"""A socket on the loopback through which a test in another process kills and starts its server.

A line is a request: `kill`, `stop` or `start`.  The answer, when it is done, is a line too.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from tests.agent_server.harness.server import ServerProcess


class Control:
    """Does with a server what it is told.

    async with Control(server) as control:
        environ = {"CONTROL": control.address}
    """

    def __init__(self, server: ServerProcess) -> None:
        self._server = server

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        host, port = self._listener.sockets[0].getsockname()
        self.address = f"{host}:{port}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._listener.close()
        await self._listener.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            word = (await reader.readline()).decode().strip()
            writer.write(f"{await self._do(word)}\n".encode())
            await writer.drain()
        finally:
            writer.close()

    async def _do(self, word: str) -> str:
        match word:
            case "kill":
                await self._server.kill()
                return "killed"
            case "stop":
                return f"stopped with {await self._server.stop()}"
            case "start":
                await self._server.restart()
                return "started"
            case _:
                return f"{word!r} is nothing to do; say kill, stop or start"
