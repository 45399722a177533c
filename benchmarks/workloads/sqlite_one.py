"""What does a durable step cost on one thread?"""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import Any

from benchmarks.contenders import Engine
from benchmarks.graphs import loop, on_thread
from benchmarks.workload import Stage, Workload, microseconds

STEPS = 100


async def one_thread(engine: Engine, stage: Stage, *, durability: Any) -> float:
    threads = count()
    async with engine.sqlite(stage.folder / "threads.db") as saver:
        graph = loop(engine, STEPS).compile(checkpointer=saver)

        async def run() -> None:
            config = on_thread(f"t{next(threads)}", STEPS)
            await graph.ainvoke({"n": 0}, config, durability=durability)

        return await microseconds(run, STEPS, stage.size(7, 3))


WORKLOADS = [
    Workload(
        f"sqlite-{durability}",
        f'a step of one thread in SQLite, durability "{durability}"',
        "µs/step",
        partial(one_thread, durability=durability),
    )
    for durability in ("sync", "async", "exit")
]
