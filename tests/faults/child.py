"""What the processes do that crash tests kill, and the server that forks them.

A job is a dict: its role, the database, and what the role needs (`die_at`: after how many lines
the child kills itself; `fault`: at which commit point, and at which passing of it).  With `count`
it tells in the end how often it passed each point.  `orders` is a pipe, for roles that are asked
for more.  A child tells what it gets as lines of JSON, each written at once, so that the test knows
what a subscriber had received.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import itertools
import json
import os
import resource
import signal
import socket
import sqlite3
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import checkpoint.lease  # noqa: F401 - so that children need not
from actors import ActorSystem, CompiledGraph, EmptyInputError
from checkpoint import CheckpointError, SqliteSaver, SqliteStore, repair_database
from checkpoint.story import Story
from checkpoint.testing_faults import FaultPlan as DatabaseFaults
from checkpoint.zones import load_zones_if_used
from streaming import Chunk, Gap
from streaming.testing_faults import FaultPlan as StreamFaults
from tests.faults.asking import build_asking, input_of, plain
from tests.faults.flows import TOPIC, flow_of
from tests.faults.living import clients, live
from tests.faults.paying import Shop, build_shop
from tests.faults.recorded import recorded
from tests.faults.work import INPUT, Effects, build, message

MODES = ["values", "updates", "custom"]

load_zones_if_used()  # here, so that children need not: it looks at 600 files

Tell = Callable[[Any], None]


async def stream(job: dict[str, Any], tell: Tell) -> None:
    """Run by `astream`, in step with the reader."""
    async with saver_of(job) as saver:
        graph = graph_of(job, saver)
        chunks = graph.astream(
            job["input"], on(job), stream_mode=MODES, subgraphs=True, durability=job["durability"]
        )
        async for ns, mode, data in chunks:
            tell([ns, mode, data])
    tell("end")


async def ask(job: dict[str, Any], tell: Tell) -> None:
    """Run the graph that asks, or answer it, in step with the reader."""
    effects = Effects(Path(job["effects"]), job["attempt"])
    async with saver_of(job) as saver:
        graph = build_asking(effects, saver, die_in=job.get("die_in", ""))
        chunks = graph.astream(
            input_of(job), on(job), stream_mode=MODES, subgraphs=True, durability=job["durability"]
        )
        async for ns, mode, data in chunks:
            tell([ns, mode, plain(data)])
    tell("end")


async def run(job: dict[str, Any], tell: Tell) -> None:
    """Run in an actor system, which does not wait for its reader."""
    async with saver_of(job) as saver, system_of(job) as system:
        started = await system.start(
            graph_of(job, saver), job["input"], on(job), durability=job["durability"]
        )
        async for chunk in started.stream(MODES, subgraphs=True):
            tell([chunk.ns, chunk.mode, chunk.data])
        await started.result()
    tell("end")


async def logged(job: dict[str, Any], tell: Tell) -> None:
    """Run in an actor system that keeps the run's events; tell chunks with their ids."""
    async with (
        saver_of(job) as saver,
        system_of(job, saver) as system,
    ):
        config: Any = {**on(job), "run_id": job["run_id"]}
        started = await system.start(
            graph_of(job, saver), job["input"], config, durability=job["durability"]
        )
        async for chunk in started.stream(MODES, subgraphs=True, after=job.get("after")):
            tell(_told(chunk))
        await started.result()


async def read(job: dict[str, Any], tell: Tell) -> None:
    """Read a run's log as it was left; tell its rows' ids, then its chunks."""
    async with (
        saver_of(job) as saver,
        system_of(job, saver) as system,
    ):
        rows = await saver.events.read(job["run_id"], 0, 1_000_000)
        tell([number for number, _ in rows])
        if not rows:
            return  # killed before anything was kept, so nothing was seen either
        log = await system.find_log(graph_of({"attempt": 0, **job}, saver), job["run_id"], on(job))
        async for chunk in log.subscribe(MODES, after=job.get("after"), subgraphs=True):
            tell(_told(chunk))


