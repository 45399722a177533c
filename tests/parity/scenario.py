"""A scenario: one small graph, what is done with it, and how strictly its chunks are ordered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Literal

Order = Literal["exact", "per graph", "any"]
"""exact: every chunk has its place; per graph: only within one namespace (a subgraph runs beside
other tasks); any: a multiset (sync siblings finish in worker threads, in no fixed order)."""


@dataclass(frozen=True, slots=True)
class Given:
    """An input made when its turn comes: of the engine's names and the ids that are pending."""

    make: Callable[[Any, Sequence[str]], Any]


@dataclass(frozen=True, slots=True)
class Run:
    """Run the graph with an input (None: go on)."""

    input: Any
    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Keyword arguments of the call."""


def go(make: Callable[[Any], Any], **options: Any) -> Run:
    """Run with an input made of the engine's names."""
    return Run(Given(lambda k, ids: make(k)), options=options)


def resume(answer: Any, **options: Any) -> Run:
    """Resume with one answer."""
    return go(lambda k: k.Command(resume=answer), **options)


def resume_map(make: Callable[[Sequence[str]], dict[str, Any]]) -> Run:
    """Resume with a map, made of the ids of what is pending, in the order of what they ask."""
    return Run(Given(lambda k, ids: k.Command(resume=make(ids))))


@dataclass(frozen=True, slots=True)
class Update:
    """Write to the thread from outside, between runs."""

    values: Any
    as_node: str | None = None


Turn = Run | Update


@dataclass(frozen=True, slots=True)
class Scenario:
    """`build` is given an engine's names and returns a builder, or a function that makes a graph
    with a saver, new for every run."""

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
    fittings: Mapping[str, Any]
    """Keyword arguments of `compile`."""


def scenario(
    *turns: Any,
    awaits: bool = False,
    order: Order = "exact",
    says: str = "",
    compare: str = "call chunks state",
    **fittings: Any,
) -> Callable[[Callable[[Any], Any]], Scenario]:
    """Make a scenario of the decorated build function; a plain value as a turn is an input, and
    other keyword arguments are those of `compile`."""
    steps = tuple(turn if isinstance(turn, (Run, Update)) else Run(turn) for turn in turns)

    def wrap(build: Callable[[Any], Any]) -> Scenario:
        name = build.__name__.replace("_", " ")
        return Scenario(name, build, steps, awaits, order, says, compare, fittings)

    return wrap


def found_in(*modules: ModuleType) -> list[Scenario]:
    """The scenarios that the modules define, in order."""
    return [value for m in modules for value in vars(m).values() if isinstance(value, Scenario)]
