"""A drawing as Mermaid text: a flowchart from top to bottom, a box round every subgraph."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from .draw_parts import Edge, Node, NodeStyles
from .errors import DrawingError, DrawingUnavailableError

_MARKDOWN = ("*", "_", "`")
"""A label that such a character begins and ends is wrapped in <p>, so that it is no emphasis."""

_ENTITIES = str.maketrans({
    "#": "#35;", "[": "#91;", "]": "#93;", "(": "#40;", ")": "#41;", "{": "#123;", "}": "#125;",
    '"': "#quot;", "<": "#60;", ">": "#62;", "|": "#124;",
})  # fmt: skip
"""What would end a label early or be read as markup, in Mermaid's own escapes."""

_PLAIN = (str, int, float, bool)


@dataclass(frozen=True, slots=True)
class Look:
    """How a drawing is to look."""

    styled: bool
    """False: only edges and subgraphs are told."""
    curve: str
    styles: NodeStyles
    words: int
    """After so many words an edge's label goes on in a new line."""
    first: str | None
    """Id of the node that is shown as the first; None if there is no such."""
    last: str | None


def mermaid(
    nodes: Iterable[Node],
    edges: Iterable[Edge],
    look: Look,
    frontmatter: Mapping[str, Any] | None = None,
) -> str:
    """The text of a drawing.  Raises DrawingError when two subgraphs have the same name."""
    text = _Text(nodes, edges, look)
    text.draw()
    if not look.styled:
        return "graph TD;\n" + "".join(text.lines)
    styles = look.styles
    kinds = (("default", styles.default), ("first", styles.first), ("last", styles.last))
    classes = "".join(f"\tclassDef {name} {style}\n" for name, style in kinds)
    head = _frontmatter(frontmatter, look.curve)
    return f"---\n{head}---\ngraph TD;\n{''.join(text.lines)}{classes}"


class _Text:
    """The lines of one flowchart; a subgraph's name stands before a colon in its nodes' ids."""

    def __init__(self, nodes: Iterable[Node], edges: Iterable[Edge], look: Look) -> None:
        self.lines: list[str] = []
        self._look = look
        self._boxes: dict[str, list[Node]] = {}
        """Subgraph -> its own nodes; "" is the whole."""
        for node in nodes:
            self._boxes.setdefault(node.id.rpartition(":")[0], []).append(node)
        self._edges: dict[str, list[Edge]] = {}
        """Subgraph -> the edges inside it."""
        for edge in edges:
            self._edges.setdefault(_common(edge), []).append(edge)
        self._drawn: set[str] = set()
        """Names of subgraphs that have a box; Mermaid knows them by that."""

    def draw(self) -> None:
        """Make the lines."""
        self._nodes("")
        self._box("")
        for prefix in self._edges:
            if prefix and ":" not in prefix:
                self._box(prefix)
                self._drawn.add(prefix)
        if self._look.styled:
            for prefix in self._boxes:
                if prefix and ":" not in prefix and prefix not in self._drawn:
                    self._open(prefix)
                    self.lines.append("\tend\n")

    def _box(self, prefix: str) -> None:
        """A subgraph with its nodes, its edges, and the subgraphs in it that have edges."""
        edges = self._edges.get(prefix, [])
        loop = len(edges) == 1 and edges[0].source == edges[0].target
        boxed = bool(prefix) and not loop
        if boxed:
            self._open(prefix)
        self.lines += [self._edge(edge) for edge in edges]
        for inner in self._edges:
            if inner.startswith(f"{prefix}:") and ":" not in inner[len(prefix) + 1 :]:
                self._box(inner)
        if boxed:
            self.lines.append("\tend\n")

    def _open(self, prefix: str) -> None:
        name = prefix.rpartition(":")[2]
        if name in self._drawn:
            raise DrawingError(
                f"Two subgraphs to draw are called {name!r}, and Mermaid knows a box by its name. "
                "Give the nodes that they are different names, or draw with a smaller xray"
            )
        self._drawn.add(name)
        self.lines.append(f"\tsubgraph {name}\n")
        self._nodes(prefix)

    def _nodes(self, prefix: str) -> None:
        if self._look.styled:
            self.lines += [self._node(node) for node in self._boxes.get(prefix, ())]

    def _node(self, node: Node) -> str:
        label = _label(node)
        if node.id == self._look.last:
            return f"\t{_safe(node.id)}([{label}]):::last\n"
        if node.id == self._look.first:
            return f"\t{_safe(node.id)}([{label}]):::first\n"
        return f"\t{_safe(node.id)}({label})\n"

    def _edge(self, edge: Edge) -> str:
        arrow = " -.-> " if edge.conditional else " --> "
        if edge.data is not None:
            line, head = (" -. ", " .-> ") if edge.conditional else (" -- ", " --> ")
            arrow = f"{line}&nbsp;{_wrapped(edge.data, self._look.words)}&nbsp;{head}"
        return f"\t{_safe(edge.source)}{arrow}{_safe(edge.target)};\n"


def _common(edge: Edge) -> str:
    """The subgraph that both ends of an edge are in: where the parts of their ids agree."""
    pairs = zip(edge.source.split(":"), edge.target.split(":"), strict=False)
    return ":".join(one for one, other in pairs if one == other)


def _label(node: Node) -> str:
    name = node.name.rpartition(":")[2]
    label = f"<p>{name}</p>" if name.startswith(_MARKDOWN) and name.endswith(_MARKDOWN) else name
    lines = [
        f"{key} = {shown}".translate(_ENTITIES)
        for key, value in (node.metadata or {}).items()
        if (shown := _shown(value)) is not None
    ]
    return f"{label}<hr/><small><em>{chr(10).join(lines)}</em></small>" if lines else label


def _shown(value: Any) -> str | None:
    """A metadata value that fits into a label: one that is plain, or several such."""
    if isinstance(value, _PLAIN):
        return str(value)
    if isinstance(value, list | tuple | set):
        items = list(cast("list[Any]", value))
        if all(isinstance(item, _PLAIN) for item in items):
            texts = map(str, items)
            return ", ".join(sorted(texts) if isinstance(value, set) else texts)
    return None


def _wrapped(data: Any, limit: int) -> str:
    words = str(data).split()
    if len(words) <= limit:
        return str(data)
    lines = (" ".join(words[at : at + limit]) for at in range(0, len(words), limit))
    return "&nbsp<br>&nbsp".join(lines)


def _safe(name: str) -> str:
    r"""An id that Mermaid takes: all but ASCII letters, digits, _ and - as `\` and hex digits."""
    return re.sub(r"[^A-Za-z0-9_-]", lambda match: f"\\{ord(match[0]):x}", name)


def _frontmatter(given: Mapping[str, Any] | None, curve: str) -> str:
    if not given:
        return f"config:\n  flowchart:\n    curve: {curve}\n"
    try:
        import yaml
    except ImportError as error:
        raise DrawingUnavailableError(
            f"frontmatter_config={given!r} is written as YAML, and PyYAML is not installed: "
            "pip install 'understudy[draw]'. Or leave it out"
        ) from error
    config = given.get("config", {})
    flowchart = {**config.get("flowchart", {}), "curve": curve}
    whole = {**given, "config": {**config, "flowchart": flowchart}}
    return yaml.dump(whole, default_flow_style=False)
