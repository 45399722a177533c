"""More runs at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.contenders import Engine
from benchmarks.graphs import loop, on_thread
from benchmarks.growth import Curve, Probe

STEPS = 10


@asynccontextmanager
async def concurrent(engine: Engine, folder: Path, size: int) -> AsyncIterator[Probe]:
    """A step of so many runs at once, nothing stored."""
    graph, times = loop(engine, STEPS).compile(), max(1, 100 // size)

    async def run() -> None:
        for _ in range(times):
            await asyncio.gather(*(graph.ainvoke({"n": 0}) for _ in range(size)))

    yield Probe(run, size * STEPS * times)


@asynccontextmanager
async def stored(engine: Engine, folder: Path, size: int) -> AsyncIterator[Probe]:
    """A step of so many threads at once in SQLite."""
    times = max(1, 20 // size)
    turn = 0
    async with engine.sqlite(folder / "x.db") as saver:
        graph = loop(engine, STEPS).compile(checkpointer=saver)

        async def run() -> None:
            nonlocal turn
            for _ in range(times):
                turn += 1
                configs = [on_thread(f"{turn}-{i}", STEPS) for i in range(size)]
                await asyncio.gather(*(graph.ainvoke({"n": 0}, config) for config in configs))

        yield Probe(run, size * STEPS * times)


CURVES = [
    Curve(
        "runs",
        "a step of many runs at once, nothing stored",
        "runs at once",
        concurrent,
        (1, 10, 100, 1_000, 10_000),
        (1, 1_000),
        0.15,
        quick=1_000,
        theirs=100,
    ),
    Curve(
        "threads",
        "a step of many threads at once, SQLite",
        "threads at once",
        stored,
        (1, 10, 100, 1_000),
        (1, 300),
        0.15,
        quick=100,
        theirs=100,
    ),
]
