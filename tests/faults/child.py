"""What the processes do that crash tests kill, and the server that forks them.

A job is a dict: its role, the database, and what the role needs (`die_at`: after how many lines
the child kills itself).  A child tells what it gets as
lines of JSON, each written at once, so that the test knows what a subscriber had received.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import checkpoint.lease  # noqa: F401 - so that children need not
from actors import ActorSystem, CompiledGraph, EmptyInputError
from checkpoint import SqliteSaver
from tests.faults.work import INPUT, Effects, build

MODES = ["values", "updates", "custom"]

Tell = Callable[[Any], None]


async def stream(job: dict[str, Any], tell: Tell) -> None:
    """Run by `astream`, in step with the reader."""
    async with SqliteSaver(job["path"]) as saver:
        graph = graph_of(job, saver)
        chunks = graph.astream(
            job["input"], on(job), stream_mode=MODES, subgraphs=True, durability=job["durability"]
        )
        async for ns, mode, data in chunks:
            tell([ns, mode, data])
    tell("end")


async def run(job: dict[str, Any], tell: Tell) -> None:
    """Run in an actor system, which does not wait for its reader."""
    async with SqliteSaver(job["path"]) as saver, ActorSystem() as system:
        started = await system.start(
            graph_of(job, saver), job["input"], on(job), durability=job["durability"]
        )
        async for chunk in started.stream(MODES, subgraphs=True):
            tell([chunk.ns, chunk.mode, chunk.data])
        await started.result()
    tell("end")


async def takeover(job: dict[str, Any], tell: Tell) -> None:
    """Wait for a thread that another process holds, then go on with it."""
    async with SqliteSaver(job["path"]) as saver:
        graph = graph_of(job, saver)
        tell("waiting")
        try:
            tell(await graph.ainvoke(None, on(job)))
        except EmptyInputError:
            tell(await graph.ainvoke(INPUT, on(job)))


ROLES = {role.__name__: role for role in (stream, run, takeover)}


def graph_of(job: dict[str, Any], saver: SqliteSaver) -> CompiledGraph:
    """The graph with the job's effects file."""
    effects = Effects(Path(job["effects"]), job["attempt"])
    return build(effects, saver, hang_at=job.get("hang_at", ""))


def on(job: dict[str, Any]) -> dict[str, Any]:
    """The config of the job's thread."""
    return {"configurable": {"thread_id": job["thread"]}}


# --- the server --------------------------------------------------------------------------------


def serve(door: socket.socket) -> None:
    """Fork a child for every job, until the other end is closed."""
    door.sendall(b"ready")
    while True:
        request, fds, _, _ = socket.recv_fds(door, 1 << 16, 1)
        if not request:
            return
        job = json.loads(request)
        if job["role"] == "reap":
            status = os.waitstatus_to_exitcode(os.waitpid(job["pid"], 0)[1])
            door.sendall(str(status).encode())
            continue
        if (pid := os.fork()) == 0:
            door.close()
            work(job, fds[0])
        os.close(fds[0])
        door.sendall(str(pid).encode())


def work(job: dict[str, Any], fd: int) -> None:
    """Do a job and leave the process."""

    told = 0

    def tell(line: Any) -> None:
        nonlocal told
        data = memoryview(json.dumps(line).encode() + b"\n")
        while data:
            data = data[os.write(fd, data) :]
        told += 1
        if told == job.get("die_at"):
            os.kill(os.getpid(), signal.SIGKILL)

    code = 1
    try:
        asyncio.run(ROLES[job["role"]](job, tell))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(socket.socket(fileno=int(sys.argv[1])))
