"""The engines that are measured, under one set of names; each is imported in its own process."""

from __future__ import annotations

import importlib
import importlib.metadata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OURS, THEIRS, LIMIT = "ours", "langgraph", "asyncio"
PEERS = {
    "burr": "apache-burr",
    "pydantic-graph": "pydantic-graph",
    "llama-index-workflows": "llama-index-workflows",
    "pykka": "pykka",
}
"""Other libraries, on the workloads that fit them, and the distributions they come in."""
DISTRIBUTIONS = {THEIRS: "langgraph", **PEERS}
IMPORTS = {OURS: "import actors", THEIRS: "from langgraph.graph import StateGraph"}


@dataclass(frozen=True, slots=True)
class Engine:
    """What a workload needs of an engine."""

    name: str
    StateGraph: Any
    START: str
    END: str
    Send: Any
    get_stream_writer: Callable[[], Callable[[Any], None]]
    memory: Callable[[], Any]
    """A saver in memory."""
    sqlite: Callable[[Path], Any]
    """A saver in a file, to be opened with `async with`."""


def version(distribution: str) -> str | None:
    """What is installed of a distribution; None if nothing is."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def is_here(name: str) -> bool:
    """Whether a contender is installed."""
    return name not in DISTRIBUTIONS or version(DISTRIBUTIONS[name]) is not None


def load(name: str) -> Engine:
    """Import an engine."""
    return _ours() if name == OURS else _theirs()


def _ours() -> Engine:
    actors, checkpoint = map(importlib.import_module, ("actors", "checkpoint"))
    return Engine(
        OURS,
        actors.StateGraph,
        actors.START,
        actors.END,
        actors.Send,
        actors.get_stream_writer,
        checkpoint.MemorySaver,
        lambda path: checkpoint.SqliteSaver.from_conn_string(str(path)),
    )


def _theirs() -> Engine:
    graph, types, config = map(
        importlib.import_module, ("langgraph.graph", "langgraph.types", "langgraph.config")
    )
    memory = importlib.import_module("langgraph.checkpoint.memory")
    sqlite = importlib.import_module("langgraph.checkpoint.sqlite.aio")
    return Engine(
        THEIRS,
        graph.StateGraph,
        graph.START,
        graph.END,
        types.Send,
        config.get_stream_writer,
        memory.InMemorySaver,
        lambda path: sqlite.AsyncSqliteSaver.from_conn_string(str(path)),
    )
