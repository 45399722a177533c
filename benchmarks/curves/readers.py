"""More readers of one run."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from benchmarks.contenders import Engine
from benchmarks.graphs import counted, talking
from benchmarks.growth import Curve, Probe

CHUNKS, BURST = 200, 20


@asynccontextmanager
async def subscribers(engine: Engine, folder: Path, size: int) -> AsyncIterator[Probe]:
    """A custom chunk of one run, to each of so many readers."""
    from actors import ActorSystem

    graph, times = talking(engine, CHUNKS, BURST).compile(), max(1, 30 // size)
    async with ActorSystem() as system:

        async def run() -> None:
            for _ in range(times):
                talking = await system.start(graph, {"n": 0}, stream_mode="custom")
                streams = [talking.stream("custom") for _ in range(size)]
                assert set(await asyncio.gather(*map(counted, streams))) == {CHUNKS}

        yield Probe(run, size * CHUNKS * times)


CURVES = [
    Curve(
        "readers",
        "a custom chunk to each reader of a run",
        "readers",
        subscribers,
        (1, 10, 100, 1_000),
        (1, 300),
        0.15,
        quick=100,
    )
]
