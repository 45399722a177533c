"""`understudy serve` and `understudy dev`."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from agent_server.errors import ConfigFileError
from agent_server.project import CONFIG_NAME, Project, named_graphs, read_project

if TYPE_CHECKING:
    from agent_server.settings import Settings

Graphs = Annotated[
    list[str] | None,
    typer.Argument(help="graph.py:graph, or name=graph.py:graph; else those of langgraph.json."),
]
ConfigPath = Annotated[Path | None, typer.Option("--config", help="A langgraph.json.")]
Host = Annotated[str | None, typer.Option(help="Address to listen on [127.0.0.1].")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one [2024].")]
Database = Annotated[Path | None, typer.Option(help="The file that keeps all [understudy.db].")]
Level = Annotated[Literal["debug", "info", "warning", "error"] | None, typer.Option("--log-level")]


def project_of(graphs: list[str] | None, config: Path | None) -> Project:
    """What to serve; graphs that are named take the place of those in the file.

    Raises ConfigFileError, and GraphLoadError for what names no graph.
    """
    named = named_graphs(graphs, Path.cwd()) if graphs else None
    if named is not None and config is None:
        return named
    return read_project(config or Path(CONFIG_NAME), named)


def serve(
    graphs: Graphs = None,
    config: ConfigPath = None,
    host: Host = None,
    port: Port = None,
    database: Database = None,
    log_level: Level = None,
    socket_number: Annotated[int | None, typer.Option("--fd", hidden=True)] = None,
) -> None:
    """Serve graphs until SIGTERM or Ctrl-C; further settings come from UNDERSTUDY_… variables."""
    from agent_server import logs
    from agent_server.loop import run
    from agent_server.serving import STOPS, listen
    from agent_server.settings import Settings

    project = project_of(graphs, config)
    project.prepare()  # its environment may hold settings
    settings = Settings.read(host=host, port=port, database=database, log_level=log_level)
    logs.configure(settings.log_level, settings.log_format)
    if socket_number is None:
        listener = listen(settings.host, settings.port)
    else:
        listener = socket.socket(fileno=socket_number)
    with listener:
        # Ctrl-C reaches `understudy dev` and its child, which is told to stop by the former.
        stops = STOPS if socket_number is None else (signal.SIGTERM,)
        run(_serve(project, settings, listener, stops))


async def _serve(
    project: Project, settings: Settings, listener: socket.socket, stops: Sequence[signal.Signals]
) -> None:
    from agent_server.app import app_for
    from agent_server.serving import serve as serve_app
    from agent_server.serving import url_of

    app = app_for(project, settings)

    async def drain() -> None:
        await app.state.services.drain()

    async with app.router.lifespan_context(app):
        await serve_app(
            app,
            listener,
            ready=lambda: _greet(
                project, settings, url_of(listener) + (project.file.http.mount_prefix or "")
            ),
            drain=drain,
            deadline=settings.drain,
            stops=stops,
        )


def _greet(project: Project, settings: Settings, url: str) -> None:
    """Where it listens, and a request to begin with."""
    name = next(iter(project.graphs))
    key = " -H 'x-api-key: …'" if settings.keys() else ""
    typer.echo(
        f"serving {', '.join(project.graphs)} · keeping everything in {settings.database}\n"
        f"listening on {url} · documentation at {url}/docs\n\n"
        f"  curl -N {url}/runs/stream -H 'content-type: application/json'{key} \\\n"
        f'    -d \'{{"assistant_id": "{name}", "input": {{}}, "stream_mode": "updates"}}\'\n'
    )


def dev(
    graphs: Graphs = None,
    config: ConfigPath = None,
    host: Host = None,
    port: Port = None,
    database: Database = None,
    log_level: Level = None,
) -> None:
    """Serve graphs, and begin anew when a file of theirs has changed."""
    from agent_server.cli.reload import Reloader
    from agent_server.lock import hold
    from agent_server.serving import listen
    from agent_server.settings import Settings

    if graphs:
        named_graphs(graphs, Path.cwd())  # no change of a file mends what is wrong there
    project = _readable(graphs, config)
    os.environ.setdefault("UNDERSTUDY_DRAIN", "2")  # a change should be seen soon
    given = {"host": host, "port": port, "database": database, "log_level": log_level}
    settings = Settings.read(**_with_env(given, project))
    with hold(settings.database):
        pass  # nor that another server has it
    options = {"--config": config, "--database": database, "--log-level": log_level}
    arguments = [f"{name}={value}" for name, value in options.items() if value is not None]
    with listen(settings.host, settings.port) as listener:
        Reloader([*arguments, *(graphs or [])], listener, _watched(project, config)).run()


def _readable(graphs: list[str] | None, config: Path | None) -> Project | None:
    """The project, or None while its file is broken."""
    try:
        return project_of(graphs, config)
    except ConfigFileError:
        return None


def _with_env(given: Mapping[str, Any], project: Project | None) -> Mapping[str, Any]:
    """Settings as the server reads them, without changing the environment that it begins with."""
    env: Mapping[str, str] = {} if project is None else project.env
    names = {name: f"UNDERSTUDY_{name.upper()}" for name in given}
    said = {name: env[key] for name, key in names.items() if key in env and key not in os.environ}
    return {name: said.get(name) if value is None else value for name, value in given.items()}


def _watched(project: Project | None, config: Path | None) -> list[Path]:
    """Folders whose files make up the project; as far as they can be told while it is broken."""
    base = (config or Path(CONFIG_NAME)).parent.resolve()
    if not base.is_dir():
        raise ConfigFileError(
            f"{config} cannot be there: {base} is no folder; give another --config"
        )
    if project is None:
        return [base]
    files = (project.base / target.rpartition(":")[0] for target in project.graphs.values())
    folders = {base, *project.folders, *(file.parent.resolve() for file in files)}
    return [folder for folder in sorted(folders) if folder.is_dir()]
