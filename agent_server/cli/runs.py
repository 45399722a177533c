"""`understudy runs`: what ran, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import typer

from agent_server.cli.opened import FILE, Database, Form, Limit, look
from agent_server.cli.tables import moment, show

_WHERE = """
WHERE status <> 'rollback' AND (?1 IS NULL OR thread = ?1) AND (?2 IS NULL OR status = ?2)
ORDER BY created DESC LIMIT ?3
"""
_SHOWN = ("id", "thread", "graph", "status", "attempt", "created", "updated", "error")


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
    from agent_server.tables import RUN

    sql = f"SELECT {RUN.select} FROM server_run {_WHERE}"  # noqa: S608 - all ours
    values = (thread, status, limit)
    rows = look(
        database, lambda parts: parts.tables.read(lambda db: db.execute(sql, values).fetchall())
    )
    found = [dict(zip(RUN.columns, RUN.checked(row), strict=True)) for row in rows]
    columns = ("run", "thread", "graph", "status", "attempt", "created", "took", "error")
    show(f"{len(rows)} runs", columns, [_run_row(columns, row) for row in found], form)


def _run_row(columns: Sequence[str], row: Mapping[str, Any]) -> Mapping[str, Any]:
    *plain, created, updated, error = (row[name] for name in _SHOWN)
    took = f"{updated - created:.2f} s"
    said = None if error is None else "{error}: {message}".format(**json.loads(error))
    return dict(zip(columns, (*plain, moment(created), took, said), strict=True))
