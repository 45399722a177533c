"""What must hold of a graph's parts; each check names the culprit and the mend."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from .errors import GraphBuildError
from .parts import NodePart, Parts
from .spec import DEFAULT_HANDLER, HANDLER_PREFIX
from .state import check_text
from .values import END, START

RESERVED_NAMES = frozenset(
    {START, END, "__interrupt__", "__metadata__", "__input__", "__copy__", DEFAULT_HANDLER}
)


def check_name(name: Any, nodes: Collection[str]) -> None:
    """Raise GraphBuildError if a new node cannot be called `name`."""
    if not isinstance(name, str) or not name:
        raise GraphBuildError(f"A node cannot be named {name!r}: give it a string")
    if name in nodes:
        raise GraphBuildError(f"Node `{name}` already present. Give the second one another name")
    if name in RESERVED_NAMES or name.startswith(("__pregel_", HANDLER_PREFIX)):
        raise GraphBuildError(f"Node `{name}` is reserved. Give your node another name")
    for character in "|:":
        if character in name:
            raise GraphBuildError(
                f"'{character}' is a reserved character and is not allowed in the node names: it "
                f"separates parts of a namespace. Rename {name!r}"
            )
    check_text(name, "A node cannot be named")


def check_edge(start: Any, end: Any) -> None:
    """Raise GraphBuildError if there can be no edge from `start` to `end` in any graph."""
    for given in (start, end):
        if not isinstance(given, str):
            raise GraphBuildError(
                f"An edge cannot start or end at {given!r}: give the name of a node, START or END"
            )
    if start == END:
        raise GraphBuildError("END cannot be a start node: nothing comes after it")
    if end == START:
        raise GraphBuildError("START cannot be an end node: nothing comes before it")


def check_join(starts: Collection[Any], end: Any, nodes: Collection[str]) -> None:
    """Raise GraphBuildError if `end` cannot wait for all of `starts`."""
    if not starts:
        raise GraphBuildError(f"An edge to {end!r} from an empty list starts nowhere: list nodes")
    for start in starts:
        check_edge(start, end)
        if start not in nodes:
            raise GraphBuildError(f"Need to add_node `{start}` first: {_nodes(nodes)}")
    if end not in nodes and end != END:
        raise GraphBuildError(f"Need to add_node `{end}` first: {_nodes(nodes)}")


def check_graph(parts: Parts) -> None:
    """Raise GraphBuildError unless every edge and branch has both ends and the graph a start."""
    nodes = parts.nodes
    for start in _sources(parts):
        if start not in nodes and start != START:
            raise GraphBuildError(f"Found edge starting at unknown node '{start}': {_nodes(nodes)}")
    if not any(start == START for start in _sources(parts)):
        raise GraphBuildError(
            "Graph must have an entrypoint: add at least one edge from START to another node"
        )
    for source, branches in parts.branches.items():
        for branch in branches.values():
            _check_ends(source, branch.name, branch.ends or {}, nodes)
    for end in _targets(parts):
        if end not in nodes and end != END:
            raise GraphBuildError(f"Found edge ending at unknown node `{end}`: {_nodes(nodes)}")


def check_interrupts(names: Collection[str], nodes: Mapping[str, NodePart]) -> None:
    """Raise GraphBuildError if a node to interrupt at does not exist."""
    for name in names:
        if name not in nodes:
            raise GraphBuildError(f"Interrupt node `{name}` not found: {_nodes(nodes)}")


def _check_ends(
    source: str, branch: str, ends: Mapping[Any, str], nodes: Mapping[str, NodePart]
) -> None:
    for end in ends.values():
        if end not in nodes and end != END:
            raise GraphBuildError(
                f"At '{source}' node, '{branch}' branch found unknown target '{end}': "
                f"{_nodes(nodes)}"
            )


def _sources(parts: Parts) -> Iterator[str]:
    yield from (start for start, _ in parts.edges)
    yield from (start for starts, _ in parts.joins for start in starts)
    yield from parts.branches


def _targets(parts: Parts) -> Iterator[str]:
    yield from (end for _, end in parts.edges)
    yield from (end for _, end in parts.joins)
    yield from (end for node in parts.nodes.values() for end in node.ends)


def _nodes(nodes: Collection[str]) -> str:
    return f"the nodes are {sorted(nodes)}; add it with add_node, or mend the name"
