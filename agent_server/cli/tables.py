"""Tables for people, or lines of JSON for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import typer

WIDE = 200
"""Columns of a table that goes into a file or a pipe."""


def show(title: str, columns: Sequence[str], rows: Iterable[Mapping[str, Any]], form: str) -> None:
    """Print rows; `form` is "table" or "json"."""
    if form == "json":
        from agent_server.jsontext import to_json

        for row in rows:
            typer.echo(to_json(dict(row)).decode())
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(width=None if sys.stdout.isatty() else WIDE)
    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column, no_wrap=column in ("thread", "run", "value"), overflow="fold")
    for row in rows:  # as text: what users wrote is no markup
        table.add_row(*(Text(_shown(row[column])) for column in columns))
    console.print(table)


def _shown(value: Any) -> str:
    text = "" if value is None else str(value)
    return "".join(char if char.isprintable() else "�" for char in text)


def moment(seconds: float) -> str:
    """A time as people read it, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def size(count: float) -> str:
    """Bytes as people read them."""
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
