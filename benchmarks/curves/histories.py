"""Threads that grow: more checkpoints in SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.contenders import Engine
from benchmarks.graphs import Count, on_thread, step
from benchmarks.growth import Curve, Probe

SIZES = (100, 1_000, 10_000, 100_000)
STEPS, PAGE = 20, 50


@asynccontextmanager
async def grown(engine: Engine, folder: Path, size: int) -> AsyncIterator[Any]:
    """A loop on a thread of so many checkpoints; it goes on for `STEPS` whenever it runs."""
    left = size

    async def path(state: Any) -> str:
        nonlocal left
        left -= 1
        return "step" if left > 0 else engine.END

    builder = engine.StateGraph(Count).add_node("step", step).add_edge(engine.START, "step")
    builder.add_conditional_edges("step", path, ["step", engine.END])
    async with engine.sqlite(folder / "x.db") as saver:
        graph = builder.compile(checkpointer=saver)

        async def run(steps: int) -> None:
            nonlocal left
            left = steps
            await graph.ainvoke({"n": 0}, on_thread("long", steps), durability="async")

        await run(size)
        yield graph, run


@asynccontextmanager
async def history(engine: Engine, folder: Path, size: int) -> AsyncIterator[Probe]:
    """A step of a run on such a thread, what loads the thread included."""
    async with grown(engine, folder, size) as (_, run):
        yield Probe(lambda: run(STEPS), STEPS)


@asynccontextmanager
async def page(engine: Engine, folder: Path, size: int) -> AsyncIterator[Probe]:
    """A checkpoint of the newest page of such a thread."""
    async with grown(engine, folder, size) as (graph, _):

        async def read() -> None:
            pages = graph.aget_state_history(on_thread("long"), limit=PAGE)
            assert len([each async for each in pages]) == PAGE

        yield Probe(read, PAGE)


CURVES = [
    Curve(
        "history",
        "a step on a long thread, SQLite",
        "checkpoints of the thread",
        history,
        SIZES,
        (100, 5_000),
        0.2,
        quick=1_000,
    ),
    Curve(
        "page",
        f"a checkpoint of the newest {PAGE} of a long thread, SQLite",
        "checkpoints of the thread",
        page,
        SIZES,
        (100, 5_000),
        0.2,
        quick=1_000,
    ),
]
