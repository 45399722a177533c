"""A compiled graph as plain data: what the builder makes and the super-step machine reads.

Trigger channels carry control, state channels carry data.  A node runs in the next super-step
when one of its trigger channels was updated in this one:

* `branch:to:x`   a last-value-for-one-step channel, written by edges and branches into x;
* `join:a+b:x`    a barrier that opens when a and b have both written;
* `__start__`     holds the run's input; the machine maps it to state keys;
* `__pregel_tasks` a topic of Send packets: each one is a task of the next step by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .channels import Channel

INPUT = "__start__"
TASKS = "__pregel_tasks"
ROOT = "__root__"
"""The one state key of a graph whose whole state is a single value."""
ROOT_ONLY = (ROOT,)

Writes = list[tuple[str, Any]]
"""(channel, value) in the order written."""


@dataclass(frozen=True, slots=True, eq=False)
class BranchSpec:
    """A conditional edge: where to go is asked of user code after the node has run."""

    name: str
    path: Callable[..., Any]
    """Given the state as the node's writes left it (and any injected parameters); may be async."""
    params: Mapping[str, str]
    """Injected parameters of `path`: parameter name -> kind (see NodeSpec.params)."""
    ends: Mapping[Any, str] | None
    """path_map: what `path` returns -> node name or END; None when it returns names itself."""
    reads: tuple[str, ...]
    """State keys `path` gets."""
    coerce: Callable[[Mapping[str, Any]], Any] | None
    """Makes the schema instance `path` gets from a dict; None when it gets the dict."""


@dataclass(frozen=True, slots=True, eq=False)
class NodeSpec:
    """One node: the user's code, when it runs, what it reads and where control goes after it."""

    name: str
    call: Any
    """A function (sync or async, also a callable object or partial) or a compiled graph."""
    is_async: bool
    """True if `call` is awaited on the loop; False if it runs in a worker thread."""
    params: Mapping[str, str]
    """Injected parameters: name -> "config" | "writer" | "store" | "runtime" | "previous"."""
    triggers: tuple[str, ...]
    """Trigger channels, in the order the edges were added."""
    reads: tuple[str, ...]
    """State keys of its input schema, in schema order."""
    coerce: Callable[[Mapping[str, Any]], Any] | None
    """Makes the schema instance from a dict of the keys that hold a value; None: gets the dict."""
    writes: frozenset[str]
    """State keys it may update."""
    targets: tuple[tuple[str, Any], ...]
    """(trigger channel, value) written whenever it has run: static edges and joins."""
    branches: tuple[BranchSpec, ...]
    defer: bool = False
    metadata: Mapping[str, Any] | None = None
    hidden: bool = False
    """Tagged with TAG_HIDDEN: left out of `updates`."""


@dataclass(frozen=True, slots=True, eq=False)
class GraphSpec:
    """A whole graph; immutable, shared by all its runs."""

    name: str
    channels: Mapping[str, Channel]
    """Prototypes by name, state keys first in schema order; a run copies them with `fresh()`."""
    nodes: Mapping[str, NodeSpec]
    start: NodeSpec
    """What happens after the input is applied: static edges and branches from START (no call)."""
    triggers: Mapping[str, tuple[str, ...]]
    """Trigger channel -> names of the nodes it wakes, sorted."""
    input_keys: tuple[str, ...]
    output_keys: tuple[str, ...]
    state_keys: tuple[str, ...]
    """All state keys in schema order (what `values` shows is output_keys)."""
    coerce_input: Callable[[Any], Any] | None = None
    """Validates the run's input (pydantic) or turns a schema instance into a dict; raises the
    schema's own error before anything is changed."""
    types: tuple[type, ...] = field(default=())
    """Classes found in the schemas, registered with the serializer at compile time."""
