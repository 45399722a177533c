"""Threads in real processes, on one file: what is killed is a process of its own, which does what
it is asked to over a pipe."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import uuid  # noqa: F401 - and the modules below: so that children need not
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import actors.codec
import actors.updates  # noqa: F401
import checkpoint.codecs
import checkpoint.reader
import checkpoint.writer  # noqa: F401
from actors import ActorSystem
from checkpoint import SqliteSaver, SqliteStore
from tests.faults.forks import KILLED, Child, ForkServer
from tests.histories.clients import Served, work
from tests.histories.operations import Operations, Tell, Told
from tests.histories.threads import GRAPH


class RealHost:
    """Threads on a file, and the process that works on it now."""

    def __init__(self, server: ForkServer, path: Path) -> None:
        self._server = server
        self._path = path
        self._heard = 0
        self.kills = 0
        """Processes that were killed at work."""
        self._child = self._fork()

    def do(self, name: str, *, kill_at: int = 0, kill_after: int = 0, **arguments: Any) -> Told:
        told = Told()
        self._child.ask(name=name, arguments=arguments, kill_at=kill_at)
        while (line := self._line()) is not None:
            if line[0] in ("answer", "error"):
                told.end(*line)
                return told
            told.lines.append(line)
            if len(told.lines) == kill_after:
                os.kill(self._child.pid, signal.SIGKILL)
        told.died = True
        self.kills += 1
        return told

    def reboot(self, *, gently: bool = False) -> None:
        if gently:
            self._child.hang_up()
        else:
            os.kill(self._child.pid, signal.SIGKILL)
        assert self._child.end() in ((0,) if gently else (KILLED, 0))
        self._child, self._heard = self._fork(), 0

    def close(self) -> None:
        self._child.kill()

    def _fork(self) -> Child:
        return self._server.start("live", path=self._path)

    def _line(self) -> Any:
        """The next thing that the process tells; None: it is dead."""
        alive = self._child.listen(lines=self._heard + 1)
        line = self._child.line(self._heard)
        assert line is not None or not alive, "the process hangs"
        self._heard += 1
        return line


class Death:
    """Kills this process at the n-th commit point that it passes, in the database or in a log."""

    def __init__(self) -> None:
        self._left = 0
        self._lock = threading.Lock()

    def plan(self, nth: int) -> None:
        """Let it be the n-th from now on; 0: none."""
        with self._lock:
            self._left = nth

    def __call__(self, point: str) -> None:
        """A point is passed, in any thread."""
        with self._lock:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


async def live(job: dict[str, Any], tell: Tell) -> None:
    """Do one operation after another, as asked, until told to leave."""
    death = Death()
    async with served(job, tell, death) as here:
        async for order in orders(job):
            death.plan(order["kill_at"])
            tell(await here.operations.do(order["name"], order["arguments"]))


async def clients(job: dict[str, Any], tell: Tell) -> None:
    """Let clients ask by their scripts, all at the same time, and again with the next scripts."""
    async with served(job, lambda _: None) as here:
        async for order in orders(job):
            await work(here, order["scripts"], tell)
            tell(["end"])


@asynccontextmanager
async def served(
    job: dict[str, Any], tell: Tell, death: Death | None = None
) -> AsyncIterator[Served]:
    """The job's file, opened by this process."""
    async with (
        SqliteSaver(job["path"], faults=death) as saver,
        SqliteStore(job["path"]) as store,
        ActorSystem(event_log=saver.events, faults=death) as system,
    ):
        yield Served(Operations(GRAPH.stored_in(saver), saver, system, tell), store)


async def orders(job: dict[str, Any]) -> AsyncIterator[Any]:
    """What this process is asked, until the other end is closed."""
    reader = asyncio.StreamReader(limit=1 << 20)
    with os.fdopen(job["orders"], "rb") as pipe:
        await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), pipe
        )
        while line := await reader.readline():
            yield json.loads(line)
