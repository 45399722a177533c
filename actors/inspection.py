"""What a graph ready to run is made of: its parts and the graphs inside it."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, cast

from checkpoint import Saver, Store, register_type

from .config import Config, check_seconds, merge_configs, parse_config
from .errors import CheckpointerTypeError, ConfigError
from .fittings import Fittings, stored_by
from .layout import Layout
from .spec import GraphSpec

if TYPE_CHECKING:
    from pydantic import BaseModel

    from .compiled import CompiledGraph
    from .draw import Graph


class Inspectable:
    """A graph with all it was compiled with; runs share it, so it does not change under them."""

    def __init__(
        self,
        spec: GraphSpec,
        fittings: Fittings,
        *,
        bound: Config | None = None,
    ) -> None:
        self.spec = spec
        self.fittings = fittings
        """What it was compiled with, beside its parts."""
        self.checkpointer = _checked(fittings.checkpointer)
        self.bound = bound
        """Config that `with_config` put under every call's."""
        self._subgraphs = dict(_subgraphs_of(spec))
        code = (*spec.nodes.values(), *spec.handlers.values())
        self.layout: Layout = Layout.of(
            spec,
            graphs=frozenset(node.name for node in code if isinstance(node.call, Inspectable)),
            subgraphs={name: graph.layout for name, graph in self._subgraphs.items()},
            pauses=fittings.pauses,
            cache=fittings.cache,
            step_timeout=fittings.step_timeout,
            store=fittings.store,
            kept=self.checkpointer is True,
            migrations=fittings.migrations,
        )
        for cls in spec.types:
            register_type(cls)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} nodes={list(self.spec.nodes)}>"

    @property
    def name(self) -> str:
        """The graph's name."""
        return self.spec.name

    @property
    def store(self) -> Store | None:
        """The store that it was compiled with, if any."""
        return self.fittings.store

    @property
    def step_timeout(self) -> float | None:
        """Seconds a super-step may take: then its run ends with StepTimeoutError (a TimeoutError),
        the writes of tasks that had finished are kept.  None (default): as long as it takes.

        May be set, and counts for runs that begin afterwards; ConfigError for what is no time.
        """
        return self.layout.step_timeout

    @step_timeout.setter
    def step_timeout(self, seconds: float | None) -> None:
        if seconds == 0:
            raise ConfigError("step_timeout=0 lets no step end; give seconds above 0, or None")
        seconds = check_seconds("step_timeout", seconds)
        self.fittings = replace(self.fittings, step_timeout=seconds)
        self.layout = replace(self.layout, step_timeout=seconds)

    def with_config(self, config: Config | None = None, **more: Any) -> Self:
        """The same graph with a config under that of every call.  Raises ConfigError."""
        bound = merge_configs(self.bound, {**(config or {}), **more})
        parse_config(bound)
        return type(self)(self.spec, self.fittings, bound=bound)

    def stored_in(self, checkpointer: Saver, store: Store | None = None) -> Self:
        """The same graph with its threads in another saver, and another store if one is given;
        for services that have one of each for all graphs.  Raises CheckpointerTypeError,
        StoreTypeError."""
        kept = stored_by(store) or self.fittings.store
        fittings = replace(self.fittings, checkpointer=checkpointer, store=kept)
        return type(self)(self.spec, fittings, bound=self.bound)

    # --- the graphs inside it, and its drawing -------------------------------------------------

    def get_subgraphs(
        self, *, namespace: str | None = None, recurse: bool = False
    ) -> Iterator[tuple[str, CompiledGraph]]:
        """(name of the node, graph) of the graphs that nodes are or call and that keep checkpoints.

        `recurse`: those inside them too, as "node|inner"; `namespace`: the one of this name only.
        """
        wanted, _, below = (namespace or "").partition("|")
        for name, graph in self._subgraphs.items():
            if namespace in (None, name):
                yield name, graph
            if recurse and (namespace is None or (wanted == name and below)):
                for inner, child in graph.get_subgraphs(namespace=below or None, recurse=True):
                    yield f"{name}|{inner}", child

    async def aget_subgraphs(
        self, *, namespace: str | None = None, recurse: bool = False
    ) -> AsyncIterator[tuple[str, CompiledGraph]]:
        """The same as `get_subgraphs`, for async code."""
        for name, graph in self.get_subgraphs(namespace=namespace, recurse=recurse):
            yield name, graph

    def get_graph(self, config: Config | None = None, *, xray: bool | int = False) -> Graph:
        """A drawing of the graph, to show with `draw_mermaid`, `draw_ascii` or `to_json`.

        `xray` draws subgraphs whole instead of as one node: True at any depth, a number as deep as
        it says.  A conditional edge without a path_map or a Literal leads nowhere that is known.

            print(graph.get_graph(xray=True).draw_mermaid())
        """
        from .drawing import drawing_of

        parse_config(config)
        depth = xray if isinstance(xray, bool) or xray <= 0 else xray - 1
        inner = dict(self.get_subgraphs()) if xray else {}
        return drawing_of(
            self.layout, {name: graph.get_graph(xray=depth) for name, graph in inner.items()}
        )

    async def aget_graph(self, config: Config | None = None, *, xray: bool | int = False) -> Graph:
        """The same as `get_graph`, for async code."""
        return self.get_graph(config, xray=xray)

    # --- its schemas ---------------------------------------------------------------------------

    def get_input_jsonschema(self, config: Config | None = None) -> dict[str, Any]:
        """The JSON schema of what the graph takes.

        Raises JsonSchemaError for a type that has none, JsonSchemaUnavailableError without
        pydantic; so do the methods below.
        """
        from .jsonschemas import json_schema_of

        parse_config(config)
        return json_schema_of(self.spec, self.spec.sources.input, self._title("input"))

    def get_output_jsonschema(self, config: Config | None = None) -> dict[str, Any]:
        """The JSON schema of what the graph gives."""
        from .jsonschemas import json_schema_of

        parse_config(config)
        return json_schema_of(self.spec, self.spec.sources.output, self._title("output"))

    def get_state_jsonschema(self, config: Config | None = None) -> dict[str, Any]:
        """The JSON schema of all that its state may hold, also between input and output."""
        from .jsonschemas import state_schema

        parse_config(config)
        return state_schema(self.spec, self._title("state"))

    def get_context_jsonschema(self) -> dict[str, Any] | None:
        """The JSON schema of the context; None if the graph has no context schema."""
        from .jsonschemas import context_schema

        return context_schema(self.spec.sources.context)

    def get_config_jsonschema(self, *, include: Sequence[str] | None = None) -> dict[str, Any]:
        """The JSON schema of a config whose `configurable` is the context.

        `include`: other keys to describe: tags, metadata, run_name, max_concurrency, …
        """
        from .jsonschemas import config_schema

        return config_schema(self.spec.sources.context, include or (), self._title("config"))

    def get_input_schema(self, config: Config | None = None) -> type[BaseModel]:
        """A pydantic model of what the graph takes: the schema itself if it is one."""
        from .jsonschemas import input_model

        parse_config(config)
        return input_model(self.spec, self._title("input"))

    def get_output_schema(self, config: Config | None = None) -> type[BaseModel]:
        """A pydantic model of the state keys that the graph gives; each may be missing."""
        from .jsonschemas import output_model

        parse_config(config)
        return output_model(self.spec, self._title("output"))

    def _title(self, of: str) -> str:
        """A schema's title: GraphInput, or graph_input."""
        return self.name + (of.title() if self.name[:1].isupper() else f"_{of}")