def _told(chunk: Chunk | Gap) -> list[Any]:
    assert isinstance(chunk, Chunk), f"a gap: {chunk}"
    return [chunk.id, chunk.ns, chunk.mode, chunk.data]


async def update(job: dict[str, Any], tell: Tell) -> None:
    """Update the state of a thread again and again, telling the number of each that returned."""
    async with saver_of(job) as saver:
        graph = graph_of(job, saver)
        for number in itertools.count(1):
            entry = {"log": [message(f"update {number}")], "total": number}
            await graph.aupdate_state(on(job), entry, as_node="inner")
            tell(number)


async def calls(job: dict[str, Any], tell: Tell) -> None:
    """Run an entrypoint that calls tasks."""
    async with saver_of(job) as saver:
        flow = flow_of(Effects(Path(job["effects"]), job["attempt"]), saver)
        async for chunk in flow.astream(TOPIC, on(job), durability=job["durability"]):
            tell(chunk)
    tell("end")


async def takeover(job: dict[str, Any], tell: Tell) -> None:
    """Wait for a thread that another process holds, then go on with it."""
    async with saver_of(job) as saver:
        graph = graph_of(job, saver)
        tell("waiting")
        try:
            tell(await graph.ainvoke(None, on(job)))
        except EmptyInputError:
            tell(await graph.ainvoke(INPUT, on(job)))


async def pay(job: dict[str, Any], tell: Tell) -> None:
    """Have effects, each once."""
    effects = Effects(Path(job["effects"]), job["attempt"])
    shop = Shop(effects, job["on_unknown"], job.get("die_at", ""))
    async with saver_of(job) as saver:
        graph = build_shop(shop, saver)
        tell(await graph.ainvoke({"log": []}, on(job), durability=job["durability"]))


async def store(job: dict[str, Any], tell: Tell) -> None:
    """Put items into a store one after another, telling the number of each that is there."""
    async with saver_of(job), SqliteStore(job["path"]) as items:
        for number in range(1, job["items"] + 1):
            await items.aput(("items",), str(number), {"number": number})
            tell(number)


async def opening(job: dict[str, Any], tell: Tell) -> None:
    """Open the database, take some `steps` on a thread, and close it, counting the calls of the
    system and of SQLite that this takes; die before one of them (`die_at_call`), or when a file
    grows too long (`file_limit`)."""
    calls = 0

    def profile(_: Any, event: str, called: Any) -> None:
        nonlocal calls
        if event == "c_call" and _is_outside(called):
            calls += 1
            if calls == job.get("die_at_call"):
                os.kill(os.getpid(), signal.SIGKILL)

    if limit := job.get("file_limit"):
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    tell("begin")
    threading.setprofile(profile)
    sys.setprofile(profile)
    with SqliteSaver(job["path"]) as saver:
        for number in range(1, job.get("steps", 0) + 1):
            story = await Story.begin(saver)
            await story.step({"n": number, "list": ["x" * 99] * number})
            story.end()
            tell(number)
    sys.setprofile(None)
    tell(calls)


async def administering(job: dict[str, Any], tell: Tell) -> None:
    """Open the database and carry out an `operation` with its `arguments`, counting the calls of
    the system and of SQLite that this takes; die before one of them (`die_at_call`)."""
    calls = 0
    counting = False

    def profile(_: Any, event: str, called: Any) -> None:
        nonlocal calls
        if counting and event == "c_call" and _is_outside(called):
            calls += 1
            if calls == job.get("die_at_call"):
                os.kill(os.getpid(), signal.SIGKILL)

    threading.setprofile(profile)
    sys.setprofile(profile)
    async with SqliteSaver(job["path"]) as saver:
        tell("begin")
        counting = True
        await getattr(saver, job["operation"])(*job["arguments"])
        counting = False
    sys.setprofile(None)
    tell(calls)


