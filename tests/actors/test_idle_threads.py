"""Threads that nobody runs cost the process nothing: what is remembered of them is bounded."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import TypedDict

from actors import START, CompiledGraph, StateGraph
from checkpoint import SqliteSaver

REMEMBERED = 1_100
"""A little more than the saver remembers."""
IDLE = 400


class State(TypedDict):
    n: int


async def count(state: State) -> State:
    return {"n": state["n"] + 1}


async def run_threads(graph: CompiledGraph, numbers: range) -> None:
    for number in numbers:
        await graph.ainvoke({"n": number}, {"configurable": {"thread_id": f"thread {number}"}})


def objects() -> int:
    """How many there are; sqlite3 lets two hundred dead references to its cursors come together."""
    gc.collect()
    dead = [one for one in gc.get_objects() if isinstance(one, weakref.ref) and one() is None]
    return len(gc.get_objects()) - len(dead)


async def test_idle_threads_leave_nothing_behind_in_the_process(tmp_path: Path) -> None:
    async with SqliteSaver(tmp_path / "threads.db") as saver:
        graph = StateGraph(State).add_node("count", count).add_edge(START, "count")
        compiled = graph.compile(checkpointer=saver)
        await run_threads(compiled, range(REMEMBERED))
        before = objects()
        await run_threads(compiled, range(REMEMBERED, REMEMBERED + IDLE))
        after = objects()
    assert after - before < IDLE / 10
