"""A graph in the making: what its nodes see and write, what comes next, what it may be made of.

What a node writes follows from its name and the state it saw, so the final state tells of every
step that led to it: it is the same however the run was disturbed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Annotated, Any, TypedDict

from actors import START, CompiledGraph, StateGraph


def merged(old: list[str], new: list[str]) -> list[str]:
    """What is new, after what was there; graphs that are nodes give back all they were given."""
    return [*old, *(item for item in new if item not in old)]


class State(TypedDict, total=False):
    log: Annotated[list[str], merged]
    last: Annotated[str, max]


def digest(seen: Any) -> str:
    return hashlib.sha256(repr(seen).encode()).hexdigest()[:6]


def seen_by(name: str, state: Any) -> State:
    """What a node writes: its name, and a digest of what it saw."""
    item = f"{name} {digest(list(state['log']))}"
    return {"log": [item], "last": item}


def chosen(name: str, state: Any, choices: Sequence[str]) -> list[str]:
    """One of the choices, or all, as the state says."""
    last = int(seen_by(name, state)["log"][0][-1], 16)
    return list(choices) if last % 3 == 0 else [choices[last % len(choices)]]


@dataclass(frozen=True)
class Menu:
    """What there is to draw from."""

    nodes: Sequence[Callable[[Draft, str], None]]
    graphs: Sequence[Callable[[Draft, str], None]]
    """Nodes with graphs inside."""
    stages: Sequence[Callable[[Draft], None]]


@dataclass
class Draft:
    """A graph in the making."""

    dice: Random
    depth: int
    menu: Menu
    prefix: str = ""
    builder: StateGraph[Any] = field(default_factory=lambda: StateGraph(State))
    ends: list[str] = field(default_factory=lambda: [START])
    """Nodes that the next stage follows."""
    count: int = 0

    def graph(self, **compiled: Any) -> CompiledGraph:
        self.extend()
        return self.compile(**compiled)

    def extend(self) -> None:
        """Add some stages."""
        for _ in range(self.dice.randint(1, 3)):
            self.dice.choice(self.menu.stages)(self)

    def compile(self, **compiled: Any) -> CompiledGraph:
        names = list(self.builder.nodes)
        if self.dice.random() < 0.15:
            compiled["interrupt_before"] = self.dice.sample(names, 1)
        if self.dice.random() < 0.15:
            compiled["interrupt_after"] = self.dice.sample(names, 1)
        return self.builder.compile(**compiled)

    def inner(self, name: str, depth: int | None = None) -> Draft:
        """A graph for the node of this name."""
        depth = max(self.depth - 1, 0) if depth is None else depth
        return Draft(self.dice, depth, self.menu, f"{name}.")

    def name(self, kind: str) -> str:
        self.count += 1
        return f"{self.prefix}{kind}{self.count}"

    def node(self) -> str:
        """Add a node of some kind after nothing yet."""
        makers = [*self.menu.nodes, *(self.menu.graphs if self.depth else ())]
        maker = self.dice.choice(makers)
        name = self.name(maker.__name__)
        maker(self, name)
        return name

    def follow(self, *names: str) -> None:
        """Let these follow what came last."""
        for name in names:
            if self.ends == [START] or self.dice.random() < 0.5:
                for end in self.ends:
                    self.builder.add_edge(end, name)
            else:
                self.builder.add_edge(self.ends, name)

    def pause(self) -> float:
        return self.dice.choice((0, 0.001, 0.05, 1))
