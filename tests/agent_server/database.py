"""A server's database for tests: the tables, the saver and the store of one real file."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from agent_server.tables import GONE, RUN, server_tables
from checkpoint import SqliteSaver, SqliteStore, SqliteTables


@dataclass(frozen=True, slots=True)
class Database:
    tables: SqliteTables
    saver: SqliteSaver
    store: SqliteStore


@asynccontextmanager
async def opened(path: Path) -> AsyncIterator[Database]:
    file = path / "server.db"
    async with (
        server_tables(file) as tables,
        SqliteSaver(file) as saver,
        SqliteStore(file) as store,
    ):
        yield Database(tables, saver, store)


class Clock:
    """A clock that tests set: each reading is a microsecond after the one before."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        self.now += 1e-6
        return self.now


def keep_run(db: sqlite3.Connection, run_id: str, thread_id: str, status: str) -> None:
    """Store the row of a run that no process knows of."""
    place = (run_id, thread_id, "a", "g", 0.0, 0.0, status, "enqueue")
    db.execute(RUN.insert, (*place, 0, 0.0, 0, 0, "{}", "{}", None, None, None))


def leave_checkpoints(db: sqlite3.Connection, thread_id: str) -> None:
    """Note, as older versions did, that there may be checkpoints of a thread without a row."""
    db.execute(GONE.insert, (thread_id,))


def rewrite_runs(db: sqlite3.Connection, where: str = "1", **changes: str) -> None:
    """Let rows of runs tell something else."""
    db.execute(RUN.update(where, **changes))
