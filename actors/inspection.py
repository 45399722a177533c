"""What a graph ready to run is made of: its parts and the graphs inside it."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Mapping
from typing import Any, Literal, Self

from checkpoint import Saver, register_type

from .config import Config, merge_configs, parse_config
from .errors import CheckpointerTypeError
from .fittings import Fittings
from .layout import Layout
from .spec import GraphSpec


class Inspectable:
    """A graph with all it was compiled with; immutable, so that runs can share it."""

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
        called = {name: _graphs_of(node.call) for name, node in spec.nodes.items()}
        self.layout = Layout.of(
            spec,
            graphs=frozenset(n for n, d in spec.nodes.items() if isinstance(d.call, Inspectable)),
            subgraphs={
                name: graphs[0].layout
                for name, graphs in called.items()
                if graphs and graphs[0].checkpointer is not False
            },
            pauses=fittings.pauses,
        )
        for cls in spec.types:
            register_type(cls)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r} nodes={list(self.spec.nodes)}>"

    @property
    def name(self) -> str:
        """The graph's name."""
        return self.spec.name

    def with_config(self, config: Config | None = None, **more: Any) -> Self:
        """The same graph with a config under that of every call.  Raises ConfigError."""
        bound = merge_configs(self.bound, {**(config or {}), **more})
        parse_config(bound)
        return type(self)(self.spec, self.fittings, bound=bound)


def _graphs_of(code: Any) -> list[Inspectable]:
    """The graph that a node is, or those that its function mentions: it may call them."""
    if isinstance(code, Inspectable):
        return [code]
    function = inspect.unwrap(getattr(code, "__func__", code))
    names = getattr(getattr(function, "__code__", None), "co_names", ())
    module: Mapping[str, Any] = getattr(function, "__globals__", {})
    cells = getattr(function, "__closure__", None) or ()
    mentioned = [module.get(name) for name in names]
    for cell in cells:
        with contextlib.suppress(ValueError):  # a variable that is not bound yet
            mentioned.append(cell.cell_contents)
    return [value for value in mentioned if isinstance(value, Inspectable)]


def _checked(checkpointer: Any) -> Saver | Literal[False] | None:
    if checkpointer is None or checkpointer is False:
        return checkpointer
    methods = (getattr(checkpointer, name, None) for name in _SAVER_METHODS)
    if not isinstance(checkpointer, type) and all(map(callable, methods)):
        return checkpointer
    raise CheckpointerTypeError(
        f"checkpointer={checkpointer!r} is no saver; give a MemorySaver, a SqliteSaver, "
        "None, or False"
    )


_SAVER_METHODS = ("claim", "release", "commit", "synced", "load", "history", "rewind")
