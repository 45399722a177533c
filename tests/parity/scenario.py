"""A scenario: one small graph, what is done with it, and how strictly its chunks are ordered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal

Order = Literal["exact", "per graph", "any"]
"""exact: every chunk has its place; per graph: only within one namespace (a subgraph runs beside
other tasks); any: a multiset (sync siblings finish in worker threads, in no fixed order)."""


@dataclass(frozen=True, slots=True)
class Run:
    """Run the graph with an input (None: go on)."""

    input: Any
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True)
class Update:
    """Write to the thread from outside, between runs."""

    values: Any
    as_node: str | None = None


Turn = Run | Update


@dataclass(frozen=True, slots=True)
class Scenario:
    """`build` is given an engine's names and returns a builder, new for every run."""

    name: str
    build: Callable[[Any], Any]
    turns: tuple[Turn, ...]
    awaits: bool
    """It has async nodes, which LangGraph runs only through the async door."""
    order: Order
    says: str
    """What the message of an error that the engine itself raises must contain."""
    compare: str
    """Of "call", "chunks" and "state", those in which the engines agree on purpose.  No state: the
    writes cannot be applied, and LangGraph cannot even show such a thread; or it says otherwise."""


def scenario(
    *turns: Any,
    awaits: bool = False,
    order: Order = "exact",
    says: str = "",
    compare: str = "call chunks state",
) -> Callable[[Callable[[Any], Any]], Scenario]:
    """Make a scenario of the decorated build function; a plain value as a turn is an input."""
    steps = tuple(turn if isinstance(turn, (Run, Update)) else Run(turn) for turn in turns)

    def wrap(build: Callable[[Any], Any]) -> Scenario:
        name = build.__name__.replace("_", " ")
        return Scenario(name, build, steps, awaits, order, says, compare)

    return wrap


def found_in(*modules: ModuleType) -> list[Scenario]:
    """The scenarios that the modules define, in order."""
    return [value for m in modules for value in vars(m).values() if isinstance(value, Scenario)]
