"""How much disk does a chat take, compared with what was said in it?"""

from __future__ import annotations

import operator
import sqlite3
from contextlib import closing
from typing import Annotated, Any, TypedDict, cast

import msgpack

from benchmarks.contenders import Engine
from benchmarks.graphs import on_thread
from benchmarks.workload import Stage, Target, Workload

TURNS, BYTES = 200, 800


class Chat(TypedDict):
    messages: Annotated[list[dict[str, str]], operator.add]


async def chat_of_200_turns(engine: Engine, stage: Stage) -> float:
    async def reply(state: Any) -> dict[str, Any]:
        return {"messages": [_message("assistant", len(state["messages"]))]}

    path, turns = stage.folder / "chat.db", stage.size(TURNS, 60)
    builder = engine.StateGraph(Chat).add_node("reply", reply).add_edge(engine.START, "reply")
    async with engine.sqlite(path) as saver:
        graph = builder.compile(checkpointer=saver)
        for turn in range(turns):
            await graph.ainvoke({"messages": [_message("user", 2 * turn)]}, on_thread("chat"))
        said = (await graph.aget_state(on_thread("chat"))).values
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    stored = sum(each.stat().st_size for each in stage.folder.glob("chat.db*") if each.is_file())
    return stored / len(cast(bytes, msgpack.packb(said["messages"])))


def _message(role: str, number: int) -> dict[str, str]:
    """Half a turn; no two messages are alike."""
    return {"role": role, "content": f"{number:08d}".ljust(BYTES // 2, ".")}


WORKLOADS = [
    Workload(
        "disk",
        "bytes on disk of a chat of 200 turns of 800 bytes (60 turns in a quick run)",
        "× payload",
        chat_of_200_turns,
        target=Target(limit=2.5),
        rounds=1,
    )
]