async def repairing(job: dict[str, Any], tell: Tell) -> None:
    """Repair a database, counting the calls of the system that this takes (SQLite's work on files
    that nobody knows yet); die before one of them (`die_at_call`)."""
    calls = 0

    def profile(_: Any, event: str, called: Any) -> None:
        nonlocal calls
        if event == "c_call" and getattr(called, "__module__", None) in {"posix", "fcntl"}:
            calls += 1
            if calls == job.get("die_at_call"):
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(profile)
    repair_database(job["path"], fall_back=True)
    sys.setprofile(None)
    tell(calls)


async def disk(job: dict[str, Any], tell: Tell) -> None:
    """Take steps, put events, put items into a store, on a disk that fails as the job says; tell
    what was acknowledged, and what was refused by a typed error, after which it opens anew."""
    os.environ.update(job["disk"])
    done = 0
    for _ in range(job["openings"]):
        try:
            async with SqliteSaver(job["path"]) as saver:
                while done < job["steps"]:
                    await on_disk(saver, job, done + 1)
                    done += 1
                    tell(["done", done])
        except CheckpointError as error:
            tell(["refused", type(error).__name__, str(error)])
            if room := job.get("room"):
                os.close(os.open(room, os.O_CREAT))
        else:
            break
    tell(["calls", ctypes.CDLL(None).disk_calls()])


async def on_disk(saver: SqliteSaver, job: dict[str, Any], number: int) -> None:
    """One step of a scenario, which is on the disk when this returns."""
    scenario = job["scenario"]
    if scenario == "events":
        last = await saver.events.last("run")
        if last < number:  # what was refused may have happened
            await saver.events.append("run", [(number, b"event %d " % number * 50)])
    elif scenario == "store":
        async with SqliteStore(job["path"]) as items:
            await items.aput(("items",), str(number), {"text": "x" * 500})
    else:
        story = await Story.begin(saver)
        try:
            await story.step({"n": number, "list": [f"{n}" * 99 for n in range(number)]})
        finally:
            story.end()
    await saver.synced()


def _is_outside(called: Any) -> bool:
    """True for calls that change files or locks, or look at them."""
    owner = getattr(called, "__self__", None)
    if isinstance(owner, sqlite3.Connection | sqlite3.Cursor):
        return True
    return getattr(called, "__module__", None) in {"posix", "fcntl", "_sqlite3"}


ROLES = {
    role.__name__: role
    for role in (
        stream,
        ask,
        run,
        logged,
        read,
        update,
        calls,
        takeover,
        opening,
        administering,
        repairing,
        pay,
        store,
        disk,
        live,
        clients,
        recorded,
    )
}


def saver_of(job: dict[str, Any]) -> SqliteSaver:
    """A saver of the job's database, where things go wrong as the job says."""
    return SqliteSaver(job["path"], faults=job.get("in database"))


def system_of(job: dict[str, Any], saver: SqliteSaver | None = None) -> ActorSystem:
    """An actor system, which keeps events if it is given a saver, with the job's faults."""
    return ActorSystem(event_log=saver and saver.events, faults=job.get("in stream"))


def plan(job: dict[str, Any]) -> None:
    """Plan the job's fault: [where, point, nth]."""
    if "fault" not in job and "count" not in job:
        return
    job["in database"], job["in stream"] = DatabaseFaults(), StreamFaults()
    if "fault" in job:
        where, point, nth = job["fault"]
        job[where].kill(point, nth)


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
    gc.freeze()  # or each child's collector copies all pages
    door.sendall(b"ready")
    while True:
        request, (*fds,), _, _ = socket.recv_fds(door, 1 << 16, 2)
        if not request:
            return
        job = json.loads(request)
        if job["role"] == "reap":
            status = os.waitstatus_to_exitcode(os.waitpid(job["pid"], 0)[1])
            door.sendall(str(status).encode())
            continue
        if (pid := os.fork()) == 0:
            door.close()
            work({**job, "orders": fds[1]}, fds[0])
        for fd in fds:
            os.close(fd)
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
        plan(job)
        asyncio.run(ROLES[job["role"]](job, tell))
        if "count" in job:
            tell({where: dict(job[where].passed) for where in ("in database", "in stream")})
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    serve(socket.socket(fileno=int(sys.argv[1])))
