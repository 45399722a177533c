"""`understudy` and its commands; what a user did wrong is told in one line."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated, Any

import typer

from agent_server.cli import database, run, runs, threads
from agent_server.cli import serve as serving
from agent_server.errors import ServerError
from checkpoint import CheckpointError

app = typer.Typer(
    name="understudy",
    help="Serve graphs over HTTP, run them, and look at what they keep.",
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(serving.dev)
app.command()(serving.serve)
app.command()(run.run)
app.command()(runs.runs)
app.add_typer(threads.threads_app, name="threads")
app.add_typer(database.db_app, name="db")


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"understudy {version('understudy')}")
        raise typer.Exit


@app.callback()
def understudy(
    context: typer.Context,
    _version_asked: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Serve graphs over HTTP, run them, and look at what they keep."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


_MISUSE: type[Exception] = next(
    each for each in typer.BadParameter.__mro__ if each.__name__ == "ClickException"
)
"""What typer raises for a command line that cannot be; it has no public name for all of that."""


def main() -> None:
    """Run the command that was asked for."""
    try:
        status = app(prog_name="understudy", standalone_mode=False)
    except (ServerError, CheckpointError) as error:
        _say(str(error))
        status = 1
    except _MISUSE as error:
        _say(_mended(error))
        status = 2
    except (KeyboardInterrupt, typer.Abort):
        status = 130
    sys.exit(status)


def _mended(error: Any) -> str:
    context = getattr(error, "ctx", None)
    command = "understudy" if context is None else context.command_path
    said = error.format_message().replace("Value error, ", "").rstrip(".")
    return f"{said}; see {command} --help"


def _say(text: str) -> None:
    """In one line, whatever it is."""
    typer.echo(f"understudy: {' '.join(text.split())}", err=True)
