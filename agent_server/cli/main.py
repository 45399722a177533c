"""The commands."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def understudy() -> None:
    """Serve graphs."""


@app.command()
def serve(
    graphs: Annotated[list[str] | None, typer.Argument()] = None,
    config: Path = Path("langgraph.json"),
    host: str = "127.0.0.1",
    port: int = 2024,
    database: Path = Path("understudy.db"),
) -> None:
    """Serve graphs."""
    from agent_server.app import create_app
    from agent_server.loading import load
    from agent_server.serving import listen
    from agent_server.serving import serve as serve_app
    from agent_server.settings import Settings

    if graphs:
        targets = {each.rpartition(":")[2]: load(each) for each in graphs}
    else:
        said = json.loads(config.read_text())
        targets = {name: load(each, config.parent) for name, each in said["graphs"].items()}
    settings = Settings(host=host, port=port, database=database)
    listener = listen(host, port)
    asyncio.run(
        serve_app(
            create_app(targets, settings=settings),
            settings,
            listener,
            lambda url: typer.echo(f"listening on {url}"),
        )
    )


def main() -> None:
    """Run the command that was asked for."""
    app()
