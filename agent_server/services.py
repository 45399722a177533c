"""Everything a request needs, made when the server starts and put away when it stops."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from actors import ActorSystem
from checkpoint import IndexConfig, SqliteSaver, SqliteStore, SqliteTables, TTLConfig

from .assistants import Assistants
from .config_file import ConfigFile, StoreTtl, ThreadTtl
from .crons import Crons
from .dispatcher import Dispatcher
from .errors import OverloadedError
from .firing import starter
from .graphs import Graphs
from .lock import hold
from .runs import Runs
from .settings import Settings
from .sse import Streams
from .sweeper import Sweeper, store_sweeper, thread_sweeper
from .tables import server_tables
from .threads import Lifetime, Threads
from .tracing import Traces
from .upkeep import upkept

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection


@dataclass(frozen=True, slots=True)
class Services:
    """What the routes work with."""

    settings: Settings
    tables: SqliteTables
    saver: SqliteSaver
    store: SqliteStore
    system: ActorSystem
    streams: Streams
    graphs: Graphs
    assistants: Assistants
    threads: Threads
    runs: Runs
    dispatcher: Dispatcher
    crons: Crons
    closing: asyncio.Event
    """Set when the process was asked to stop: streams say so and end."""
    clock: Callable[[], float] = time.time

    async def drain(self) -> None:
        """Nothing new, no streams; running steps get time to reach a checkpoint."""
        self.closing.set()
        self.crons.close()
        await self.dispatcher.drain()


def services_of(request: HTTPConnection) -> Services:
    """The services of the app that a request came to.

    Raises OverloadedError where nobody has started them.
    """
    services: Services | None = getattr(request.app.state, "services", None)
    if services is None:
        raise OverloadedError(
            "This server was mounted, but not started: enter its lifespan in that of the app that "
            "mounts it, as create_app tells"
        )
    return services


@asynccontextmanager
async def open_services(
    settings: Settings,
    graphs: Mapping[str, Any],
    file: ConfigFile,
    index: IndexConfig | None = None,
    on_step: Callable[[float], object] | None = None,
) -> AsyncGenerator[Services]:
    """Everything, from the first table to the last run; put away in the other order.

    `index`: what the store is searched by; `on_step`: called with the seconds of each super-step.
    Raises DatabaseInUseError, GraphLoadError.
    """
    async with AsyncExitStack() as stack:
        standing = stack.enter_context(hold(settings.database, shared=settings.shared))
        saver = await stack.enter_async_context(SqliteSaver(settings.database))
        store = await stack.enter_async_context(_store(settings, file, index))
        tables = await stack.enter_async_context(server_tables(settings.database))
        served = Graphs(saver, store)
        served.add_all(graphs)
        system = await stack.enter_async_context(_system(settings, saver, on_step))
        assistants = Assistants(tables, served.ids, time.time)
        await assistants.ensure_defaults()
        threads = Threads(tables, saver, time.time, lifetime=_lifetime(file))
        traces = Traces(settings.traces)
        stack.push_async_callback(traces.aclose)
        dispatcher = Dispatcher(
            settings,
            tables=tables,
            saver=saver,
            system=system,
            graphs=served,
            threads=threads,
            traces=traces,
            clock=time.time,
            webhooks=not file.http.disable_webhooks,
        )
        stack.push_async_callback(dispatcher.drain)
        crons = Crons(tables, time.time, starter(assistants, dispatcher, time.time))
        if standing.alone:
            await _take_up(crons, threads, dispatcher)
        if standing.keeps:
            dispatcher.begin_sweeping()
            sweepers = sweepers_of(settings, file, threads, store)
            await stack.enter_async_context(upkept(system.supervisor, crons, *sweepers))
        yield Services(
            settings=settings,
            tables=tables,
            saver=saver,
            store=store,
            system=system,
            streams=_streams(settings, system),
            graphs=served,
            assistants=assistants,
            threads=threads,
            runs=Runs(tables),
            dispatcher=dispatcher,
            crons=crons,
            closing=asyncio.Event(),
        )


async def _take_up(crons: Crons, threads: Threads, dispatcher: Dispatcher) -> None:
    """Go on with what an earlier process has left."""
    await crons.resume()
    await threads.finish_deletions()
    await dispatcher.recover()


def sweepers_of(
    settings: Settings, file: ConfigFile, threads: Threads, store: SqliteStore
) -> tuple[Sweeper, Sweeper]:
    """Of threads and of items, each as often as its section says."""

    def interval(said: ThreadTtl | StoreTtl | None) -> float:
        minutes = None if said is None else said.sweep_interval_minutes
        return settings.sweep if minutes is None else 60 * minutes

    return (
        thread_sweeper(threads, interval=interval(file.checkpointer.ttl)),
        store_sweeper(store, interval=interval(file.store.ttl)),
    )


def _system(
    settings: Settings, saver: SqliteSaver, on_step: Callable[[float], object] | None
) -> ActorSystem:
    """It keeps no ended run: those are in the database, or with the dispatcher."""
    return ActorSystem(
        "server",
        event_log=saver.events,
        max_finished=0,
        ring_bytes=settings.ring_bytes,
        on_step=on_step,
    )


def _streams(settings: Settings, system: ActorSystem) -> Streams:
    most = settings.max_readers
    return Streams(system.supervisor, heartbeat=settings.heartbeat, most=most)


def _store(settings: Settings, file: ConfigFile, index: IndexConfig | None) -> SqliteStore:
    said = file.store
    ttl: TTLConfig | None = None
    if said.ttl is not None:
        ttl = {"default_ttl": said.ttl.default_ttl, "refresh_on_read": said.ttl.refresh_on_read}
    return SqliteStore(settings.database, index=index, ttl=ttl)


def _lifetime(file: ConfigFile) -> Lifetime | None:
    """Of threads that are made without one of their own."""
    said = file.checkpointer.ttl
    if said is None or said.default_ttl is None:
        return None
    return Lifetime(said.default_ttl, said.strategy)
