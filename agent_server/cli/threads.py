"""`understudy threads`: list, show, delete and prune them.

Looking works beside a running server; what deletes asks for the database alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from agent_server.cli.opened import FILE, Database, Form, Limit, Opened, clean, look
from agent_server.cli.tables import moment, show

if TYPE_CHECKING:
    from agent_server.records import Thread

threads_app = typer.Typer(help="Threads: list, show, delete, prune.", no_args_is_help=False)


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
    page = look(database, lambda parts: parts.threads.search(query))
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
    thread = look(database, lambda parts: parts.threads.get(thread_id))
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

    typer.echo(f"{clean(database, work)} threads deleted")


@threads_app.command("prune")
def prune_threads(thread_ids: list[str], database: Database = FILE) -> None:
    """Delete the older checkpoints of threads; their newest state stays."""

    async def work(parts: Opened) -> int:
        return await parts.threads.prune(thread_ids, "keep_latest")

    typer.echo(f"{clean(database, work)} threads pruned")
