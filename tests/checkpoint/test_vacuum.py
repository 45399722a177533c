"""Packing a database file."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from checkpoint import DatabaseBusyError, InvalidLimitError, SqliteSaver
from checkpoint.story import LONG, Story, values_of
from checkpoint.tales import parents_of, told
from checkpoint.vacuum import wait_at_most

SECRET = b"nobody must find this"


def size_of(path: Path) -> int:
    """Bytes of the database and its log."""
    return sum(each.stat().st_size for each in path.parent.glob(f"{path.name}*") if _is_data(each))


def _is_data(path: Path) -> bool:
    return path.name.endswith((".db", "-wal"))


async def fill(saver: SqliteSaver, threads: int = 20) -> None:
    for n in range(threads):
        story = await Story.begin(saver, f"thread {n}")
        for step in range(10):
            await story.step({"text": f"{step} {SECRET.decode()} {LONG * 20}"})
        story.end()


def test_what_was_deleted_leaves_the_file_and_the_log(path: Path) -> None:
    with SqliteSaver(path) as saver:
        asyncio.run(fill(saver))
        full = size_of(path)
        assert full > 1_000_000
        saver.prune([f"thread {n}" for n in range(20)], strategy="delete")
        asyncio.run(told(saver, 3))
        assert size_of(path) >= full
        packed = saver.vacuum()
        assert size_of(path) == packed.after < 60_000
        assert packed.before >= full
        assert path.with_name("threads.db-wal").stat().st_size == 0
        assert asyncio.run(values_of(saver))
        assert saver.verify().ok
    assert SECRET not in path.read_bytes()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_threads_that_are_held_go_on_while_it_is_packed(path: Path) -> None:
    async with SqliteSaver(path) as one, SqliteSaver(path) as two:
        story = await Story.begin(one)
        steps = [asyncio.create_task(story.step({"n": LONG}))]
        packing = asyncio.create_task(two.avacuum())
        await asyncio.gather(*steps)
        await packing
        await story.step({"n": 2})
        story.end()
        await one.synced()
        await told(two, 3)
        assert await values_of(one) is not None
        assert len(await parents_of(two)) == 5


@pytest.fixture
def reader(path: Path) -> Iterator[sqlite3.Connection]:
    """Another process in the middle of a read."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def test_who_reads_is_waited_for_and_nothing_is_changed_if_that_takes_too_long(
    path: Path, reader: sqlite3.Connection
) -> None:
    with SqliteSaver(path) as saver:
        asyncio.run(told(saver, 3))
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM checkpoint").fetchone()
        asyncio.run(told(saver, 3))
        before = size_of(path)
        with pytest.raises(DatabaseBusyError, match=r"threads\.db.*nothing was changed"):
            saver.vacuum(timeout=0)
        assert size_of(path) < 1.2 * before
        assert len(asyncio.run(parents_of(saver))) == 6
        asyncio.run(told(saver, 3))
        reader.execute("ROLLBACK")
        saver.vacuum(timeout=0)
        assert len(asyncio.run(parents_of(saver))) == 9


async def test_a_private_database_is_packed_too() -> None:
    async with SqliteSaver(":memory:") as saver:
        await fill(saver, 3)
        await saver.aprune([f"thread {n}" for n in range(3)], strategy="delete")
        packed = await saver.avacuum()
        assert packed.after < packed.before / 2


@pytest.mark.parametrize("timeout", [-1, True, "soon", float("nan")])
def test_a_timeout_that_cannot_be_is_refused(path: Path, timeout: Any) -> None:
    with SqliteSaver(path) as saver, pytest.raises(InvalidLimitError, match="timeout="):
        saver.vacuum(timeout=timeout)


@pytest.mark.parametrize("timeout", [0, 5, 1e7, 1e300])
def test_a_long_timeout_is_not_taken_for_none(timeout: float) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        wait_at_most(connection, timeout)
        (milliseconds,) = connection.execute("PRAGMA busy_timeout").fetchone()
        assert milliseconds == min(timeout, 2e6) * 1000
