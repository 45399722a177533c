"""What does a page of a long history cost its reader, and who writes meanwhile?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.contenders import Engine
from benchmarks.graphs import Messages, Page, loop, on_thread
from benchmarks.workload import Stage, Target, Workload, microseconds

CHECKPOINTS, PAGE, BYTES, MESSAGES = 10_000, 100, 1_000, 1_000


@asynccontextmanager
async def long_thread(engine: Engine, stage: Stage) -> AsyncIterator[Any]:
    """A graph with a thread "long" of that many checkpoints; each has a state of its own."""

    async def step(state: Any) -> dict[str, Any]:
        n = state["n"] + 1
        return {"n": n, "text": f"{n:08d}".ljust(BYTES, ".")}

    count = stage.size(CHECKPOINTS, 1_000)
    async with engine.sqlite(stage.folder / "long.db") as saver:
        graph = loop(engine, count, Page, step).compile(checkpointer=saver)
        await graph.ainvoke({"n": 0, "text": ""}, on_thread("long", count), durability="async")
        yield graph


async def read_page(graph: Any, thread: str = "long") -> list[Any]:
    return [each async for each in graph.aget_state_history(on_thread(thread), limit=PAGE)]


async def page_of_100(engine: Engine, stage: Stage) -> float:
    async with long_thread(engine, stage) as graph:

        async def page() -> None:
            assert len(await read_page(graph)) == PAGE

        return await microseconds(page, 1, stage.size(21, 7)) / 1e3


async def writer_beside_readers(engine: Engine, stage: Stage) -> float:
    """Milliseconds of the slowest of a writer's runs of one step while page after page is read."""
    async with long_thread(engine, stage) as graph:
        waits, over = list[float](), asyncio.Event()

        async def read() -> None:
            for _ in range(stage.size(20, 7)):
                await read_page(graph)
            over.set()

        async def write() -> None:
            while not over.is_set():
                start = perf_counter()
                await graph.ainvoke({"n": 1_000_000}, on_thread("other"), durability="sync")
                waits.append(perf_counter() - start)

        await read_page(graph)
        await asyncio.gather(read(), write())
        return median(waits) * 1e3


async def shared_list(engine: Engine, stage: Stage) -> float:
    """What a page of states that share a long list takes, over a page that has none."""

    async def step(state: Any) -> dict[str, Any]:
        return {"n": state["n"] + 1}

    async with engine.sqlite(stage.folder / "chat.db") as saver:
        graph = loop(engine, PAGE + 20, Messages, step).compile(checkpointer=saver)
        said = [{"role": "user", "content": f"{i:08d}".ljust(100, ".")} for i in range(MESSAGES)]
        for thread, messages in (("long", said), ("short", said[:1])):
            await graph.ainvoke({"n": 0, "messages": messages}, on_thread(thread, PAGE + 20))

        async def page(thread: str, messages: int) -> None:
            found = await read_page(graph, thread)
            assert len(found[-1].values["messages"]) == messages

        repeats = stage.size(21, 9)
        long = await microseconds(partial(page, "long", MESSAGES), 1, repeats)
        return long / await microseconds(partial(page, "short", 1), 1, repeats)


WORKLOADS = [
    Workload(
        "history-page",
        "a page of 100 from a thread of 10,000 checkpoints (1,000 in a quick run) of 1 KB",
        "ms",
        page_of_100,
        target=Target(limit=10),
        rounds=3,
    ),
    Workload(
        "history-writer",
        "a synced run of one step while page after page is read, median",
        "ms",
        writer_beside_readers,
        target=Target(limit=10),
        rounds=3,
    ),
    Workload(
        "history-shared",
        "a page of 100 that share a list of 1,000 messages, over a page that shares one message",
        "× short",
        shared_list,
        target=Target(limit=2),
        rounds=3,
    ),
]
