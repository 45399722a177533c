"""The graphs that the server runs, by name: compiled ones, and factories that make them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, TypeAlias, cast

from actors import CompiledGraph, StateGraph
from checkpoint import Saver, Store

from .errors import GraphExitError, GraphLoadError, InvalidError
from .records import Json

Access: TypeAlias = Literal[
    "threads.create_run", "threads.update", "threads.read", "assistants.read"
]
"""Why a factory is called."""


@dataclass(frozen=True, slots=True)
class ServerRuntime:
    """What a factory finds in its `runtime` parameter."""

    access_context: Access
    """Why it is called; the graph's nodes and edges must be the same whatever it says."""
    store: Store
    user: Json | None = None
    """Who asks, where the server authenticates."""
    context: Any = None
    """Of the run, if there is one."""

    @property
    def execution_runtime(self) -> ServerRuntime | None:
        """Itself when a run begins, None when the graph is only looked at."""
        return self if self.access_context == "threads.create_run" else None

    def ensure_user(self) -> Json:
        """Who asks.  Raises InvalidError where the server does not authenticate."""
        if self.user is None:
            raise InvalidError("this graph needs to know who asks; configure authentication")
        return self.user


class Graphs:
    """Graphs by name, each with its threads in the server's saver.

    Graphs are added before the server starts.  `saver` and `store` are those of the server.

        async with graphs.open("agent", {"configurable": {"model": "small"}}) as graph:
            await graph.ainvoke(…)
    """

    def __init__(self, saver: Saver, store: Store) -> None:
        self._saver = saver
        self._store = store
        self._made: dict[str, CompiledGraph] = {}
        self._factories: dict[str, Callable[..., Any]] = {}
        self._output_keys: dict[str, tuple[str, ...] | None] = {}

    @property
    def ids(self) -> tuple[str, ...]:
        """The names, in the order they were added."""
        return (*self._made, *self._factories)

    def __contains__(self, graph_id: object) -> bool:
        return graph_id in self._made or graph_id in self._factories

    def output_keys(self, graph_id: str) -> Sequence[str] | None:
        """The keys of its state that a graph gives; None: all, or it was never opened.

        Of a factory's graph: as it was when it was opened last.
        """
        return self._output_keys.get(graph_id)

    def add(self, graph_id: str, graph: Any) -> None:
        """Serve a compiled graph, a builder or a factory.  Raises GraphLoadError."""
        if _is_factory(graph):
            self._factories[graph_id] = graph
        else:
            self._made[graph_id] = self._stored(graph_id, graph)

    def add_all(self, graphs: Mapping[str, Any]) -> None:
        """Serve all of them.  Raises GraphLoadError."""
        for graph_id, graph in graphs.items():
            self.add(graph_id, graph)

    def open(
        self,
        graph_id: str,
        config: Json | None = None,
        *,
        access: Access = "threads.create_run",
        context: Any = None,
        user: Json | None = None,
    ) -> AbstractAsyncContextManager[CompiledGraph]:
        """The graph, for as long as it is used; what its factory opened is closed afterwards.

        Raises InvalidError for a name that is not served, GraphLoadError for a factory that gives
        something else, GraphExitError for one that asks for the end of the process; what else a
        factory raises is raised here.
        """
        runtime = ServerRuntime(access, self._store, user, context)
        return self._opened(graph_id, config or {}, runtime)

    @asynccontextmanager
    async def _opened(
        self, graph_id: str, config: Json, runtime: ServerRuntime
    ) -> AsyncGenerator[CompiledGraph]:
        made = self._made.get(graph_id)
        if made is not None:
            yield made
            return
        try:
            async with _built(self._factory(graph_id), config, runtime) as graph:
                yield self._stored(graph_id, graph)
        except (Exception, asyncio.CancelledError, GeneratorExit):
            raise
        except BaseException as error:
            raise _exited(graph_id, error) from error

    def _factory(self, graph_id: str) -> Callable[..., Any]:
        try:
            return self._factories[graph_id]
        except KeyError:
            raise InvalidError(
                f"Graph {graph_id!r} is not served here; ask for one of: {', '.join(self.ids)}"
            ) from None

    def _stored(self, graph_id: str, graph: Any) -> CompiledGraph:
        if isinstance(graph, StateGraph):
            graph = graph.compile()
        if not isinstance(graph, CompiledGraph):
            raise GraphLoadError(_no_graph(graph_id, graph))
        spec = graph.spec
        narrower = spec.output_keys != spec.state_keys
        self._output_keys[graph_id] = spec.output_keys if narrower else None
        return graph.stored_in(self._saver, self._store)


