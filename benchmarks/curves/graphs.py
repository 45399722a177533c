"""Graphs that grow: more nodes, more channels."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.contenders import Engine
from benchmarks.graphs import Count, chain
from benchmarks.growth import Curve, Probe

SIZES = (10, 30, 100, 300, 1_000, 3_000)
STEPS = 500
"""Of a run that is given all channels: so many that this weighs little."""


@asynccontextmanager
async def nodes(engine: Engine, folder: Path, size: int) -> AsyncIterator[Probe]:
    """A step of a chain of so many nodes."""
    graph, times = chain(engine, size).compile(), max(1, 300 // size)

    async def run() -> None:
        for _ in range(times):
            await graph.ainvoke({"n": 0}, {"recursion_limit": size + 10})

    yield Probe(run, size * times)


@asynccontextmanager
async def building(engine: Engine, folder: Path, size: int) -> AsyncIterator[Probe]:
    """A node of a chain that is built and compiled."""
    times = max(1, 300 // size)

    async def run() -> None:
        for _ in range(times):
            chain(engine, size).compile()

    yield Probe(run, size * times)


@asynccontextmanager
async def channels(engine: Engine, folder: Path, size: int) -> AsyncIterator[Probe]:
    """A step that changes one of so many channels, by a node that reads that one."""
    keys = [f"key{i}" for i in range(size)]
    schema: Any = type("Wide", (dict,), {"__annotations__": dict.fromkeys(["n", *keys], int)})

    async def node(state: Count) -> dict[str, Any]:
        return {"n": state["n"] + 1}

    async def path(state: Count) -> str:
        return engine.END if state["n"] >= STEPS else "node"

    builder = engine.StateGraph(schema).add_node("node", node, input_schema=Count)
    builder.add_edge(engine.START, "node").add_conditional_edges("node", path, ["node", engine.END])
    given = dict.fromkeys(["n", *keys], 0)
    run = partial(builder.compile().ainvoke, given, {"recursion_limit": STEPS + 10})
    yield Probe(run, STEPS)


CURVES = [
    Curve("nodes", "a step of a chain", "nodes", nodes, SIZES, (10, 3_000), 0.2, theirs=300),
    Curve(
        "building",
        "a node of a chain, built and compiled",
        "nodes",
        building,
        SIZES,
        (10, 3_000),
        0.2,
        theirs=1_000,
    ),
    Curve(
        "channels",
        "a step that reads and changes one channel",
        "channels",
        channels,
        SIZES,
        (10, 1_000),
        0.2,
        theirs=1_000,
    ),
]
