"""What does a step cost with a saver in memory?"""

from __future__ import annotations

from itertools import count

from benchmarks.contenders import Engine
from benchmarks.graphs import chain, on_thread
from benchmarks.workload import Stage, Target, Workload, microseconds


async def chain_with_memory_saver(engine: Engine, stage: Stage) -> float:
    graph = chain(engine, 100).compile(checkpointer=engine.memory())
    threads = count()

    async def run() -> None:
        await graph.ainvoke({"n": 0}, on_thread(f"t{next(threads)}"))

    return await microseconds(run, 100, stage.size(11, 5))


WORKLOADS = [
    Workload(
        "memory-saver",
        "a step of a chain of 100 nodes, checkpoints in memory",
        "µs/step",
        chain_with_memory_saver,
        target=Target(ratio=10),
    )
]
