"""The server's parts on a database, without HTTP, as tests of runs need them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from actors import ActorSystem
from agent_server.dispatcher import Dispatcher
from agent_server.graphs import Graphs
from agent_server.live import LiveRun
from agent_server.orders import RunBody, run_from
from agent_server.records import Assistant, Run
from agent_server.runs import Runs
from agent_server.settings import Settings
from agent_server.tables import server_tables
from agent_server.threads import Threads
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
    **settings: Any,
) -> AsyncIterator[Stage]:
    """The parts, open; on leaving they are drained as at a shutdown."""
    chosen = Settings(database=path, **settings)
    async with AsyncExitStack() as stack:
        saver = await stack.enter_async_context(SqliteSaver(path))
        store = await stack.enter_async_context(SqliteStore(path))
        tables = await stack.enter_async_context(server_tables(path))
        served = Graphs(saver, store)
        served.add_all(graphs)
        system = await stack.enter_async_context(ActorSystem("server", event_log=saver.events))
        threads = Threads(tables, saver, clock)
        dispatcher = Dispatcher(
            chosen,
            tables=tables,
            saver=saver,
            system=system,
            graphs=served,
            threads=threads,
            clock=clock,
            sleep=sleep,
        )
        await dispatcher.recover()
        stack.push_async_callback(dispatcher.drain)
        yield Stage(chosen, tables, saver, system, served, threads, Runs(tables), dispatcher)


def unknown() -> str:
    """An id that nothing has."""
    return new_id()
