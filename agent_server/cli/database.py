"""`understudy db`: what a database holds, whether it is sound, and mending and packing it.

Looking works beside a running server; what changes the file asks for it alone.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from agent_server.cli.opened import FILE, Database, Form, Opened, check_there, clean, look
from agent_server.cli.tables import show, size

if TYPE_CHECKING:
    from checkpoint import Damage, EncryptedSerializer

_KEYS = ("UNDERSTUDY_AES_KEY", "LANGGRAPH_AES_KEY")

db_app = typer.Typer(help="The database: what it holds, whether it is sound, mend it, pack it.")

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

    counts = look(database, lambda parts: parts.tables.read(count))
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

    found = look(database, work)
    typer.echo(f"{found.checkpoints} checkpoints of {found.threads} threads looked at")
    _tell_damage(found.damage)
    if not found.ok:
        typer.echo("restore the file from a copy, or look at `understudy db repair`", err=True)
        raise typer.Exit(1)
    typer.echo("everything is sound")


@db_app.command("vacuum")
def vacuum(database: Database = FILE) -> None:
    """Pack the database: what was deleted gives its room back."""

    async def work(parts: Opened) -> Any:
        return await parts.saver.avacuum()

    done = clean(database, work)
    typer.echo(f"{size(done.before)} before, {size(done.after)} now")


@db_app.command("repair")
def repair(
    file: Annotated[Path, typer.Argument(help="The file to mend.")] = FILE,
    fall_back: Annotated[
        bool, typer.Option("--fall-back", help="Do it: threads go back to what is intact.")
    ] = False,
) -> None:
    """Tell what is damaged and what mending it costs; do it only with --fall-back.

    The damaged file is kept beside the mended one. Keys of encrypted files are taken from
    UNDERSTUDY_AES_KEY.
    """
    from agent_server.lock import hold
    from agent_server.tables import SERVER
    from checkpoint import repair_database

    check_there(file)
    with hold(file):
        found = repair_database(file, serializer=_serializer(), fall_back=fall_back, parts=[SERVER])
    if found.ok:
        typer.echo("everything is sound")
        return
    _tell_damage(found.damage)
    for line in [*found.losses()] or ["nothing that is stored gets lost"]:
        typer.echo(line)
    if found.backup is None:
        typer.echo("nothing was changed; mend it with --fall-back", err=True)
        raise typer.Exit(1)
    typer.echo(f"mended; the damaged file is {found.backup}")


def _serializer() -> EncryptedSerializer | None:
    from checkpoint import EncryptedSerializer

    return EncryptedSerializer() if any(map(os.environ.get, _KEYS)) else None


def _tell_damage(found: Iterable[Damage]) -> None:
    for damage in found:
        thread = "the file" if damage.thread_id is None else damage.thread_id or "''"
        place = " ".join(each for each in (thread, damage.ns, damage.checkpoint_id) if each)
        typer.echo(f"{place}: {damage.what}", err=True)
