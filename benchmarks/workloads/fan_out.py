"""What does a task cost when one step has a thousand of them?"""

from __future__ import annotations

import asyncio
import operator
from functools import partial
from typing import Annotated, Any, TypedDict

from benchmarks.contenders import Engine
from benchmarks.workload import Stage, Target, Workload, microseconds

SENDS = 1000


class Jobs(TypedDict):
    count: int
    done: Annotated[list[int], operator.add]


async def work(job: Any) -> dict[str, Any]:
    return {"done": [job["i"]]}


async def thousand_sends(engine: Engine, stage: Stage) -> float:
    def path(state: Any) -> list[Any]:
        return [engine.Send("work", {"i": i}) for i in range(state["count"])]

    builder = engine.StateGraph(Jobs).add_node("work", work)
    graph = builder.add_conditional_edges(engine.START, path, ["work"]).compile()
    run = partial(graph.ainvoke, {"count": SENDS, "done": []})
    return await microseconds(run, SENDS, stage.size(7, 3))


async def gather(stage: Stage) -> float:
    async def run() -> None:
        await asyncio.gather(*(work({"i": i}) for i in range(SENDS)))

    return await microseconds(run, SENDS, stage.size(7, 3))


WORKLOADS = [
    Workload(
        "sends",
        "a task of a fan-out of 1,000 Sends",
        "µs/task",
        thousand_sends,
        gather,
        Target(ratio=8),
    )
]
