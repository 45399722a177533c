"""A database that a command looks into, beside a running server or with the file to itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, TypeVar

import typer

from agent_server.errors import SettingsError

if TYPE_CHECKING:
    from agent_server.threads import Threads
    from checkpoint import SqliteSaver, SqliteTables

T = TypeVar("T")

Database = Annotated[Path, typer.Option(help="The file to look into.")]
Form = Annotated[Literal["table", "json"], typer.Option("--format")]
Limit = Annotated[int, typer.Option(min=1, help="How many at most, the newest first.")]
FILE = Path("understudy.db")


@dataclass(frozen=True, slots=True)
class Opened:
    """The parts of a database."""

    tables: SqliteTables
    saver: SqliteSaver
    threads: Threads


@asynccontextmanager
async def _opened(database: Path) -> AsyncGenerator[Opened]:
    import time

    from agent_server.tables import server_tables
    from agent_server.threads import Threads
    from checkpoint import SqliteSaver

    async with SqliteSaver(database) as saver, server_tables(database) as tables:
        yield Opened(tables, saver, Threads(tables, saver, time.time))


def look(database: Path, work: Callable[[Opened], Awaitable[T]]) -> T:
    """What the work says of the database.  Raises SettingsError for none."""
    check_there(database)

    async def doing() -> T:
        async with _opened(database) as parts:
            return await work(parts)

    return asyncio.run(doing())


def clean(database: Path, work: Callable[[Opened], Awaitable[T]]) -> T:
    """The same, with the database to itself.  Raises DatabaseInUseError too."""
    from agent_server.lock import hold

    with hold(database):
        return look(database, work)


def check_there(database: Path) -> None:
    """Raise SettingsError for a file that is not there: nobody wants an empty one made."""
    if not database.is_file():
        raise SettingsError(
            f"database={str(database)!r} is not there; give the file that a server keeps"
        )
