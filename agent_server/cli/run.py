"""`understudy run`: one run of a graph, without a server."""

from __future__ import annotations

import asyncio
import sys
import sysconfig
import traceback
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from agent_server.errors import ServerError, SettingsError

if TYPE_CHECKING:
    from actors import CompiledGraph
    from checkpoint import Saver, Store


def run(
    graph: Annotated[str, typer.Argument(help="graph.py:graph")],
    given: Annotated[
        str | None,
        typer.Argument(metavar="[INPUT]", help="The input as JSON; - reads it from stdin."),
    ] = None,
    stream: Annotated[
        list[str] | None,
        typer.Option(help="values, updates, custom, …; may be given more than once."),
    ] = None,
    subgraphs: Annotated[bool, typer.Option(help="Show what graphs inside stream, too.")] = False,
    thread: Annotated[str | None, typer.Option(help="Go on with a thread; kept.")] = None,
    database: Annotated[Path, typer.Option(help="The file that keeps threads.")] = Path(
        "understudy.db"
    ),
    resume: Annotated[str | None, typer.Option(help="The answer to a question, as JSON.")] = None,
    configurable: Annotated[
        list[str] | None, typer.Option("--set", help="name=value for config['configurable'].")
    ] = None,
    traces: Annotated[
        bool, typer.Option("--traceback", help="Show where an error comes from.")
    ] = False,
) -> None:
    """Run a graph once, and print what it streams as lines of JSON."""
    from agent_server.loading import load, put_on_path

    put_on_path(Path.cwd())
    modes = [mode for each in stream or ["values"] for mode in each.split(",") if mode]
    name = graph.rpartition(":")[2]
    work = Work(
        name, load(graph), _input(given, resume), modes, subgraphs, _config(thread, configurable)
    )
    try:
        asyncio.run(_print(work, None if thread is None else database))
    except Exception as error:
        if isinstance(error, ServerError):
            raise
        if traces:
            traceback.print_exc()
        _fail(error)


@dataclass(frozen=True, slots=True)
class Work:
    """What to run, and how."""

    name: str
    graph: Any
    given: Any
    modes: Sequence[str]
    subgraphs: bool
    config: dict[str, Any]


async def _print(work: Work, database: Path | None) -> None:
    from agent_server.jsontext import to_json

    async with _opened(work, database) as graph:
        modes = work.modes[0] if len(work.modes) == 1 else list(work.modes)
        chunks = graph.astream(
            work.given, work.config, stream_mode=cast("Any", modes), subgraphs=work.subgraphs
        )
        async for chunk in chunks:
            typer.echo(to_json(chunk).decode())


@asynccontextmanager
async def _opened(work: Work, database: Path | None) -> AsyncGenerator[CompiledGraph]:
    """The graph; its threads are in the file, or forgotten with the process."""
    from agent_server.graphs import Graphs

    async with AsyncExitStack() as stack:
        saver, store = await _storage(database, stack)
        graphs = Graphs(saver, store)
        graphs.add(work.name, work.graph)
        yield await stack.enter_async_context(graphs.open(work.name, work.config))


async def _storage(database: Path | None, stack: AsyncExitStack) -> tuple[Saver, Store]:
    from checkpoint import MemorySaver, MemoryStore, SqliteSaver, SqliteStore

    if database is None:
        return MemorySaver(), MemoryStore()
    return (
        await stack.enter_async_context(SqliteSaver(database)),
        await stack.enter_async_context(SqliteStore(database)),
    )


def _input(given: str | None, resume: str | None) -> Any:
    if resume is not None:
        from actors import Command

        return Command(resume=_json("--resume", resume, or_text=True))
    if given is None:
        return None
    return _json("INPUT", sys.stdin.read() if given == "-" else given)


def _json(name: str, text: str, *, or_text: bool = False) -> Any:
    """JSON; with `or_text`, what is no JSON is itself."""
    import json

    try:
        return json.loads(text)
    except ValueError as error:
        if or_text:
            return text
        raise SettingsError(
            f'{name}={text!r} is no JSON: {error}; write it as in \'{{"topic": "cats"}}\''
        ) from None


def _config(thread: str | None, pairs: Sequence[str] | None) -> dict[str, Any]:
    """A thread of its own where none is named, so that a graph may ask and look back."""
    from checkpoint import new_id

    configurable: dict[str, Any] = {"thread_id": new_id() if thread is None else thread}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals:
            raise SettingsError(f"--set {pair!r} gives no value; write name=value")
        configurable[name] = _json(name, value, or_text=True)
    return {"configurable": configurable}


def _fail(error: Exception) -> None:
    """One line: what was raised, and the user's line that raised it."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if not _is_machinery(Path(frame.filename))]
    where = f" ({theirs[-1].filename}, line {theirs[-1].lineno})" if theirs else ""
    text = " ".join(str(error).split())
    typer.echo(f"understudy: {type(error).__name__}: {text}{where}", err=True)
    raise typer.Exit(1)


def _is_machinery(file: Path) -> bool:
    """True for our own packages, for installed ones and for Python's."""
    ours = Path(__file__).parents[2]
    folders = [ours / name for name in ("actors", "agent_server", "checkpoint", "streaming")]
    folders += [Path(path) for path in sysconfig.get_paths().values()]
    return any(file.is_relative_to(folder) for folder in folders)
