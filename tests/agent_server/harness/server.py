"""A real server in a process of its own, on a free port of the loopback."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
from langgraph_sdk import get_client
from langgraph_sdk.client import LangGraphClient

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
CONFIG = HERE / "langgraph.json"
"""All graphs that need no LangChain."""
CHAT_CONFIG = HERE / "langgraph.chat.json"
"""agent, chat and plain."""


class ServerProcess:
    """`understudy serve` with the graphs beside this file.

    `database`: its file; another process may go on with it.  `settings`: names and values as in
    the environment, without the prefix: `max_body="1000"`.

        async with ServerProcess(tmp_path / "server.db") as server:
            thread = await server.client().threads.create()
    """

    def __init__(
        self, database: Path, *, config: Path = CONFIG, port: int = 0, **settings: str
    ) -> None:
        self.database = database
        self.url = ""
        """Where it listens, once it has started."""
        self.output: list[str] = []
        """The lines it has written."""
        self._arguments = ("--config", str(config), "--database", str(database))
        self._port = port
        self._settings = settings
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.alive:
            await self.stop()

    @property
    def process(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "not started"
        return self._process

    @property
    def alive(self) -> bool:
        """True while the process runs."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it, and wait until it says where it listens."""
        environ = {f"UNDERSTUDY_{name.upper()}": value for name, value in self._settings.items()}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "understudy", "serve", *self._arguments, "--port", str(self._port)),
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        listening = asyncio.get_running_loop().create_future()
        self._reading = asyncio.create_task(self._read(self.process, listening))
        self.url = await listening

    async def _read(
        self, process: asyncio.subprocess.Process, listening: asyncio.Future[str]
    ) -> None:
        assert process.stdout is not None
        async for raw in process.stdout:
            line = raw.decode().rstrip()
            self.output.append(line)
            if "listening on http" in line and not listening.done():
                listening.set_result("http" + line.partition("http")[2].split()[0])
        if not listening.done():
            said = "\n".join(self.output)
            listening.set_exception(RuntimeError(f"the server did not start:\n{said}"))

    def client(self, **options: object) -> LangGraphClient:
        """The real client, for this server."""
        return get_client(url=self.url, **options)  # type: ignore[arg-type]

    async def has_streams(self, count: int) -> None:
        """Wait until so many streams are open."""
        async with httpx.AsyncClient(base_url=self.url) as client:
            while True:
                told = (await client.get("/metrics", params={"format": "json"})).json()
                if told["streams"]["open"] == count:
                    return

    def send_signal(self, number: int) -> None:
        """Send it a signal, and wait for nothing."""
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Wait until it has ended; its exit status."""
        status = await self.process.wait()
        if self._reading is not None:
            await self._reading
        return status

    async def stop(self) -> int:
        """Ask it to stop (SIGTERM), and wait; its exit status."""
        self.send_signal(signal.SIGTERM)
        return await self.ended()

    async def kill(self) -> None:
        """End it at once (SIGKILL)."""
        self.send_signal(signal.SIGKILL)
        await self.ended()

    async def restart(self) -> None:
        """Start it again after `stop` or `kill`, with the same database, on the same port."""
        self._port = int(self.url.rpartition(":")[2])
        await self.start()
