"""An entrypoint whose tasks crash tests kill: at once, nested, in threads, one after another."""

from __future__ import annotations

import asyncio
from typing import Any

from actors import CompiledGraph, entrypoint, task
from checkpoint import Saver
from tests.faults.work import Effects

TOPIC = "understudies"
WORKERS = 3
TASKS = [*(f"work {i}" for i in range(WORKERS)), "deep", "deep 0", "deep 1", "sync", "last"]
"""What runs, by what it notes."""
RESULT = {
    "works": [f"work {i} on {TOPIC}" for i in range(WORKERS)],
    "deep": [f"deep 0 on {TOPIC}", f"deep 1 on {TOPIC}"],
    "rest": [f"sync on {TOPIC}", f"last on {TOPIC}"],
}


def flow_of(effects: Effects, saver: Saver) -> CompiledGraph:
    """The entrypoint; each task says in the effects file that it runs, before it works."""

    @task
    async def work(key: str, topic: str) -> str:
        effects.note(key)
        await asyncio.sleep(0)
        return f"{key} on {topic}"

    @task
    def in_thread(key: str, topic: str) -> str:
        effects.note(key)
        return f"{key} on {topic}"

    @task
    async def deep(topic: str) -> list[str]:
        effects.note("deep")
        return [await work("deep 0", topic), await in_thread("deep 1", topic)]

    @entrypoint(checkpointer=saver)
    async def flow(topic: str) -> dict[str, Any]:
        works = await asyncio.gather(*(work(f"work {i}", topic) for i in range(WORKERS)))
        below = await deep(topic)
        rest = [await in_thread("sync", topic), await work("last", topic)]
        return {"works": works, "deep": below, "rest": rest}

    return flow
