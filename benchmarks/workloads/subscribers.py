"""What does a chunk cost when a hundred readers of one run get it?"""

from __future__ import annotations

import asyncio

from benchmarks.contenders import OURS, Engine
from benchmarks.graphs import counted, talking
from benchmarks.workload import Stage, Target, Workload, microseconds

READERS, CHUNKS, BURST = 100, 1_000, 50


async def hundred_readers(engine: Engine, stage: Stage) -> float:
    from actors import ActorSystem

    graph = talking(engine, CHUNKS, BURST).compile()
    async with ActorSystem() as system:

        async def turn() -> None:
            run = await system.start(graph, {"n": 0}, stream_mode="custom")
            read = await asyncio.gather(*(counted(run.stream("custom")) for _ in range(READERS)))
            assert set(read) == {CHUNKS}

        return await microseconds(turn, READERS * CHUNKS, stage.size(7, 3))


async def hundred_queues(stage: Stage) -> float:
    """Appended to as many queues, and taken from them."""

    async def take(queue: asyncio.Queue[int | None]) -> int:
        found = 0
        while await queue.get() is not None:
            found += 1
        return found

    async def talk(queues: list[asyncio.Queue[int | None]]) -> None:
        for i in range(CHUNKS):
            for queue in queues:
                queue.put_nowait(i)
            if i % BURST == 0:
                await asyncio.sleep(0)
        for queue in queues:
            queue.put_nowait(None)

    async def turn() -> None:
        queues: list[asyncio.Queue[int | None]] = [asyncio.Queue() for _ in range(READERS)]
        _, *read = await asyncio.gather(talk(queues), *map(take, queues))
        assert set(read) == {CHUNKS}

    return await microseconds(turn, READERS * CHUNKS, stage.size(7, 3))


WORKLOADS = [
    Workload(
        "subscribers",
        "a custom chunk of one run to each of 100 readers; bare: 100 queues and their readers",
        "µs/chunk",
        hundred_readers,
        hundred_queues,
        Target(of_bare=2),
        engines=(OURS,),
    )
]
