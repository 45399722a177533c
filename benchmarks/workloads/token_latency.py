"""How much later does a reader of `messages` get a token than who reads the client itself?"""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from statistics import median
from time import perf_counter
from typing import Any

from benchmarks.contenders import Engine
from benchmarks.graphs import Count
from benchmarks.workload import Stage, Target, Workload

CONVERSATIONS = 5
"""With the graph, and as many with the client at the same time: what stalls one stalls both."""


@contextmanager
def service() -> Iterator[Any]:
    """A model of the real client for a service in a process of its own."""
    from langchain_openai import ChatOpenAI

    command = [sys.executable, "-m", "benchmarks.token_server"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as done:
        assert done.stdin is not None
        assert done.stdout is not None
        port = int(done.stdout.readline())
        yield ChatOpenAI(model="m", api_key="none", base_url=f"http://127.0.0.1:{port}/v1")
        done.stdin.close()


async def delays(texts: AsyncIterator[str]) -> list[float]:
    """Seconds from the writing of each token to its reading."""
    return [perf_counter() - float(text) async for text in texts if text.strip()]


async def from_the_client(model: Any) -> AsyncIterator[str]:
    async for piece in model.astream("hi"):
        yield piece.content


async def from_the_graph(graph: Any) -> AsyncIterator[str]:
    async for piece, _ in graph.astream({"n": 0}, stream_mode="messages"):
        yield piece.content


async def at_once(read: Any, what: Any) -> list[float]:
    """The delays of several conversations at once."""
    several = await asyncio.gather(*(delays(read(what)) for _ in range(CONVERSATIONS)))
    return [each for one in several for each in one]


def p99(found: list[float]) -> float:
    return sorted(found)[len(found) * 99 // 100]


async def later_than_the_client(engine: Engine, stage: Stage) -> float:
    with service() as model:

        async def talk(state: Any) -> None:
            await model.ainvoke("hi")

        builder = engine.StateGraph(Count).add_node("talk", talk).add_edge(engine.START, "talk")
        graph, later = builder.compile(), list[float]()
        await at_once(from_the_graph, graph)
        gc.collect()
        gc.freeze()  # the libraries' own objects, which take 20 ms to go through
        for _ in range(stage.size(11, 3)):
            direct, shown = await asyncio.gather(
                at_once(from_the_client, model), at_once(from_the_graph, graph)
            )
            later.append(p99(shown) - p99(direct))
        return median(later) * 1e3


WORKLOADS = [
    Workload(
        "token-latency",
        "from the service's write to the reader of `messages`, beyond reading ChatOpenAI itself: "
        "99th percentile of 5 conversations, beside 5 with the client",
        "ms",
        later_than_the_client,
        target=Target(limit=2),
        rounds=3,
    )
]
