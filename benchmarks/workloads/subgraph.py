"""What does it cost to go into a subgraph and out again?"""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.contenders import Engine
from benchmarks.graphs import Count, chain
from benchmarks.workload import Stage, Target, Workload, microseconds

ROUNDS = 100


async def loop_over_subgraph(engine: Engine, stage: Stage) -> float:
    async def path(state: Any) -> str:
        return engine.END if state["n"] >= 2 * ROUNDS else "inner"

    inner = chain(engine, 2).compile()
    builder = engine.StateGraph(Count).add_node("inner", inner).add_edge(engine.START, "inner")
    builder.add_conditional_edges("inner", path, ["inner", engine.END])
    run = partial(builder.compile().ainvoke, {"n": 0}, {"recursion_limit": 2 * ROUNDS})
    return await microseconds(run, ROUNDS, stage.size(7, 3))


WORKLOADS = [
    Workload(
        "subgraph",
        "one pass through a subgraph of two nodes, in a loop of 100",
        "µs/pass",
        loop_over_subgraph,
        target=Target(ratio=8),
    )
]
