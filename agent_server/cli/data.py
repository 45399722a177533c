"""`understudy threads`, `runs` and `db`: what a database holds, and cleaning it.

Looking works beside a running server; what deletes asks for the database alone.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, cast

import typer

from agent_server.cli.tables import moment, show, size
from agent_server.errors import SettingsError

if TYPE_CHECKING:
    from agent_server.records import Thread
    from agent_server.threads import Threads
    from checkpoint import SqliteSaver, SqliteTables

T = TypeVar("T")

Database = Annotated[Path, typer.Option(help="The file to look into.")]
Form = Annotated[Literal["table", "json"], typer.Option("--format")]
Limit = Annotated[int, typer.Option(min=1, help="How many at most, the newest first.")]
FILE = Path("understudy.db")

threads_app = typer.Typer(help="Threads: list, show, delete, prune.", no_args_is_help=False)
db_app = typer.Typer(help="The database: what it holds, whether it is sound, pack it.")


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


def _look(database: Path, work: Callable[[Opened], Awaitable[T]]) -> T:
    """What the work says of the database.  Raises SettingsError for none."""
    if not database.is_file():
        raise SettingsError(
            f"database={str(database)!r} is not there; give the file that a server keeps"
        )

    async def doing() -> T:
        async with _opened(database) as parts:
            return await work(parts)

    return asyncio.run(doing())


def _clean(database: Path, work: Callable[[Opened], Awaitable[T]]) -> T:
    """The same, with the database to itself.  Raises DatabaseInUseError too."""
    from agent_server.lock import hold

    with hold(database):
        return _look(database, work)


# --- threads ---------------------------------------------------------------------------------


@threads_app.callback(invoke_without_command=True)
def threads(
    context: typer.Context,
    database: Database = FILE,
    status: Annotated[
        Literal["idle", "busy", "interrupted", "error"] | None, typer.Option()
    ] = None,
    limit: Limit = 20,
    form: Form = "table",
) -> None:
    """List threads, the ones that changed last first."""
    if context.invoked_subcommand is not None:
        return
    from agent_server.thread_search import ThreadQuery

    query = ThreadQuery(status=status, limit=limit, with_values=False)
    page = _look(database, lambda parts: parts.threads.search(query))
    columns = ("thread", "status", "graph", "updated", "metadata")
    shown = len(page.items)
    show(f"{shown} of {page.total} threads", columns, map(_thread_row, page.items), form)


def _thread_row(thread: Thread) -> Mapping[str, Any]:
    rest = {k: v for k, v in thread.metadata.items() if k not in ("graph_id", "assistant_id")}
    return {
        "thread": thread.thread_id,
        "status": thread.status,
        "graph": thread.metadata.get("graph_id"),
        "updated": moment(thread.updated_at),
        "metadata": rest or None,
    }


@threads_app.command("show")
def show_thread(thread_id: str, database: Database = FILE, form: Form = "table") -> None:
    """Show one thread: what it is for, how it stands, and its values."""
    thread = _look(database, lambda parts: parts.threads.get(thread_id))
    facts = {
        "thread": thread.thread_id,
        "status": thread.status,
        "created": moment(thread.created_at),
        "updated": moment(thread.updated_at),
        "metadata": thread.metadata,
        "error": thread.error,
        "interrupts": thread.interrupts or None,
        **{f"values.{name}": value for name, value in _values(thread).items()},
    }
    if form == "json":
        show("", (), [facts], form)
    else:
        rows = [{"name": name, "is": value} for name, value in facts.items() if value is not None]
        show("", ("name", "is"), rows, form)


def _values(thread: Thread) -> Mapping[str, Any]:
    values: object = thread.values
    return cast("Mapping[str, Any]", values) if isinstance(values, dict) else {}


@threads_app.command("delete")
def delete_threads(thread_ids: list[str], database: Database = FILE) -> None:
    """Delete threads with all that belongs to them."""

    async def work(parts: Opened) -> int:
        return await parts.threads.prune(thread_ids, "delete")

    typer.echo(f"{_clean(database, work)} threads deleted")


@threads_app.command("prune")
def prune_threads(thread_ids: list[str], database: Database = FILE) -> None:
    """Delete the older checkpoints of threads; their newest state stays."""

    async def work(parts: Opened) -> int:
        return await parts.threads.prune(thread_ids, "keep_latest")

    typer.echo(f"{_clean(database, work)} threads pruned")


# --- runs ------------------------------------------------------------------------------------

_RUNS = """
SELECT id, thread, graph, status, attempt, created, updated, error FROM server_run
WHERE status <> 'rollback' AND (?1 IS NULL OR thread = ?1) AND (?2 IS NULL OR status = ?2)
ORDER BY created DESC LIMIT ?3
"""


def runs(
    thread: Annotated[str | None, typer.Option(help="Of this thread only.")] = None,
    status: Annotated[
        Literal["pending", "running", "success", "error", "timeout", "interrupted"] | None,
        typer.Option(),
    ] = None,
    database: Database = FILE,
    limit: Limit = 20,
    form: Form = "table",
) -> None:
    """List runs, the newest first."""
    values = (thread, status, limit)
    rows = _look(
        database,
        lambda parts: parts.tables.read(lambda db: db.execute(_RUNS, values).fetchall()),
    )
    columns = ("run", "thread", "graph", "status", "attempt", "created", "took", "error")
    show(f"{len(rows)} runs", columns, [_run_row(columns, row) for row in rows], form)


def _run_row(columns: Sequence[str], row: Sequence[Any]) -> Mapping[str, Any]:
    *plain, created, updated, error = row
    took = f"{updated - created:.2f} s"
    said = None if error is None else "{error}: {message}".format(**json.loads(error))
    return dict(zip(columns, (*plain, moment(created), took, said), strict=True))


# --- the file --------------------------------------------------------------------------------

_COUNTED = {
    "assistants": "SELECT count(*) FROM server_assistant",
    "threads": "SELECT count(*) FROM server_thread",
    "runs": "SELECT count(*) FROM server_run",
    "runs open": "SELECT count(*) FROM server_run WHERE status IN ('pending', 'running')",
    "crons": "SELECT count(*) FROM server_cron",
}


@db_app.callback(invoke_without_command=True)
def database_facts(context: typer.Context, database: Database = FILE, form: Form = "table") -> None:
    """Tell what the database holds, and which server has it."""
    if context.invoked_subcommand is not None:
        return
    from agent_server.lock import owner_of

    def count(db: sqlite3.Connection) -> dict[str, Any]:
        return {name: db.execute(sql).fetchone()[0] for name, sql in _COUNTED.items()}

    counts = _look(database, lambda parts: parts.tables.read(count))
    owner = owner_of(database)
    facts = {
        "file": str(database.resolve()),
        "size": size(sum(file.stat().st_size for file in _files(database))),
        "server": "none" if owner is None else f"process {owner}",
        **counts,
    }
    rows = [{"what": name, "value": value} for name, value in facts.items()]
    show("", ("what", "value"), rows if form == "table" else [facts], form)


def _files(database: Path) -> list[Path]:
    beside = (database, database.with_name(database.name + "-wal"))
    return [file for file in beside if file.is_file()]


@db_app.command("verify")
def verify(database: Database = FILE) -> None:
    """Look at everything that is stored, and tell what is damaged."""

    async def work(parts: Opened) -> Any:
        return await parts.saver.averify()

    found = _look(database, work)
    typer.echo(f"{found.checkpoints} checkpoints of {found.threads} threads looked at")
    for damage in found.damage:
        place = " ".join(
            each for each in (damage.thread_id, damage.ns, damage.checkpoint_id) if each
        )
        typer.echo(f"{place or 'the file'}: {damage.what}", err=True)
    if not found.ok:
        typer.echo("restore the file from a copy, or delete the threads that are named", err=True)
        raise typer.Exit(1)
    typer.echo("everything is sound")


@db_app.command("vacuum")
def vacuum(database: Database = FILE) -> None:
    """Pack the database: what was deleted gives its room back."""

    async def work(parts: Opened) -> Any:
        return await parts.saver.avacuum()

    done = _clean(database, work)
    typer.echo(f"{size(done.before)} before, {size(done.after)} now")
