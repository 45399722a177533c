"""How much memory do runs in flight take, and threads that only lie in the database?"""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from typing import Any

from benchmarks.contenders import Engine
from benchmarks.graphs import Count, chain, on_thread
from benchmarks.workload import Stage, Target, Workload, resident


async def run_in_flight(engine: Engine, stage: Stage) -> float:
    runs = stage.size(1000, 300)
    waiting, go = asyncio.Semaphore(0), asyncio.Event()

    async def blocked(state: Any) -> dict[str, Any]:
        waiting.release()
        await go.wait()
        return {"n": 1}

    graph = (
        engine.StateGraph(Count).add_node("node", blocked).add_edge(engine.START, "node").compile()
    )

    async def hold(count: int) -> float:
        go.clear()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        tasks = [asyncio.create_task(graph.ainvoke({"n": 0})) for _ in range(count)]
        for _ in tasks:
            await waiting.acquire()
        gc.collect()
        held = tracemalloc.get_traced_memory()[0] - before
        go.set()
        await asyncio.gather(*tasks)
        return held / count / 1024

    tracemalloc.start()
    await hold(1)  # what the first run makes once and keeps
    return await hold(runs)


async def idle_threads(engine: Engine, stage: Stage) -> float:
    async with engine.sqlite(stage.folder / "threads.db") as saver:
        graph = chain(engine, 1).compile(checkpointer=saver)

        async def turns(first: int, last: int) -> None:
            for i in range(first, last):
                await graph.ainvoke({"n": 0}, on_thread(f"t{i}"), durability="exit")

        warm, last = 200, stage.size(10_000, 700)
        await turns(0, warm)
        before = resident()
        await turns(warm, last)
        return (resident() - before) / (last - warm) * 1000 / 1024


WORKLOADS = [
    Workload(
        "run-in-flight",
        "memory of a run that waits in its node, 1,000 at once (300 in a quick run)",
        "KiB/run",
        run_in_flight,
        target=Target(limit=16),
        rounds=1,
    ),
    Workload(
        "idle-threads",
        "memory gained per 1,000 threads that ran once, of 10,000 (700 in a quick run)",
        "MiB",
        idle_threads,
        rounds=1,
    ),
]
