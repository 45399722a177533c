"""Graphs drawn from a seed, and what is done to their threads: runs, updates by hand, forks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from actors import CompiledGraph
from actors.testing import Faults, Simulation, simulate
from actors.testing.clients import Deed
from checkpoint import MemoryCache, MemoryStore
from tests.simulation.drafts import Draft, Menu
from tests.simulation.random_calls import GRAPHS
from tests.simulation.random_nodes import NODES, STEP_TIMEOUT
from tests.simulation.random_stages import STAGES

MENU = Menu(NODES, GRAPHS, STAGES)
MANY_FAULTS = Faults(crashes=7, power_cuts=3, cancels=5, readers=3, rivals=3)
INPUTS = ({"log": ["first"]}, {"log": ["second"]})


@dataclass(frozen=True)
class Case:
    """What a seed makes."""

    graph: CompiledGraph
    inputs: Sequence[Any]
    threads: int
    faults: Faults


def random_graph(seed: int) -> CompiledGraph:
    """The graph of a seed."""
    return compiled(random_draft(seed))


def compiled(draft: Draft) -> CompiledGraph:
    graph = draft.compile(cache=MemoryCache(), store=MemoryStore())
    graph.step_timeout = STEP_TIMEOUT
    slots = draft.dice.choice((None, None, 1, 2))
    return graph if slots is None else graph.with_config({"max_concurrency": slots})


def random_draft(seed: int) -> Draft:
    draft = Draft(Random(f"{seed} graph"), depth=2, menu=MENU)
    draft.extend()
    return draft


def random_case(seed: int) -> Case:
    """The graph of a seed, and the inputs of its threads, some of them changes by hand."""
    dice, draft = Random(f"{seed} case"), random_draft(seed)
    names = list(draft.builder.nodes)
    inputs: list[Any] = [INPUTS[0]]
    for number in range(dice.randint(0, 2)):
        word = f"input {number + 2}"
        kind = dice.choice(("run", "run", "update", "fork"))
        if kind == "run":
            inputs.append({"log": [word]})
        else:
            make = updated if kind == "update" else forked
            inputs.append(make(word, dice.choice(names)))
    faults = dice.choice((Faults(), MANY_FAULTS))
    return Case(compiled(draft), inputs, dice.randint(1, 3), faults)


def updated(word: str, node: str) -> Deed:
    async def update(graph: CompiledGraph, config: Any) -> None:
        await graph.aupdate_state(config, {"log": [word]}, as_node=node)

    return update


def forked(word: str, node: str) -> Deed:
    """Another branch, from where the first input ended."""

    async def fork(graph: CompiledGraph, config: Any) -> None:
        match = {"simulated_input": 0}
        history = graph.aget_state_history({"configurable": config["configurable"]}, filter=match)
        end = await anext(aiter(history))
        old: Any = {**config, **end.config}
        await graph.aupdate_state(old, {"log": [word]}, as_node=node)

    return fork


def answer(asked: Any) -> str:
    return f"to {asked.value}"


def simulated(seed: int) -> Simulation:
    """What comes of a seed."""
    case = random_case(seed)
    return simulate(
        case.graph,
        seed,
        inputs=case.inputs,
        threads=case.threads,
        faults=case.faults,
        answer=answer,
    )
