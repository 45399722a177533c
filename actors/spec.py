"""A compiled graph as plain data: what the builder makes and the super-step machine reads.

Trigger channels carry control, state channels carry data.  A node runs in the next super-step
when one of its trigger channels was updated in this one:

* `branch:to:x`   a last-value-for-one-step channel, written by edges and branches into x;
* `join:a+b:x`    a barrier that opens when a and b have both written;
* `__start__`     holds the run's input; the machine maps it to state keys;
* `__pregel_tasks` a topic of Send packets: each one is a task of the next step by itself;
* `__kept__`      triggers nothing: where graphs that keep their state had come to.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from checkpoint import LINKS

from .channels import BinaryOperatorAggregate, Channel
from .managed import Managed, ManagedValue
from .policies import CachePolicy, RetryPolicy, TimeoutPolicy

INPUT = "__start__"
BRANCH = "branch:to:"
JOIN = "join:"
"""How the names of trigger channels begin, in which control waits."""
TASKS = "__pregel_tasks"
KEPT = LINKS
"""Holds, for graphs called here that keep their state, the checkpoint they came to, by ns."""
SCHEMA = "__schema__"
"""Holds what the state keys are, for graphs that have others; no node reads it (`evolution.py`)."""
MIGRATED = "__migrated__"
"""Name under which is kept, beside a task's writes, which migrations they need no more."""
ROOT = "__root__"
"""The one state key of a graph whose whole state is a single value."""
ROOT_ONLY = (ROOT,)
INPUT_ONLY = (INPUT,)
"""What an entrypoint reads: the run's input, bare."""
RETURNED = "__end__"
PREVIOUS = "__previous__"
"""Channels of an entrypoint: what it returned, and what it saved for the next run."""
RETURN = "__return__"
"""Name under which the result of a called task is kept; no channel has it."""
WHOLE_STATE = frozenset({ROOT_ONLY, (RETURNED,)})
"""State keys of graphs whose state is shown as one bare value."""
BARE_KEYS = frozenset({ROOT, RETURNED, RETURN})
"""Keys whose value stands bare where updates and results are shown."""

HANDLER_PREFIX = "__error_handler__"
DEFAULT_HANDLER = "__default_error_handler__"
"""Names of error handlers: one node's own, and that of all nodes without one."""

Writes = list[tuple[str, Any]]
"""(channel, value) in the order written."""


def kept_channel() -> Channel[Any]:
    """The channel `KEPT`."""
    return BinaryOperatorAggregate[dict[str, str]](dict, _merged).named(KEPT)


def _merged(heads: dict[str, str], newer: dict[str, str]) -> dict[str, str]:
    return {**heads, **newer}


UNNAMED = "Graph"
"""Name of a graph that was given none."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
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
    managed: Managed = field(default_factory=dict[str, type[ManagedValue[Any]]])
    """Keys `path` gets beside those, filled in."""
    is_async: bool = field(init=False)
    """True if `path` is awaited on the loop; False if it runs in a worker thread."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_async", inspect.iscoroutinefunction(self.path))


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
    retry: tuple[RetryPolicy, ...] = ()
    """Whether it runs again when it raised: the first policy that covers the error decides."""
    timeout: TimeoutPolicy | None = None
    """How long one attempt may take."""
    cache: CachePolicy | None = None
    cache_ns: tuple[str, ...] = ()
    """Where its results are cached."""
    managed: Managed = field(default_factory=dict[str, type[ManagedValue[Any]]])
    """Keys of its input schema that are filled in."""
    gone: bool = False
    """Stands for a node that the graph does not have, and a thread waits in."""
    dropped: frozenset[str] = frozenset()
    """Managed keys of the whole graph: what it writes to them is dropped."""
    error_handler: str | None = None
    """The handler that is called when it failed for good."""
    put: Callable[[Any], Writes] | None = None
    """Of raw graphs, entrypoints and called tasks: the writes that a result stands for; None: it is
    an update of the state."""
    puts: tuple[str, ...] = ()
    """Of raw graphs: the channels that these writes go to."""
    ends: Mapping[str, str | None] = field(default_factory=dict[str, "str | None"])
    """Where its Commands may go, as declared, with labels for drawings; empty: nothing was said."""
    guarded: bool = field(init=False, default=False)
    """Its policies say something of its attempts."""
    plain: bool = field(init=False, default=False)
    """An async function of the state alone that may take as long as it likes."""

    def __post_init__(self) -> None:
        guarded = bool(self.retry) or self.timeout is not None
        is_graph = isinstance(getattr(self.call, "spec", None), GraphSpec)
        plain = self.is_async and not (self.params or guarded or is_graph)
        object.__setattr__(self, "guarded", guarded)
        object.__setattr__(self, "plain", plain)


class Sources(NamedTuple):
    """A graph's schemas as they were given: classes, or types like `Annotated[list, add]`.

    Of a raw graph: the name of a channel, or several in a tuple.  Of an entrypoint: types.
    """

    input: Any = None
    output: Any = None
    context: Any = None
    """None: the graph takes no context, or says nothing of it."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
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
    as_output: Callable[[Mapping[str, Any]], Any] | None = None
    """Makes an instance of the output schema from a dict, for callers who ask for one; None: they
    get the dict."""
    as_state: Callable[[Mapping[str, Any]], Any] | None = None
    """The same for the state schema."""
    types: tuple[type, ...] = field(default=())
    """Classes found in the schemas, registered with the serializer at compile time."""
    sources: Sources = field(default_factory=Sources)
    handlers: Mapping[str, NodeSpec] = field(default_factory=dict[str, NodeSpec])
    """The error handler of each node that has one: a node that nothing triggers, with the name that
    the node gives, and the node's input."""
    direct: bool = False
    """Of a raw graph: the input is written right into its channels, no step of its own maps it."""
    bare: str | None = None
    """The one key whose bare value is the result of a run; None: the result is a dict."""
    shows: Literal["updates", "values"] = "updates"
    """What streams show unless told otherwise."""

    @property
    def starts_plainly(self) -> bool:
        """True if only static edges say where a run begins."""
        return not (self.direct or self.start.branches)

    def read(self, value: Any) -> Any:
        """A run's input as it is taken.  Raises what refuses it."""
        return value if self.coerce_input is None else self.coerce_input(value)

    def writes_in(self, data: Mapping[str, Any]) -> Writes:
        """What an input writes: its state keys."""
        return [(key, data[key]) for key in self.input_keys if key in data]
