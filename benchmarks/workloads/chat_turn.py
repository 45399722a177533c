"""What does a turn cost when a chat has grown long?"""

from __future__ import annotations

from statistics import median
from time import perf_counter

from benchmarks.contenders import Engine
from benchmarks.graphs import chat, message, on_thread
from benchmarks.workload import Stage, Target, Workload

TURNS, LAST = 200, 11


async def turn_200(engine: Engine, stage: Stage) -> float:
    times = list[float]()
    async with engine.sqlite(stage.folder / "chat.db") as saver:
        graph = chat(engine).compile(checkpointer=saver)
        for turn in range(TURNS + LAST // 2):
            start = perf_counter()
            await graph.ainvoke({"messages": [message("user", 2 * turn)]}, on_thread("chat"))
            times.append(perf_counter() - start)
    return median(times[-LAST:]) * 1e3


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
