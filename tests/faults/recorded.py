"""What a process does whose disk is recorded: threads of all durabilities, a store, a log that is
begun anew and one that is moved when it is closed.

It notes in the record what it knows at each moment to be there:

    begins, thread, key     a task begins, after `synced` of the steps before (durability "sync")
    task, thread, key       a chunk says that the task is over (but for "exit")
    event, run, id          a chunk has that event id
    put, "", count          so many items are in the store
    returned, thread        a run gave its result
    accepted / settled, id  a server took a run in the background, and told its end
    syncing / synced, n     a call of `synced` begins, and is over
"""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from actors import ActorSystem
from agent_server.live import LiveRun
from checkpoint import SqliteSaver, SqliteStore
from streaming import Chunk
from tests.agent_server.harness.graphs import agent
from tests.agent_server.stage import stage
from tests.faults.work import INPUT, Effects, build, keys_of

PARTS = (("sync", "async", "exit"), ("async",), ("sync",))
"""Durabilities of threads that run at the same time; the log is moved after each part, and the
database closed before the last."""
FILL = 1_050
"""Rows that are written and deleted: as many as it takes for the committer to move the log."""
SERVED = {"agent": agent}
SERVER_RUNS = 4
ITEMS = 3
"""Put into the store in each part."""

Mark = Callable[..., None]


async def recorded(job: dict[str, Any], tell: Callable[[Any], None]) -> None:
    """Run threads on a disk that is recorded."""
    os.environ.update(job["disk"])
    note = ctypes.CDLL(None).disk_mark

    def mark(*words: Any) -> None:
        note(json.dumps(words).encode())

    await open_and_run(job, [0, 1], mark)
    await open_and_run(job, [2], mark)
    await serve(job, mark)
    tell("end")


async def open_and_run(job: dict[str, Any], parts: list[int], mark: Mark) -> None:
    """Open the database and run these parts, one after another."""
    async with (
        SqliteSaver(job["path"]) as saver,
        SqliteStore(job["path"]) as store,
        ActorSystem(event_log=saver.events) as system,
    ):
        for part in parts:
            done = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                group.create_task(sync(saver, done, mark))
                group.create_task(put(store, part, mark))
                runs = [
                    group.create_task(Thread(system, saver, f"{part} {durability}", mark).run(job))
                    for durability in PARTS[part]
                ]
                await asyncio.wait(runs)
                done.set()
            await saver.events.append("filler", [(n, b"") for n in range(1, FILL)])
            await saver.events.forget(["filler"])


async def serve(job: dict[str, Any], mark: Mark) -> None:
    """Be a server: take runs that nobody waits for, on two threads, and bring them to their end."""
    async with stage(Path(job["path"]), SERVED) as at:
        threads = [await at.thread() for _ in range(2)]
        runs = [at.order("agent", {"topic": f"{n}"}, threads[n % 2]) for n in range(SERVER_RUNS)]
        lives = list[LiveRun]()
        for run in runs:
            lives.append(await at.dispatcher.accept_background(run))
            mark("accepted", run.run_id)
        for live in lives:
            await live.settled()
            mark("settled", live.run.run_id)


async def sync(saver: SqliteSaver, done: asyncio.Event, mark: Mark) -> None:
    """Sync again and again, with time in between."""
    for number in itertools.count():
        mark("syncing", number)
        await saver.synced()
        mark("synced", number)
        if done.is_set():
            return
        for _ in range(200):
            await asyncio.sleep(0)


async def put(store: SqliteStore, part: int, mark: Mark) -> None:
    """Put items, one after another."""
    for number in range(part * ITEMS, (part + 1) * ITEMS):
        await store.aput(("items",), str(number), {"text": f"{number}" * 300})
        mark("put", "", number + 1)


class Marking(Effects):
    """Effects that stand in the record, too."""

    def __init__(self, path: Path, thread: str, mark: Mark) -> None:
        super().__init__(path, 1)
        self._thread = thread
        self._mark = mark

    def note(self, key: str) -> None:
        super().note(key)
        if "sync" in self._thread.split():
            self._mark("begins", self._thread, key)


class Thread:
    """A thread that runs in an actor system, with a durable log."""

    def __init__(self, system: ActorSystem, saver: SqliteSaver, name: str, mark: Mark) -> None:
        self._system = system
        self._saver = saver
        self._name = name
        self._mark = mark

    async def run(self, job: dict[str, Any]) -> None:
        """Run to the end, noting what chunks say."""
        effects = Marking(Path(job["effects"]), self._name, self._mark)
        graph = build(effects, self._saver)
        config: Any = {"configurable": {"thread_id": self._name}, "run_id": self._name}
        durability: Any = self._name.split()[1]
        run = await self._system.start(graph, INPUT, config, durability=durability)
        async for chunk in run.stream(["updates"], subgraphs=True):
            assert isinstance(chunk, Chunk)
            self._mark("event", self._name, chunk.id // 8)
            if durability != "exit":
                for key in (key for update in chunk.data.values() for key in keys_of(update)):
                    self._mark("task", self._name, key)
        await run.result()
        self._mark("returned", self._name)
        effects.close()
