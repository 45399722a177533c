"""What do a thousand threads at once cost, in time and in memory?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

from benchmarks.contenders import OURS, Engine
from benchmarks.graphs import loop, on_thread
from benchmarks.workload import Stage, Target, Workload, resident

THREADS, STEPS = 1_000, 20


async def thousand_threads(engine: Engine, stage: Stage) -> float:
    threads, steps = stage.size(THREADS, 100), stage.size(STEPS, 7)
    async with engine.sqlite(stage.folder / "threads.db") as saver:
        graph = loop(engine, steps).compile(checkpointer=saver)
        await _all_at_once(graph, 20, steps)("warm")
        start = perf_counter()
        await _all_at_once(graph, threads, steps)("one")
        return (perf_counter() - start) / (threads * steps) * 1e6


async def memory_of_more(engine: Engine, stage: Stage) -> float:
    """MiB gained from the second to the fourth time that so many threads have run."""
    async with engine.sqlite(stage.folder / "threads.db") as saver:
        graph = loop(engine, STEPS).compile(checkpointer=saver)
        run = _all_at_once(graph, stage.size(THREADS, 100), STEPS)
        await run("one")
        await run("two")
        before = resident()
        await run("three")
        await run("four")
        return (resident() - before) / 1024


def _all_at_once(graph: Any, threads: int, steps: int) -> Callable[[str], Awaitable[None]]:
    async def run(turn: str) -> None:
        configs = [on_thread(f"{turn}-{i}", steps) for i in range(threads)]
        await asyncio.gather(
            *(graph.ainvoke({"n": 0}, each, durability="sync") for each in configs)
        )

    return run


WORKLOADS = [
    Workload(
        "sqlite-1000",
        'a step of 1,000 threads at once (100 in a quick run) in SQLite, durability "sync"',
        "µs/step",
        thousand_threads,
        target=Target(ratio=15),
        rounds=2,
    ),
    Workload(
        "sqlite-1000-memory",
        "memory gained by 2,000 more threads (200 in a quick run), after as many",
        "MiB",
        memory_of_more,
        target=Target(limit=8),
        rounds=1,
        engines=(OURS,),
    ),
]
