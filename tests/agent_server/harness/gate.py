"""A gate on the loopback: a node in the server's process waits there until the test lets it on."""

from __future__ import annotations

import asyncio
from contextlib import closing, suppress
from types import TracebackType

from tests.agent_server.harness.listener import Listener


async def pass_gate(address: str, name: str) -> None:
    """Say who is there, and wait to be let on; for nodes.  A gate that is gone is open."""
    host, _, port = address.rpartition(":")
    try:
        reader, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return
    with suppress(ConnectionError), closing(writer):
        writer.write(name.encode() + b"\n")
        await reader.readline()


class Gate(Listener):
    """Where nodes wait.

    async with Gate() as gate:
        await client.runs.create(thread, "slow", input={"gate": gate.address, "log": []})
        assert await gate.arrival() == "step1"   # it waits inside its first step
        gate.let_on()                            # …until now
    """

    def __init__(self) -> None:
        self._arrived: asyncio.Queue[tuple[str, asyncio.StreamWriter]] = asyncio.Queue()
        self._waiting: list[asyncio.StreamWriter] = []
        self._open = False

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.open()
        await super().__aexit__(kind, error, traceback)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Note who knocks, and hold it until the gate opens."""
        name = (await reader.readline()).decode().strip()
        self._waiting.append(writer)
        self._arrived.put_nowait((name, writer))
        if self._open:
            self.open()
        await reader.read()  # until the node, or its process, is gone
        writer.close()

    async def arrival(self) -> str:
        """Wait until the next node stands at the gate, and tell its name."""
        return (await self._arrived.get())[0]

    def let_on(self) -> None:
        """Let on who waits now."""
        for writer in self._waiting:
            writer.write(b"on\n")
        self._waiting.clear()

    def open(self) -> None:
        """Let everybody on from now on."""
        self._open = True
        self.let_on()
