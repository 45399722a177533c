"""`understudy` and its commands; what a user did wrong is told in one line."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from agent_server.cli import data, run
from agent_server.cli import serve as serving
from agent_server.errors import ServerError

app = typer.Typer(
    name="understudy",
    help="Serve graphs over HTTP, run them, and look at what they keep.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(serving.dev)
app.command()(serving.serve)
app.command()(run.run)
app.command()(data.runs)
app.add_typer(data.threads_app, name="threads")
app.add_typer(data.db_app, name="db")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"understudy {version('understudy')}")
        raise typer.Exit


@app.callback()
def understudy(
    _version_asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Serve graphs over HTTP, run them, and look at what they keep."""


def main() -> None:
    """Run the command that was asked for."""
    try:
        app()
    except ServerError as error:
        typer.echo(f"understudy: {error}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
