"""How much disk does a chat take, compared with what was said in it?"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import cast

import msgpack

from benchmarks.contenders import Engine
from benchmarks.graphs import chat, message, on_thread
from benchmarks.workload import Stage, Target, Workload

TURNS = 200


async def chat_of_200_turns(engine: Engine, stage: Stage) -> float:
    path, turns = stage.folder / "chat.db", stage.size(TURNS, 60)
    async with engine.sqlite(path) as saver:
        graph = chat(engine).compile(checkpointer=saver)
        for turn in range(turns):
            await graph.ainvoke({"messages": [message("user", 2 * turn)]}, on_thread("chat"))
        said = (await graph.aget_state(on_thread("chat"))).values
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    stored = sum(each.stat().st_size for each in stage.folder.glob("chat.db*") if each.is_file())
    return stored / len(cast(bytes, msgpack.packb(said["messages"])))


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
