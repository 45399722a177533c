"""How soon does a reader see something?"""

from __future__ import annotations

from time import perf_counter

from benchmarks.contenders import Engine
from benchmarks.graphs import chain
from benchmarks.workload import Stage, Target, Workload, median_of


async def first_update(engine: Engine, stage: Stage) -> float:
    graph = chain(engine, 10).compile()

    async def timed() -> float:
        start = perf_counter()
        stream = graph.astream({"n": 0}, stream_mode="updates")
        await anext(stream)
        taken = perf_counter() - start
        await stream.aclose()
        return taken

    return await median_of(timed, stage.size(301, 101)) * 1e6


WORKLOADS = [
    Workload(
        "first-chunk",
        "from the call to the first `updates` chunk",
        "µs",
        first_update,
        target=Target(ratio=5),
    )
]
