"""What does a turn cost when a chat has grown long?"""

from __future__ import annotations

import operator
from statistics import median
from time import perf_counter
from typing import Annotated, Any, TypedDict

from benchmarks.contenders import Engine
from benchmarks.graphs import on_thread
from benchmarks.workload import Stage, Target, Workload

TURNS, LAST, BYTES = 200, 11, 800


class Chat(TypedDict):
    messages: Annotated[list[dict[str, str]], operator.add]


async def turn_200(engine: Engine, stage: Stage) -> float:
    async def reply(state: Any) -> dict[str, Any]:
        return {"messages": [_message("assistant", len(state["messages"]))]}

    builder = engine.StateGraph(Chat).add_node("reply", reply).add_edge(engine.START, "reply")
    times = list[float]()
    async with engine.sqlite(stage.folder / "chat.db") as saver:
        graph = builder.compile(checkpointer=saver)
        for turn in range(TURNS + LAST // 2):
            start = perf_counter()
            await graph.ainvoke({"messages": [_message("user", 2 * turn)]}, on_thread("chat"))
            times.append(perf_counter() - start)
    return median(times[-LAST:]) * 1e3


def _message(role: str, number: int) -> dict[str, str]:
    """Half a turn; no two messages are alike."""
    return {"role": role, "content": f"{number:08d}".ljust(BYTES // 2, ".")}


WORKLOADS = [
    Workload(
        "chat-turn",
        "turn 200 of a chat of turns of 800 bytes in SQLite, median of the eleven around it",
        "ms/turn",
        turn_200,
        target=Target(ratio=10),
        rounds=3,
    )
]
