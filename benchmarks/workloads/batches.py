"""What does an input cost when ten thousand are given at once?"""

from __future__ import annotations

import asyncio
import tracemalloc
from functools import partial

from benchmarks.contenders import Engine
from benchmarks.graphs import chain, step
from benchmarks.workload import Stage, Target, Workload, microseconds

INPUTS = 10_000


async def batch(engine: Engine, stage: Stage) -> float:
    graph, count = chain(engine, 1).compile(), stage.size(INPUTS, 1_000)
    inputs = [{"n": i} for i in range(count)]
    return await microseconds(partial(graph.abatch, inputs), count, stage.size(3, 1))


async def tasks(stage: Stage) -> float:
    count = stage.size(INPUTS, 1_000)

    async def run() -> None:
        await asyncio.gather(*(step({"n": i}) for i in range(count)))

    return await microseconds(run, count, stage.size(7, 3))


async def most_memory(engine: Engine, stage: Stage) -> float:
    """MiB of Python's allocations at the worst moment, beyond inputs and outputs."""
    graph, count = chain(engine, 1).compile(), stage.size(INPUTS, 1_000)
    inputs = [{"n": i} for i in range(count)]
    await graph.abatch(inputs[:100])
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    outputs = await graph.abatch(inputs)
    held, peak = tracemalloc.get_traced_memory()
    assert len(outputs) == count
    return (peak - max(held, before)) / 2**20


WORKLOADS = [
    Workload(
        "batch",
        "an input of an `abatch` of 10,000 (1,000 in a quick run), one node, nothing stored",
        "µs/input",
        batch,
        tasks,
        Target(ratio=8),
        rounds=3,
    ),
    Workload(
        "batch-memory",
        "the most memory that such an `abatch` takes beyond its outputs",
        "MiB",
        most_memory,
        target=Target(limit=8),
        rounds=1,
    ),
]
