"""What drawings are made of: nodes, edges and how they look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class CurveStyle(Enum):
    """How Mermaid bends edges."""

    BASIS = "basis"
    BUMP_X = "bumpX"
    BUMP_Y = "bumpY"
    CARDINAL = "cardinal"
    CATMULL_ROM = "catmullRom"
    LINEAR = "linear"
    MONOTONE_X = "monotoneX"
    MONOTONE_Y = "monotoneY"
    NATURAL = "natural"
    STEP = "step"
    STEP_AFTER = "stepAfter"
    STEP_BEFORE = "stepBefore"


@dataclass(frozen=True, slots=True)
class NodeStyles:
    """Mermaid styles of the three kinds of nodes."""

    default: str = "fill:#f2f0ff,line-height:1.2"
    first: str = "fill-opacity:0"
    last: str = "fill:#bfb6fc"


@dataclass(frozen=True, slots=True)
class Node:
    """A node of a drawing."""

    id: str
    """Unique in the drawing."""
    name: str
    """What its box shows: its name in the graph it belongs to."""
    data: Any = None
    """The code that it runs: a function or a compiled graph; None for END."""
    metadata: Mapping[str, Any] | None = None
    """What it was added with; `defer` and `__interrupt` say how it runs."""

    def to_json(self) -> dict[str, Any]:
        """Its id, what stands behind it and its metadata, as JSON's types."""
        shown: dict[str, Any] = {"id": self.id}
        if self.data is not None:
            shown |= {"type": "runnable", "data": {"id": _place(self.data), "name": self.id}}
        if self.metadata is not None:
            shown["metadata"] = dict(self.metadata)
        return shown


@dataclass(frozen=True, slots=True)
class Edge:
    """An edge of a drawing, by the ids of its nodes."""

    source: str
    target: str
    data: Any = None
    """Its label."""
    conditional: bool = False
    """True if control may also go elsewhere."""

    def to_json(self) -> dict[str, Any]:
        """Its two ends, its label if there is one, and whether it is conditional."""
        shown: dict[str, Any] = {"source": self.source, "target": self.target}
        if self.data is not None:
            shown["data"] = self.data
        return shown | ({"conditional": True} if self.conditional else {})


def _place(code: Any) -> list[str]:
    """Where the code stands: its module's parts, and its name or its class's."""
    named: Any = code if hasattr(code, "__qualname__") else code.__class__
    return [*named.__module__.split("."), named.__qualname__]