def _subgraphs_of(spec: GraphSpec) -> Iterator[tuple[str, CompiledGraph]]:
    """The nodes that are, or whose function mentions, a graph that keeps checkpoints."""
    for name, node in spec.nodes.items():
        for graph in _graphs_of(node.call):
            if graph.checkpointer is not False:
                yield name, graph
                break


def _graphs_of(code: Any) -> list[CompiledGraph]:
    """The graph that a node is, or those that its function mentions: it may call them."""
    if isinstance(code, Inspectable):
        return [cast("CompiledGraph", code)]
    function = inspect.unwrap(getattr(code, "__func__", code))
    names = getattr(getattr(function, "__code__", None), "co_names", ())
    module: Mapping[str, Any] = getattr(function, "__globals__", {})
    cells = getattr(function, "__closure__", None) or ()
    mentioned = [module.get(name) for name in names]
    for cell in cells:
        with contextlib.suppress(ValueError):  # a variable that is not bound yet
            mentioned.append(cell.cell_contents)
    return [cast("CompiledGraph", value) for value in mentioned if isinstance(value, Inspectable)]


def _checked(checkpointer: Any) -> Saver | bool | None:
    if checkpointer is None or isinstance(checkpointer, bool):
        return checkpointer
    methods = (getattr(checkpointer, name, None) for name in _SAVER_METHODS)
    if not isinstance(checkpointer, type) and all(map(callable, methods)):
        return checkpointer
    raise CheckpointerTypeError(
        f"checkpointer={checkpointer!r} is no saver; give a MemorySaver, a SqliteSaver, "
        "None, True or False"
    )


_SAVER_METHODS = ("claim", "release", "commit", "synced", "load", "history", "rewind")
