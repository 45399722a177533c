"""The server's parts on a database, without HTTP, as tests of runs need them."""

from __future__ import annotations

import asyncio
import operator
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypedDict

import orjson

from actors import START, ActorSystem, StateGraph
from agent_server.dispatcher import Dispatcher
from agent_server.ended import PastRun
from agent_server.graphs import Graphs
from agent_server.live import LiveRun
from agent_server.orders import RunBody, run_from
from agent_server.records import Assistant, Run
from agent_server.runs import Runs
from agent_server.settings import Settings
from agent_server.tables import server_tables
from agent_server.threads import Threads
from agent_server.tracing import Traces, tracer_of_process
from checkpoint import SqliteSaver, SqliteStore, SqliteTables, new_id


def assistant_of(graph_id: str) -> Assistant:
    """An assistant that is nothing but its graph."""
    return Assistant(f"assistant of {graph_id}", graph_id, graph_id, {}, {}, {}, 1, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Stage:
    """A server's parts."""

    settings: Settings
    tables: SqliteTables
    saver: SqliteSaver
    system: ActorSystem
    graphs: Graphs
    threads: Threads
    runs: Runs
    dispatcher: Dispatcher

    async def thread(self) -> str:
        """A new thread."""
        return (await self.threads.create(None)).thread_id

    def order(
        self, graph_id: str, given: Any = None, thread_id: str | None = None, **body: Any
    ) -> Run:
        """A run of a graph, as a request would ask for it."""
        asked = RunBody.model_validate({"assistant_id": graph_id, "input": given, **body})
        return run_from(asked, assistant_of(graph_id), thread_id=thread_id, now=time.time())

    async def start(
        self, graph_id: str, given: Any = None, thread_id: str | None = None, **body: Any
    ) -> LiveRun:
        """The same, accepted."""
        return await self.dispatcher.accept(self.order(graph_id, given, thread_id, **body))

    async def end(
        self, graph_id: str, given: Any = None, thread_id: str | None = None, **body: Any
    ) -> LiveRun:
        """The same, at its end."""
        live = await self.start(graph_id, given, thread_id, **body)
        await live.settled()
        return live


@asynccontextmanager
async def stage(
    path: Path,
    graphs: Mapping[str, Any],
    *,
    sleep: Any = asyncio.sleep,
    clock: Any = time.time,
    find_tracer: Any = tracer_of_process,
    faults: Callable[[str], None] | None = None,
    **settings: Any,
) -> AsyncIterator[Stage]:
    """The parts, open; on leaving they are drained as at a shutdown."""
    chosen = Settings(database=path, **settings)
    async with AsyncExitStack() as stack:
        saver = await stack.enter_async_context(SqliteSaver(path, faults=faults))
        store = await stack.enter_async_context(SqliteStore(path))
        tables = await stack.enter_async_context(server_tables(path))
        served = Graphs(saver, store)
        served.add_all(graphs)
        system = await stack.enter_async_context(
            ActorSystem(
                "server", event_log=saver.events, max_finished=0, ring_bytes=chosen.ring_bytes
            )
        )
        threads = Threads(tables, saver, clock)
        traces = Traces(find=find_tracer)
        stack.push_async_callback(traces.aclose)
        dispatcher = Dispatcher(
            chosen,
            tables=tables,
            saver=saver,
            system=system,
            graphs=served,
            threads=threads,
            traces=traces,
            clock=clock,
            sleep=sleep,
        )
        await dispatcher.recover()
        stack.push_async_callback(dispatcher.drain)
        yield Stage(chosen, tables, saver, system, served, threads, Runs(tables), dispatcher)


class Steps(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


class Doors:
    """A graph of steps that each stand at a door until the test lets them through.

    doors = Doors(3)
    live = await stage.start("steps", {"log": ["a"]}, thread)
    assert await doors.arrival() == "step1"
    doors.open()
    """

    def __init__(self, count: int = 3) -> None:
        self._arrived: asyncio.Queue[str] = asyncio.Queue()
        self._waiting: list[asyncio.Future[None]] = []
        self._is_open = False
        builder = StateGraph(Steps)
        names = [f"step{number}" for number in range(1, count + 1)]
        for before, name in zip([START, *names], names, strict=False):
            builder.add_node(name, self._step(name)).add_edge(before, name)
        self.graph = builder.compile()

    def _step(self, name: str) -> Any:
        async def step(state: Steps) -> Steps:
            await self.pass_by(name)
            return {"log": [name]}

        return step

    async def pass_by(self, name: str) -> None:
        """Say who is there, and wait to be let on; for nodes."""
        self._arrived.put_nowait(name)
        if not self._is_open:
            self._waiting.append(asyncio.get_running_loop().create_future())
            await self._waiting[-1]

    async def arrival(self) -> str:
        """Wait until the next step stands at its door."""
        return await self._arrived.get()

    @property
    def arrived(self) -> int:
        """Steps that have come and were not asked for."""
        return self._arrived.qsize()

    def let_on(self) -> None:
        """Let through who stands there now."""
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)

    def open(self) -> None:
        """Let everybody through from now on."""
        self._is_open = True
        self.let_on()

    def shut(self) -> None:
        """Let nobody through any more."""
        self._is_open = False


async def crashed(at: Stage, path: Path) -> Path:
    """The database as a process that dies now leaves it: what is committed, and no more."""
    left = path.with_name(f"{path.name}x")

    def unit(_: object) -> None:  # the one writer is here, so nothing is half written
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", f"{left}{suffix}")

    await at.tables.write(unit)
    return left


def said(run: LiveRun | PastRun) -> Any:
    """What who waits for a settled run is told."""
    return orjson.loads(run.answer)


def unknown() -> str:
    """An id that nothing has."""
    return new_id()
