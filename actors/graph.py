"""The builder of graphs: nodes, edges and conditional edges over a state."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import pairwise
from typing import Any, Literal, Self, TypeAlias, cast, get_origin

from checkpoint import Cache, Saver, Store

from .assembly import spec_of
from .checks import check_edge, check_graph, check_interrupts, check_join, check_name
from .compiled import CompiledGraph
from .ends import branch_name, command_ends, labelled, literal_ends, mapped_ends
from .errors import GraphBuildError
from .fittings import Fittings, cached_by, stored_by
from .hints import is_schema_class
from .layout import Pauses
from .migrations import Migration, migrations_of
from .params import HANDLER_KINDS, KINDS, Callee, callee_of
from .parts import BranchPart, NodePart, NodePolicies, Parts
from .policies import (
    CachePolicy,
    RetryOption,
    TimeoutOption,
    caching_of,
    limits_of,
    retries_of,
)
from .request import nodes_of
from .spec import UNNAMED
from .state import Schema
from .values import END, START

Node: TypeAlias = Callable[..., Any] | CompiledGraph
"""A function, async function, callable object, or compiled graph."""


class StateGraph:
    """Collects a graph's parts and compiles them; every call returns the builder.

    A node takes the state and returns an update of it.  Schemas are TypedDicts, dataclasses,
    pydantic models or msgspec structs; `Annotated[T, reducer]` makes a key that is reduced.

    Example:
        >>> builder = StateGraph(State).add_node("greet", greet).add_edge(START, "greet")
        >>> graph = builder.compile()
        >>> graph.invoke({"name": "Ada"})
    """

    def __init__(
        self,
        state_schema: Any,
        context_schema: Any = None,
        *,
        input_schema: Any = None,
        output_schema: Any = None,
    ) -> None:
        self.parts = Parts.of(state_schema, input_schema, output_schema, context_schema)
        self.context_schema = context_schema

    @property
    def nodes(self) -> Mapping[str, NodePart]:
        """Nodes by name, in the order they were added."""
        return self.parts.nodes

    @property
    def edges(self) -> Mapping[tuple[str, str], None]:
        """Edges (start, end), in the order they were added."""
        return self.parts.edges

    def add_node(
        self,
        node: str | Node,
        action: Node | None = None,
        *,
        defer: bool = False,
        metadata: Mapping[str, Any] | None = None,
        input_schema: Any = None,
        destinations: Mapping[str, str] | Sequence[str] | None = None,
        retry_policy: RetryOption = None,
        cache_policy: CachePolicy | None = None,
        error_handler: Node | None = None,
        timeout: TimeoutOption = None,
    ) -> Self:
        """Add a node: `add_node("name", function)`, or `add_node(function)` to use its name.

        Args:
            node: The name, or the code itself.
            action: The code, if `node` is the name.
            defer: Run it when nothing else is left to run.
            metadata: Shown in streamed metadata; the tag TAG_HIDDEN in its `tags` hides the node.
            input_schema: What it reads; by default what its state parameter is annotated with,
                else the graph's state.
            destinations: Where its Commands may go (with labels, as a dict), for drawings.
            retry_policy: When it runs again after an error; of several the first that covers it.
            cache_policy: Whether its result is given again for the same input.
            error_handler: Called with the state and a NodeError instead of failing the run; what
                it returns counts as an update, and its Command says where to go next.
            timeout: Seconds (or a timedelta) one attempt may take, or a TimeoutPolicy.

        Raises:
            GraphBuildError: The name is taken or reserved, the code cannot be called so, or a
                policy cannot be.
        """
        name, code = (node, action) if isinstance(node, str) else (None, node)
        if code is None or (name is None and action is not None):
            raise GraphBuildError(
                f"add_node({node!r}, {action!r}) names no code: give a function, or a name and "
                "a function"
            )
        callee = self._callee(code, f"Node {name!r}" if name else "A node")
        name = callee.name if name is None else name
        if name is None:
            raise GraphBuildError(f"{code!r} has no name to go by: use add_node('name', function)")
        check_name(name, self.nodes)
        ends = command_ends(callee.returns) if destinations is None else labelled(destinations)
        schema = self._schema(callee, input_schema, name) or self.parts.state
        policies = self._policies(
            f"Node {name!r}", retry_policy, cache_policy, error_handler, timeout
        )
        metadata = _mapping(metadata, name)
        part = NodePart(name, callee, schema, defer, metadata, ends, policies)
        self.parts.adopt(schema)
        self.parts.nodes[name] = part
        return self

    def set_node_defaults(
        self,
        *,
        retry_policy: RetryOption = None,
        cache_policy: CachePolicy | None = None,
        error_handler: Node | None = None,
        timeout: TimeoutOption = None,
    ) -> Self:
        """Policies of all nodes, added before or after, that say nothing themselves.

        Retries and limits hold for error handlers too; nothing holds for graphs that are nodes.

        Raises:
            GraphBuildError: A policy cannot be.
        """
        given = self._policies("Every node", retry_policy, cache_policy, error_handler, timeout)
        self.parts.defaults = given.over(self.parts.defaults)
        return self

    def add_edge(self, start_key: str | Sequence[str], end_key: str) -> Self:
        """Run `end_key` after `start_key`; after all of them, if it is a list.

        Raises:
            GraphBuildError: It starts at END or ends at START, or lists a node not yet added.
        """
        if isinstance(start_key, list | tuple):
            starts = tuple(cast("Sequence[str]", start_key))
            check_join(starts, end_key, self.nodes)
            self.parts.joins[starts, end_key] = None
        else:
            start = cast("str", start_key)
            check_edge(start, end_key)
            self.parts.edges[start, end_key] = None
        return self

    def add_conditional_edges(
        self,
        source: str,
        path: Node,
        path_map: Mapping[Any, str] | Sequence[str] | None = None,
    ) -> Self:
        """Ask `path` where to go after `source`.

        `path` gets the state as `source` left it and returns a node's name, END, a Send, or a list
        of those; what it returns is looked up in `path_map` first, if given (or if its return type
        is a Literal).

        Raises:
            GraphBuildError: `source` has a branch of this name, or `path` cannot be called so.
        """
        check_edge(source, END)
        callee = self._callee(path, f"The path from {source!r}")
        branches = self.parts.branches.get(source, {})
        name = branch_name(path, callee, branches)
        if name in branches:
            raise GraphBuildError(
                f"Branch with name `{name}` already exists for node `{source}`. Give the second "
                "path another function name"
            )
        ends = literal_ends(callee.returns) if path_map is None else mapped_ends(path_map)
        schema = self._schema(callee, None, f"{source}.{name}")
        if schema is not None:
            self.parts.adopt(schema)
        self.parts.branches.setdefault(source, {})[name] = BranchPart(name, callee, ends, schema)
        return self

    def add_sequence(self, nodes: Sequence[Node | tuple[str, Node]]) -> Self:
        """Add nodes and an edge from each to the next; a node is a function or (name, function).

        Raises:
            GraphBuildError: There are none, or two have the same name.
        """
        if not nodes:
            raise GraphBuildError("Sequence requires at least one node. Got none: list functions")
        pairs = [self._named(node) for node in nodes]
        names = [name for name, _ in pairs]
        for place, name in enumerate(names):
            if name in names[:place] or name in self.nodes:
                raise GraphBuildError(
                    f"Node names must be unique: node with the name '{name}' already exists. Give "
                    "one of them a name of its own as (name, function)"
                )
        for name, node in pairs:
            self.add_node(name, node)
        for start, end in pairwise(names):
            self.add_edge(start, end)
        return self

    def set_entry_point(self, key: str) -> Self:
        """Start at this node: an edge from START."""
        return self.add_edge(START, key)

    def set_conditional_entry_point(
        self, path: Node, path_map: Mapping[Any, str] | Sequence[str] | None = None
    ) -> Self:
        """Ask `path` where to start: conditional edges from START."""
        return self.add_conditional_edges(START, path, path_map)

    def set_finish_point(self, key: str) -> Self:
        """Say that the run may end after this node: an edge to END."""
        return self.add_edge(key, END)

    def validate(self, interrupt: Sequence[str] | None = None) -> Self:
        """Check the graph as a whole.

        Raises:
            GraphBuildError: An edge or branch has an unknown node at one end, there is no edge from
                START, or a node to interrupt at does not exist.
        """
        check_graph(self.parts)
        check_interrupts(interrupt or (), self.nodes)
        return self

    def compile(
        self,
        checkpointer: Saver | bool | None = None,
        *,
        cache: Cache | None = None,
        store: Store | None = None,
        interrupt_before: Literal["*"] | Sequence[str] | None = None,
        interrupt_after: Literal["*"] | Sequence[str] | None = None,
        debug: bool = False,
        name: str | None = None,
        migrations: Sequence[Migration[Any, Any]] | None = None,
    ) -> CompiledGraph:
        """A graph that can run; what is added to the builder afterwards does not change it.

        Args:
            checkpointer: A saver, which keeps threads.  Of a graph that another one calls: None
                (starts anew at each call), True (keeps its state over the calls, on the caller's
                thread), or False (stores nothing).
            cache: Where results of nodes with a cache policy are kept; None: where the graph that
                calls this one keeps them.
            store: What nodes find as `store`; a subgraph uses its parent's, if that has one.
            interrupt_before: Nodes before which runs pause; "*" means all.
            interrupt_after: Nodes after which runs pause, likewise.
            debug: True: every call prints `updates` and `values`.
            name: Shown in events, and the node's name if the graph is added as one.
            migrations: What `@migrate` made of functions that bring the state of older threads up
                to date, in the order they were added.

        Raises:
            GraphBuildError: See `validate`; or `cache` is no cache, or `migrations` holds what
                cannot be one.
            CheckpointerTypeError, StoreTypeError: `checkpointer` or `store` is none of the above.
        """
        self.validate([*_names(interrupt_before), *_names(interrupt_after)])
        spec = spec_of(self.parts, name or UNNAMED)
        pauses = Pauses(nodes_of(spec, interrupt_before), nodes_of(spec, interrupt_after))
        fittings = Fittings(
            checkpointer,
            pauses,
            cached_by(cache),
            debug,
            stored_by(store),
            migrations=migrations_of(migrations, spec.state_keys),
        )
        return CompiledGraph(spec, fittings)

    def _callee(self, code: Any, role: str, kinds: AbstractSet[str] = KINDS) -> Callee:
        known = {getattr(s.source, "__name__", ""): s.source for s in self.parts.schemas}
        return callee_of(code, role, known, kinds)

    def _policies(
        self, who: str, retry: RetryOption, cache: Any, handler: Any, timeout: TimeoutOption
    ) -> NodePolicies:
        return NodePolicies(
            retry=None if retry is None else retries_of(retry, who),
            cache=caching_of(cache, who),
            timeout=limits_of(timeout, who),
            handler=(
                None
                if handler is None
                else self._callee(handler, f"{who}: its error handler", HANDLER_KINDS)
            ),
        )

    def _schema(self, callee: Callee, given: Any, where: str) -> Schema | None:
        if given is not None:
            return self.parts.schema(given, f"input_schema of {where!r}")
        if is_schema_class(get_origin(callee.reads) or callee.reads):
            return self.parts.schema(callee.reads, f"state parameter's type of {where!r}")
        return None

    def _named(self, node: Any) -> tuple[str, Any]:
        if isinstance(node, tuple):
            pair = cast("tuple[Any, ...]", node)
            if len(pair) == 2 and isinstance(pair[0], str):
                return pair[0], pair[1]
            raise GraphBuildError(f"{node!r} is no (name, function) pair: give that, or a function")
        name = self._callee(node, "A node").name
        if name is None:
            raise GraphBuildError(f"{node!r} has no name to go by: give it as ('name', function)")
        return name, node


def _names(nodes: str | Sequence[str] | None) -> Sequence[str]:
    if nodes is None or nodes == "*":
        return ()
    return (nodes,) if isinstance(nodes, str) else nodes


def _mapping(metadata: Any, name: str) -> Mapping[str, Any] | None:
    if metadata is None or isinstance(metadata, Mapping):
        return cast("Mapping[str, Any] | None", metadata)
    raise GraphBuildError(f"Node {name!r} has {metadata!r} as metadata: give a dict")
