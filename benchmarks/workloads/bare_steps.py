"""What does a super-step cost when nothing is stored?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from functools import partial
from typing import Any

from benchmarks.contenders import Engine
from benchmarks.graphs import Count, chain, loop, step
from benchmarks.peers import peers
from benchmarks.workload import Stage, Target, Workload, microseconds


async def chain_of_100(engine: Engine, stage: Stage) -> float:
    graph = chain(engine, 100).compile()
    return await microseconds(partial(graph.ainvoke, {"n": 0}), 100, stage.size(21, 7))


async def loop_of_1000(engine: Engine, stage: Stage) -> float:
    graph = loop(engine, 1000).compile()
    work = partial(graph.ainvoke, {"n": 0}, {"recursion_limit": 2000})
    return await microseconds(work, 1000, stage.size(5, 3))


async def one_node(engine: Engine, stage: Stage) -> float:
    graph = chain(engine, 1).compile()
    return await microseconds(partial(_many, graph.ainvoke, 200), 200, stage.size(11, 5))


async def one_sync_node(engine: Engine, stage: Stage) -> float:
    builder = engine.StateGraph(Count).add_node("step", lambda state: {"n": state["n"] + 1})
    graph = builder.add_edge(engine.START, "step").compile()

    def invoke_many() -> None:
        for _ in range(200):
            graph.invoke({"n": 0})

    return await microseconds(partial(asyncio.to_thread, invoke_many), 200, stage.size(11, 5))


async def _many(invoke: Any, times: int) -> None:
    for _ in range(times):
        await invoke({"n": 0})


async def tasks_of_asyncio(stage: Stage, *, steps: int) -> float:
    async def work() -> None:
        state: dict[str, Any] = {"n": 0}
        for _ in range(steps):
            state = {**state, **await asyncio.create_task(step(state))}

    return await microseconds(work, steps, stage.size(21, 7))


async def calls_of_asyncio(stage: Stage) -> float:
    def invoke(state: dict[str, Any]) -> Awaitable[Any]:
        return asyncio.create_task(step(state))

    return await microseconds(partial(_many, invoke, 200), 200, stage.size(11, 5))


WORKLOADS = [
    Workload(
        "chain",
        "a step of a chain of 100 async nodes, nothing stored",
        "µs/step",
        chain_of_100,
        partial(tasks_of_asyncio, steps=100),
        Target(ratio=8),
        peers=peers("chain", 100, "burr", "pydantic-graph"),
    ),
    Workload(
        "loop",
        "a step of a loop of 1,000 steps, nothing stored",
        "µs/step",
        loop_of_1000,
        partial(tasks_of_asyncio, steps=1000),
        Target(ratio=15),
        peers=peers("loop", 1000, "burr", "pydantic-graph", "llama-index-workflows"),
    ),
    Workload(
        "one-node",
        "a whole run of one async node",
        "µs/run",
        one_node,
        calls_of_asyncio,
        Target(ratio=6),
        peers=peers("loop", 1, "burr", "pydantic-graph", "llama-index-workflows"),
    ),
    Workload(
        "one-sync-node",
        "a whole `invoke` of one sync node",
        "µs/run",
        one_sync_node,
        target=Target(ratio=3),
    ),
]
