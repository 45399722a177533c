"""A drawing in plain characters: boxes and lines, laid out in layers by grandalf."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from .draw_parts import Edge, Node
from .errors import DrawingError, DrawingUnavailableError

Point = tuple[float, float]

HEIGHT = 3
"""Lines of a box: its text between two borders."""


@dataclass(slots=True)
class _Box:
    """What grandalf asks of a vertex, and where it put it: the middle of its upper border."""

    w: int
    h: int = HEIGHT
    xy: Point = (0.0, 0.0)

    @property
    def left(self) -> float:
        return self.xy[0] - self.w / 2.0


@dataclass(slots=True)
class _Line:
    """What grandalf asks of an edge, and the points it leads through."""

    points: Sequence[Point] = field(default=())

    def setpath(self, points: Sequence[Point]) -> None:
        self.points = points


def ascii_art(nodes: Sequence[Node], edges: Sequence[Edge]) -> str:
    """The drawing as lines of text; conditional edges are dotted.

    Only what is joined to the first node is drawn, and no edge from a node to itself.  Raises
    DrawingUnavailableError when grandalf is not installed.
    """
    if not nodes:
        raise DrawingError("A graph without nodes cannot be drawn: add one")
    layout = _laid_out(nodes, edges)
    boxes = [(vertex.view, vertex.data) for vertex in layout.sV]
    # grandalf keeps edges in sets: sorted, so that where lines cross the same one is on top
    lines = sorted(((edge.view, edge.data) for edge in layout.sE), key=lambda line: not line[1])
    canvas = _Canvas(list(_corners(boxes, lines)))
    for line, conditional in lines:
        for start, end in zip(line.points, line.points[1:], strict=False):
            canvas.line(start, end, "." if conditional else "*")
    for box, text in boxes:
        canvas.box(box, text)
    return canvas.text()


def _laid_out(nodes: Sequence[Node], edges: Sequence[Edge]) -> Any:
    """grandalf's graph with places for everything."""
    graphs, layouts, routing = _grandalf(nodes)
    vertices = {node.id: graphs.Vertex(f" {node.name} ") for node in nodes}
    lines = [
        graphs.Edge(vertices[edge.source], vertices[edge.target], data=edge.conditional)
        for edge in edges
        if edge.source != edge.target  # grandalf finds no way from a box to itself
    ]
    for vertex in vertices.values():
        vertex.view = _Box(len(vertex.data) + 2)
    for line in lines:
        line.view = _Line()
    joined = graphs.Graph(list(vertices.values()), lines).C[0]
    layout = layouts.SugiyamaLayout(joined)
    layout.init_all(roots=[v for v in joined.sV if not v.e_in()], optimize=True)
    layout.yspace = HEIGHT
    layout.xspace = min(vertex.view.w for vertex in vertices.values())
    layout.route_edge = routing.route_with_lines
    layout.draw()
    return joined


def _grandalf(nodes: Sequence[Node]) -> list[Any]:
    try:
        return [import_module(f"grandalf.{name}") for name in ("graphs", "layouts", "routing")]
    except ImportError as error:
        raise DrawingUnavailableError(
            f"A drawing of {[node.id for node in nodes]} in plain characters is laid out by "
            "grandalf, which is not installed: pip install 'understudy[draw]'. draw_mermaid() "
            "needs nothing"
        ) from error


def _corners(
    boxes: Sequence[tuple[_Box, str]], lines: Sequence[tuple[_Line, bool]]
) -> Iterator[Point]:
    for box, _ in boxes:
        yield box.left, box.xy[1]
        yield box.left + box.w, box.xy[1] + box.h
    for line, _ in lines:
        yield from line.points


class _Canvas:
    """Rows of characters, just large enough for some points, which may be negative."""

    def __init__(self, points: Sequence[Point]) -> None:
        xs, ys = [x for x, _ in points], [y for _, y in points]
        self._left, self._top = min(xs), min(ys)
        width = math.ceil(max(xs)) - math.floor(self._left) + 1
        self._rows = [[" "] * width for _ in range(round(max(ys) - self._top))]

    def text(self) -> str:
        return os.linesep.join("".join(row) for row in self._rows)

    def _at(self, point: Point) -> tuple[int, int]:
        return round(point[0] - self._left), round(point[1] - self._top)

    def line(self, start: Point, end: Point, character: str) -> None:
        """A straight line, one character for each column, or for each row if it is steep."""
        (x0, y0), (x1, y1) = sorted((self._at(start), self._at(end)), key=lambda point: point[0])
        dx, dy = x1 - x0, y1 - y0
        if dx >= abs(dy):
            for x in range(x0, x1 + 1):
                self._rows[y0 + (round((x - x0) * dy / dx) if dx else 0)][x] = character
        else:
            x, top = (x0, y0) if dy > 0 else (x1, y1)
            for y in range(top, top + abs(dy) + 1):
                self._rows[y][x + round((y - top) * dx / dy)] = character

    def box(self, box: _Box, text: str) -> None:
        """A box with a text in it, over whatever is there."""
        left, top = self._at((box.left, box.xy[1]))
        border = f"+{'-' * (box.w - 2)}+"
        for row, characters in enumerate((border, f"|{text}|", border)):
            self._rows[top + row][left : left + box.w] = characters
