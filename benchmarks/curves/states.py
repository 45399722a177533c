"""States that grow, on a thread in SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.contenders import Engine
from benchmarks.graphs import Messages, Page, loop, on_thread
from benchmarks.growth import Curve, Probe

KIB = 1024
SIZES = (KIB, 10 * KIB, 100 * KIB, KIB * KIB, 10 * KIB * KIB)
STEPS = 20


@asynccontextmanager
async def untouched(engine: Engine, folder: Path, size: int) -> AsyncIterator[Probe]:
    """A step that leaves a value of so many bytes as it is; the run's first steps store it."""

    async def step(state: Page) -> dict[str, Any]:
        return {"n": state["n"] + 1}

    async with _steps(engine, folder, Page, step, 400) as graph:
        yield _run(graph, {"n": 0, "text": "." * size}, 400)


@asynccontextmanager
async def changed(engine: Engine, folder: Path, size: int) -> AsyncIterator[Probe]:
    """A step that changes a value of so many bytes."""

    async def step(state: Page) -> dict[str, Any]:
        n = state["n"] + 1
        return {"n": n, "text": f"{n:08d}".ljust(size, ".")}

    async with _steps(engine, folder, Page, step, STEPS) as graph:
        yield _run(graph, {"n": 0, "text": ""}, STEPS)


@asynccontextmanager
async def messages(engine: Engine, folder: Path, size: int) -> AsyncIterator[Probe]:
    """A step that adds a message to so many."""

    async def step(state: Messages) -> dict[str, Any]:
        n = state["n"] + 1
        return {"n": n, "messages": [{"role": "user", "content": f"message {n}"}]}

    said = [{"role": "user", "content": f"said {i}"} for i in range(size)]
    async with _steps(engine, folder, Messages, step, 400) as graph:
        yield _run(graph, {"n": 0, "messages": said}, 400)


@asynccontextmanager
async def _steps(
    engine: Engine, folder: Path, schema: Any, step: Any, steps: int
) -> AsyncIterator[Any]:
    async with engine.sqlite(folder / "x.db") as saver:
        yield loop(engine, steps, schema, step).compile(checkpointer=saver)


def _run(graph: Any, given: dict[str, Any], steps: int) -> Probe:
    threads = count()

    async def run() -> None:
        await graph.ainvoke(given, on_thread(f"t{next(threads)}", steps), durability="async")

    return Probe(run, steps)


CURVES = [
    Curve(
        "untouched",
        "a step that leaves a value as it is, SQLite",
        "bytes of the value",
        untouched,
        SIZES,
        (KIB, KIB * KIB),
        0.2,
        quick=KIB * KIB,
    ),
    Curve(
        "changed",
        "a step that changes a value, SQLite",
        "bytes of the value",
        changed,
        SIZES,
        (KIB, KIB * KIB),
        1.0,
        quick=KIB * KIB,
        theirs=KIB * KIB,
    ),
    Curve(
        "messages",
        "a step that adds a message to a list, SQLite",
        "messages in the list",
        messages,
        (10, 100, 1_000, 10_000),
        (10, 3_000),
        0.4,
        quick=1_000,
    ),
]
