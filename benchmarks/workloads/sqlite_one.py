"""What does a durable step cost on one thread?"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.contenders import OURS, Engine, load
from benchmarks.graphs import loop, on_thread
from benchmarks.workload import Stage, Target, Workload, microseconds

STEPS = 100
TARGETS = {
    "sync": Target(ratio=2.5, of_bare=1.5),
    "async": Target(ratio=10),
    "exit": Target(ratio=6),
}


async def one_thread(engine: Engine, stage: Stage, *, durability: Any) -> float:
    threads = count()
    async with engine.sqlite(stage.folder / "threads.db") as saver:
        graph = loop(engine, STEPS).compile(checkpointer=saver)

        async def run() -> None:
            config = on_thread(f"t{next(threads)}", STEPS)
            await graph.ainvoke({"n": 0}, config, durability=durability)

        return await microseconds(run, STEPS, stage.size(7, 3))


async def synced_commits(stage: Stage) -> float:
    """A commit of sqlite3 itself per step, each flushed, of a row as large as ours are."""
    row = b"." * await _bytes_of_a_step(stage.folder)
    path = stage.folder / "bare.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL").fetchone()
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE row (id INTEGER PRIMARY KEY, data BLOB)")

        async def run() -> None:
            for _ in range(STEPS):
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("INSERT INTO row (data) VALUES (?)", (row,))
                connection.execute("COMMIT")

        return await microseconds(run, STEPS, stage.size(7, 3))


async def _bytes_of_a_step(folder: Path) -> int:
    """What our rows of a step hold."""
    path = folder / "ours.db"
    engine = load(OURS)
    async with engine.sqlite(path) as saver:
        graph = loop(engine, STEPS).compile(checkpointer=saver)
        await graph.ainvoke({"n": 0}, on_thread("one", STEPS))
    with closing(sqlite3.connect(path)) as connection:
        tables = ("checkpoint", "blob", "pending")
        held = [_sum(connection, f"SELECT sum(length(data)) FROM {name}") for name in tables]
    return sum(held) // STEPS


def _sum(connection: sqlite3.Connection, question: str) -> int:
    return connection.execute(question).fetchone()[0] or 0


WORKLOADS = [
    Workload(
        f"sqlite-{durability}",
        f'a step of one thread in SQLite, durability "{durability}"'
        + ("; bare: one synced commit of as many bytes" if durability == "sync" else ""),
        "µs/step",
        partial(one_thread, durability=durability),
        synced_commits if durability == "sync" else None,
        target,
    )
    for durability, target in TARGETS.items()
]
