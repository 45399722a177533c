"""The two engines under one set of names, so that a graph is written once and run by both."""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

GRAPH_NAMES = ("StateGraph", "START", "END")
MESSAGE_NAMES = ("MessagesState", "add_messages")
TYPE_NAMES = ("Command", "Overwrite", "Send", "StateUpdate", "StreamWriter", "interrupt")
CONFIG_NAMES = ("get_config", "get_store", "get_stream_writer")
CHANNEL_NAMES = (
    "AnyValue",
    "BinaryOperatorAggregate",
    "EphemeralValue",
    "LastValue",
    "Topic",
    "UntrackedValue",
)
FUNC_NAMES = ("entrypoint", "task")
PREGEL_NAMES = ("NodeBuilder", "Pregel")
WRITE_NAMES = ("ChannelWriteEntry",)
POLICY_NAMES = ("CachePolicy", "RetryPolicy", "TimeoutPolicy")
RUNTIME_NAMES = ("RunControl", "Runtime", "get_runtime")
MANAGED_NAMES = ("IsLastStep", "RemainingSteps")
ERROR_NAMES = ("NodeError",)


def names_of(module: str, names: tuple[str, ...]) -> dict[str, Any]:
    """The named members of a module."""
    loaded = importlib.import_module(module)
    return {name: getattr(loaded, name) for name in names}


class Engine(SimpleNamespace):
    """An engine's public names as attributes, and its savers by kind."""

    def __init__(
        self,
        names: Mapping[str, Any],
        memory: Callable[[], Any],
        sqlite: Callable[[str], Any],
        asqlite: Callable[[str], Any],
    ) -> None:
        super().__init__(**names)
        self._memory, self._sqlite, self._asqlite = memory, sqlite, asqlite

    @contextmanager
    def saver(self, kind: str, database: Path) -> Iterator[Any]:
        """An open saver of the kind, None for "none"."""
        if kind == "sqlite":
            with self._sqlite(str(database)) as saver:
                yield saver
        else:
            yield self._memory() if kind == "memory" else None

    @asynccontextmanager
    async def asaver(self, kind: str, database: Path) -> AsyncIterator[Any]:
        """The same for use on an event loop."""
        if kind == "sqlite":
            async with self._asqlite(str(database)) as saver:
                yield saver
        else:
            yield self._memory() if kind == "memory" else None


def ours() -> Engine:
    """This project: one SQLite saver serves both doors."""
    every = (
        *GRAPH_NAMES,
        *MESSAGE_NAMES,
        *TYPE_NAMES,
        *CONFIG_NAMES,
        *CHANNEL_NAMES,
        *FUNC_NAMES,
        *PREGEL_NAMES,
        *WRITE_NAMES,
        *POLICY_NAMES,
        *RUNTIME_NAMES,
        *MANAGED_NAMES,
        "ManagedValue",
        *ERROR_NAMES,
    )
    savers = importlib.import_module("checkpoint")
    sqlite = savers.SqliteSaver.from_conn_string
    names = {
        **names_of("actors", every),
        **names_of("checkpoint", ("MemoryCache", "MemoryStore", "Store")),
    }
    return Engine(names, savers.MemorySaver, sqlite, sqlite)


def theirs() -> Engine:
    """LangGraph: its SQLite savers are two classes, one for each door."""
    names = {
        **names_of("langgraph.graph", GRAPH_NAMES),
        **names_of("langgraph.graph.message", MESSAGE_NAMES),
        **names_of("langgraph.types", TYPE_NAMES),
        **names_of("langgraph.config", CONFIG_NAMES),
        **names_of("langgraph.channels", CHANNEL_NAMES),
        **names_of("langgraph.func", FUNC_NAMES),
        **names_of("langgraph.pregel", PREGEL_NAMES),
        **names_of("langgraph.pregel._write", WRITE_NAMES),
        **names_of("langgraph.types", POLICY_NAMES),
        **names_of("langgraph.runtime", RUNTIME_NAMES),
        **names_of("langgraph.errors", ERROR_NAMES),
        **names_of("langgraph.managed", MANAGED_NAMES),
        **names_of("langgraph.managed.base", ("ManagedValue",)),
        "MemoryStore": importlib.import_module("langgraph.store.memory").InMemoryStore,
        "Store": importlib.import_module("langgraph.store.base").BaseStore,
        "MemoryCache": importlib.import_module("langgraph.cache.memory").InMemoryCache,
    }
    return Engine(
        names,
        importlib.import_module("langgraph.checkpoint.memory").InMemorySaver,
        importlib.import_module("langgraph.checkpoint.sqlite").SqliteSaver.from_conn_string,
        importlib.import_module(
            "langgraph.checkpoint.sqlite.aio"
        ).AsyncSqliteSaver.from_conn_string,
    )
