"""From a compiled graph to its drawing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from .draw import Graph
from .draw_parts import Node
from .draw_trace import edges_of
from .layout import Layout
from .params import is_runnable, runnable_of
from .spec import BRANCH, NodeSpec
from .values import END, START


def drawing_of(layout: Layout, inner: Mapping[str, Graph]) -> Graph:
    """A graph's drawing; `inner` are drawings to put in the place of nodes."""
    spec = layout.spec
    start = {START: Node(START, START, None if spec.direct else spec.start)}
    nodes = {
        name: Node(name, name, _code(node), _metadata(node, layout) or None)
        for name, node in spec.nodes.items()
    }
    nodes = nodes | start if spec.direct else start | nodes
    edges = edges_of(layout)
    if any(edge.target == END for edge in edges):
        nodes[END] = Node(END, END)
    graph = Graph(nodes, edges)
    for name, part in inner.items():
        graph.insert(name, part)
    return graph


def _code(node: NodeSpec) -> Any:
    """What was added as the node: an object, if it is one that is called or invoked."""
    call = node.call
    by_object = is_runnable(call) or getattr(call, "__name__", None) == "__call__"
    return runnable_of(call) or (getattr(call, "__self__", call) if by_object else call)


def _metadata(node: NodeSpec, layout: Layout) -> dict[str, Any]:
    """What the node was added with, and how it runs, under the names that users know."""
    metadata = dict(node.metadata or {})
    if BRANCH + node.name in layout.deferred:
        metadata["defer"] = True
    pauses = {"before": layout.pauses.before, "after": layout.pauses.after}
    if paused := [when for when, names in pauses.items() if node.name in names]:
        metadata["__interrupt"] = ",".join(paused)
    tools = getattr(_code(node), "tools_by_name", None)
    if isinstance(tools, Mapping) and tools:
        metadata["__tools"] = list(cast("Mapping[str, Any]", tools))
    return metadata
