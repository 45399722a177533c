"""What does a chunk cost on its way to one reader?"""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.contenders import Engine
from benchmarks.graphs import Count, chain
from benchmarks.workload import Stage, Target, Workload, microseconds

CHUNKS, STEPS = 5000, 50


async def custom_chunks(engine: Engine, stage: Stage) -> float:
    async def talk(state: Any) -> dict[str, Any]:
        write = engine.get_stream_writer()
        for i in range(CHUNKS):
            write(i)
        return {"n": CHUNKS}

    builder = engine.StateGraph(Count).add_node("talk", talk).add_edge(engine.START, "talk")
    run = partial(_drain, builder.compile(), "custom")
    return await microseconds(run, CHUNKS, stage.size(7, 3))


async def three_modes(engine: Engine, stage: Stage) -> float:
    run = partial(_drain, chain(engine, STEPS).compile(), ["values", "updates", "debug"])
    return await microseconds(run, STEPS, stage.size(11, 5))


async def _drain(graph: Any, mode: Any) -> None:
    async for _ in graph.astream({"n": 0}, stream_mode=mode):
        pass


WORKLOADS = [
    Workload(
        "custom-chunks",
        "a custom chunk from one node to one reader",
        "µs/chunk",
        custom_chunks,
        target=Target(ratio=2),
    ),
    Workload(
        "three-modes",
        "a step of a chain of 50 watched as values, updates and debug at once",
        "µs/step",
        three_modes,
        target=Target(ratio=8),
    ),
]
