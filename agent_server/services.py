"""Everything a request needs, made when the server starts and put away when it stops."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from actors import ActorSystem
from checkpoint import SqliteSaver, SqliteStore, SqliteTables

from .graphs import Graphs
from .settings import Settings
from .tables import server_tables

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from .assistants import Assistants
    from .crons import Crons
    from .dispatcher import Dispatcher
    from .runs import Runs
    from .threads import Threads


@dataclass(frozen=True, slots=True)
class Services:
    """What the routes work with."""

    settings: Settings
    tables: SqliteTables
    saver: SqliteSaver
    store: SqliteStore
    system: ActorSystem
    graphs: Graphs
    assistants: Assistants
    threads: Threads
    runs: Runs
    dispatcher: Dispatcher
    crons: Crons
    clock: Callable[[], float] = time.time


def services_of(request: HTTPConnection) -> Services:
    """The services of the app that a request came to."""
    return cast("Services", request.app.state.services)


@asynccontextmanager
async def open_services(settings: Settings, graphs: Mapping[str, Any]) -> AsyncGenerator[Services]:
    """Everything, from the first table to the last run; put away in the other order."""
    async with AsyncExitStack() as stack:
        saver = await stack.enter_async_context(SqliteSaver(settings.database))
        store = await stack.enter_async_context(SqliteStore(settings.database))
        tables = await stack.enter_async_context(server_tables(settings.database))
        served = Graphs(saver, store)
        served.add_all(graphs)
        system = await stack.enter_async_context(ActorSystem("server", event_log=saver.events))
        yield Services(
            settings=settings,
            tables=tables,
            saver=saver,
            store=store,
            system=system,
            graphs=served,
            assistants=cast("Any", None),
            threads=cast("Any", None),
            runs=cast("Any", None),
            dispatcher=cast("Any", None),
            crons=cast("Any", None),
        )
