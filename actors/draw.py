"""A graph as a drawing: its nodes, its edges, and the texts that show them.

`CompiledGraph.get_graph` makes it.  A node of a subgraph that is drawn whole has its parent's name
and a colon before its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

from .draw_parts import CurveStyle, Edge, Node, NodeStyles
from .errors import DrawingError

__all__ = ["CurveStyle", "Edge", "Graph", "Node", "NodeStyles"]


@dataclass(slots=True)
class Graph:
    """A drawing; yours to change before it is shown."""

    nodes: dict[str, Node] = field(default_factory=dict[str, Node])
    """By id, in the order they were added."""
    edges: list[Edge] = field(default_factory=list[Edge])

    def first_node(self) -> Node | None:
        """The only node that no edge leads to; None if there is none or several."""
        return self._only(lambda edge: edge.target)

    def last_node(self) -> Node | None:
        """The only node that no edge starts from; None if there is none or several."""
        return self._only(lambda edge: edge.source)

    def _only(self, end: Callable[[Edge], str], without: Collection[str] = ()) -> Node | None:
        """The only node that is no edge's `end`, once the ids in `without` are taken away."""
        taken = {end(e) for e in self.edges if e.source not in without and e.target not in without}
        free = [n for n in self.nodes.values() if n.id not in taken and n.id not in without]
        return free[0] if len(free) == 1 else None

    def trim_first_node(self) -> None:
        """Take the first node away, if a single edge leaves it and another node is first then."""
        node = self.first_node()
        if node is not None:
            self._trim(node, [e for e in self.edges if e.source == node.id], lambda e: e.target)

    def trim_last_node(self) -> None:
        """Take the last node away, if a single edge leads to it and another node is last then."""
        node = self.last_node()
        if node is not None:
            self._trim(node, [e for e in self.edges if e.target == node.id], lambda e: e.source)

    def _trim(self, node: Node, edges: Collection[Edge], end: Callable[[Edge], str]) -> None:
        if len(edges) == 1 and self._only(end, without=(node.id,)) is not None:
            self.remove_node(node)

    def remove_node(self, node: Node) -> None:
        """Take a node and its edges away."""
        del self.nodes[node.id]
        self.edges = [edge for edge in self.edges if node.id not in (edge.source, edge.target)]

    def insert(self, name: str, inner: Graph) -> None:
        """Draw the graph `inner` in the place of the node `name`.

        Its START and END are left out where they only lead in and out.  A graph without one first
        and one last node stays a single node.
        """
        if len(inner.nodes) < 2 or inner.first_node() is None or inner.last_node() is None:
            return
        inner.trim_first_node()
        inner.trim_last_node()
        first, last = inner.first_node(), inner.last_node()
        if first is None or last is None:
            return
        del self.nodes[name]
        self.nodes |= {
            f"{name}:{n.id}": replace(n, id=f"{name}:{n.id}") for n in inner.nodes.values()
        }
        outer = [
            replace(
                edge,
                source=f"{name}:{last.id}" if edge.source == name else edge.source,
                target=f"{name}:{first.id}" if edge.target == name else edge.target,
            )
            for edge in self.edges
        ]
        within = [
            replace(edge, source=f"{name}:{edge.source}", target=f"{name}:{edge.target}")
            for edge in inner.edges
        ]
        self.edges = outer + within

    def to_json(self) -> dict[str, list[dict[str, Any]]]:
        """`{"nodes": […], "edges": […]}` of JSON's own types, save what metadata holds."""
        return {
            "nodes": [node.to_json() for node in self.nodes.values()],
            "edges": [edge.to_json() for edge in self.edges],
        }

    def draw_mermaid(
        self,
        *,
        with_styles: bool = True,
        curve_style: CurveStyle | str = CurveStyle.LINEAR,
        node_colors: NodeStyles | None = None,
        wrap_label_n_words: int = 9,
        frontmatter_config: Mapping[str, Any] | None = None,
    ) -> str:
        """The graph as Mermaid text.

        Args:
            with_styles: Say also how it looks; without, only edges and subgraphs are told.
            curve_style: How edges bend.
            node_colors: Styles of the nodes.
            wrap_label_n_words: After so many words a label goes on in a new line.
            frontmatter_config: Mermaid's own configuration; needs PyYAML.

        Raises:
            DrawingError: Two subgraphs have the same name, or the style is unknown.
            DrawingUnavailableError: There is a frontmatter_config, and PyYAML is not installed.
        """
        from .draw_mermaid import Look, mermaid

        curve = _curve(curve_style)
        first, last = self.first_node(), self.last_node()
        look = Look(
            styled=with_styles,
            curve=curve,
            styles=node_colors or NodeStyles(),
            words=wrap_label_n_words,
            first=first and first.id,
            last=last and last.id,
        )
        return mermaid(self.nodes.values(), self.edges, look, frontmatter_config)

    def draw_mermaid_png(self, **options: Any) -> NoReturn:
        """Never a picture: Mermaid is drawn by a browser or by a service that would get the graph.

        Raises:
            DrawingError: Always; it says how to get a picture.
        """
        given = ", ".join(f"{name}={value!r}" for name, value in options.items())
        raise DrawingError(
            f"draw_mermaid_png({given}) cannot make a picture here: it takes a browser, or a web "
            "service that is sent the graph, and nothing here speaks to a network. Give the text "
            "of draw_mermaid() to mermaid.live, to `mmdc` of mermaid-cli, or to a page that shows "
            "Mermaid; draw_ascii() draws in the terminal"
        )

    def draw_ascii(self) -> str:
        """The graph in boxes and lines of plain characters; needs grandalf.

        Raises:
            DrawingUnavailableError: grandalf is not installed.
            DrawingError: There are no nodes.
        """
        from .draw_ascii import ascii_art

        return ascii_art(list(self.nodes.values()), self.edges)

    def print_ascii(self) -> None:
        """Print what `draw_ascii` gives."""
        print(self.draw_ascii())  # noqa: T201 - what it is for


def _curve(style: CurveStyle | str) -> str:
    try:
        return CurveStyle(getattr(style, "value", style)).value
    except ValueError as error:
        raise DrawingError(
            f"curve_style={style!r} is none that Mermaid has; give one of "
            f"{[style.value for style in CurveStyle]}"
        ) from error
