"""What does a synced step cost when fifty threads run at once?"""

from __future__ import annotations

import asyncio
from itertools import count

from benchmarks.contenders import Engine
from benchmarks.graphs import loop, on_thread
from benchmarks.workload import Stage, Target, Workload, microseconds

THREADS = 50


async def fifty_threads(engine: Engine, stage: Stage) -> float:
    turns, steps = count(), stage.size(20, 6)
    async with engine.sqlite(stage.folder / "threads.db") as saver:
        graph = loop(engine, steps).compile(checkpointer=saver)

        async def run() -> None:
            turn = next(turns)
            configs = [on_thread(f"{turn}-{i}", steps) for i in range(THREADS)]
            await asyncio.gather(
                *(graph.ainvoke({"n": 0}, config, durability="sync") for config in configs)
            )

        return await microseconds(run, THREADS * steps, stage.size(5, 1))


WORKLOADS = [
    Workload(
        "sqlite-50",
        'a step of 50 threads at once in SQLite, durability "sync"',
        "µs/step",
        fifty_threads,
        target=Target(ratio=20),
    )
]
