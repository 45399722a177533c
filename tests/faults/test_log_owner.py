"""The log is moved into the database file by a process's writer and by nobody else: not by readers,
and not by other processes that read, end or die."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from checkpoint import SqliteSaver, SqliteTables
from checkpoint.story import Story
from checkpoint.testing_faults import FaultPlan

ROOT = Path(__file__).parents[2]
LOOKING = """
import asyncio, os, signal, sys
from checkpoint import SqliteSaver, SqliteStore

async def look():
    async with SqliteSaver(sys.argv[1]) as saver, SqliteStore(sys.argv[1]) as store:
        for _ in range(20):
            assert len(await saver.history("thread", "")) > 40
            await store.aget(("a",), "b")
            assert (await saver.averify()).ok
        if sys.argv[2] == "dies":
            os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(look())
"""


def files(path: Path) -> tuple[bytes, bytes]:
    """The database file, and its log; read by another process, as this one would give up all of its
    locks on a file by closing that once."""
    log = path.with_name(f"{path.name}-wal")
    return subprocess.check_output(["cat", path]), subprocess.check_output(["cat", log])


async def stored(saver: SqliteSaver, steps: int) -> None:
    story = await Story.begin(saver)
    for number in range(steps):
        await story.step({"a": number, "big": f"{number}" * 300})
    story.end()


def let_look(path: Path, how: str, count: int) -> None:
    """Let processes read all there is at the same time, and wait for their end."""
    look = [sys.executable, "-c", LOOKING, str(path), how]
    for process in [subprocess.Popen(look, cwd=ROOT) for _ in range(count)]:
        assert process.wait(60) == (0 if how == "ends" else -signal.SIGKILL)


@pytest.mark.parametrize("how", ["ends", "dies"])
async def test_who_reads_moves_nothing_and_no_other_process_does(tmp_path: Path, how: str) -> None:
    path, plan = tmp_path / "threads.db", FaultPlan()
    async with SqliteSaver(path, faults=plan) as saver:
        await stored(saver, 45)
        let_look(path, how, 1)  # makes the store's tables
        moved = plan.passed["moving"]
        database, log = files(path)
        assert len(log) > 100_000

        for _ in range(20):
            assert len(await saver.history("thread", "")) == 45
            assert (await saver.averify()).ok
        let_look(path, how, 2)

        assert plan.passed["moving"] == moved
        assert files(path) == (database, log)
        while plan.passed["moved"] == moved:
            await stored(saver, 20)
        assert files(path)[0] != database
        assert (await saver.averify()).ok


async def test_no_connection_moves_the_log_by_itself(tmp_path: Path) -> None:
    find = "PRAGMA wal_autocheckpoint"
    async with SqliteTables(tmp_path / "threads.db", []) as tables:
        for ask in (tables.read, tables.write):
            assert await ask(lambda db: db.execute(find).fetchone()) == (0,)
