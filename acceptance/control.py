"""A socket on the loopback through which a test in another process kills and starts its server.

A line is a request: `kill`, `stop` or `start`.  The answer, when it is done, is a line too.
"""

from __future__ import annotations

import asyncio

from tests.agent_server.harness.listener import Listener
from tests.agent_server.harness.server import ServerProcess


class Control(Listener):
    """Does with a server what it is told.

    async with Control(server) as control:
        environ = {"CONTROL": control.address}
    """

    def __init__(self, server: ServerProcess) -> None:
        self._server = server

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Do what a line says."""
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