def _is_factory(graph: Any) -> bool:
    return callable(graph) and not isinstance(graph, CompiledGraph | StateGraph | type)


def _exited(graph_id: str, error: BaseException) -> GraphExitError:
    return GraphExitError(
        f"graph {graph_id!r} cannot be had: its factory raised {type(error).__name__}, which ends "
        "no server; have it raise an exception that says what is wrong"
    )


def _no_graph(graph_id: str, given: Any) -> str:
    kind = cast("type[Any]", type(given))
    if kind.__module__.partition(".")[0] == "langgraph":
        return (
            f"graph {graph_id!r} is langgraph's {kind.__name__}, which this server does not run; "
            "import the same names from `actors`"
        )
    return (
        f"graph {graph_id!r} is {kind.__name__}, no graph; give what compile() returns, or a "
        "function that returns it"
    )


@asynccontextmanager
async def _built(
    factory: Callable[..., Any], config: Json, runtime: ServerRuntime
) -> AsyncGenerator[Any]:
    """What the factory makes: a graph, something to await, or something to enter."""
    if inspect.isasyncgenfunction(factory):
        factory = asynccontextmanager(factory)
    made = await _called(factory, _bound(factory, config, runtime))
    if inspect.isawaitable(made):
        made = await made
    if isinstance(made, AbstractAsyncContextManager):
        async with cast("AbstractAsyncContextManager[Any]", made) as graph:
            yield graph
    elif isinstance(made, AbstractContextManager):
        with cast("AbstractContextManager[Any]", made) as graph:
            yield graph
    else:
        yield made


async def _called(factory: Callable[..., Any], call: Callable[[], Any]) -> Any:
    """A factory that is not async may take its time: it has a thread."""
    inner = inspect.unwrap(factory)
    if inspect.isroutine(inner) and not (
        inspect.iscoroutinefunction(inner) or inspect.isasyncgenfunction(inner)
    ):
        return await asyncio.to_thread(_handed_over, call)
    return call()


def _handed_over(call: Callable[[], Any]) -> Any:
    """What a factory gives, or an error that can be handed on to another thread."""
    try:
        return call()
    except (StopIteration, GeneratorExit) as error:
        raise GraphExitError(
            f"a graph's factory raised {type(error).__name__}, which a future cannot hand on; have "
            "it raise an exception that says what is wrong"
        ) from error


def _bound(factory: Callable[..., Any], config: Json, runtime: ServerRuntime) -> Callable[[], Any]:
    """The factory with what it asks for: a runtime, or the run's config; defaults are kept."""
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for parameter in inspect.signature(factory).parameters.values():
        wanted = _wanted(parameter)
        if wanted is None:
            continue
        value = runtime if wanted == "runtime" else dict(config)
        if parameter.kind is parameter.POSITIONAL_ONLY:
            positional.append(value)
        else:
            named[parameter.name] = value
    return partial(factory, *positional, **named)


def _wanted(parameter: inspect.Parameter) -> Literal["config", "runtime"] | None:
    if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
        return None
    annotation = parameter.annotation
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    if parameter.name == "runtime" or "Runtime" in text:
        return "runtime"
    needed = parameter.default is parameter.empty
    return "config" if needed or parameter.name == "config" else None
