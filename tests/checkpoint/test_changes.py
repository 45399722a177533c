"""What administration does to the rows of a database file."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from checkpoint import DatabaseError, MemorySaver, SqliteSaver
from checkpoint.story import LONG, Story
from checkpoint.tales import branch, parents_of, picture_of, told
from checkpoint.testing_faults import FaultPlan
from tests.faults.forks import ROOT


def rows(path: Path, statement: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()


TABLES = ("scope", "checkpoint", "pending", "blob", "run", "event", "run_thread")


async def test_a_deleted_thread_leaves_no_row_and_no_name(path: Path) -> None:
    async with SqliteSaver(path) as saver:
        await told(saver, 3, "person@example.org", run_id="run")
        await saver.events.append("run", [(1, b"one")])
        story = await Story.begin(saver, "person@example.org")
        await story.write("task", [("n", LONG)])
        story.end()
        await saver.adelete_thread("person@example.org")
        for table in TABLES:
            assert rows(path, f"SELECT count(*) FROM {table}") == [(0,)]
        assert rows(path, "SELECT count(*) FROM thread WHERE typeof(name)='text'") == [(0,)]


async def test_the_number_of_a_deleted_thread_is_not_given_again(path: Path) -> None:
    numbers: set[object] = set()
    async with SqliteSaver(path) as saver:
        for n in range(5):
            await told(saver, 1, f"thread {n}")
            found = rows(path, "SELECT id FROM thread WHERE typeof(name)='text'")
            assert numbers.isdisjoint(found)
            numbers.update(found)
            await saver.adelete_thread(f"thread {n}")
        assert rows(path, "SELECT count(*) FROM thread") == [(1,)]


async def test_threads_deleted_before_others_leave_nothing_at_all(path: Path) -> None:
    async with SqliteSaver(path) as saver:
        await told(saver, 1, "first")
        await told(saver, 1, "last")
        await saver.adelete_thread("first")
        assert rows(path, "SELECT name FROM thread") == [("last",)]


async def test_a_process_that_held_the_thread_before_it_was_deleted_finds_the_new_one(
    path: Path,
) -> None:
    """It remembers the number of the lock that the thread had."""
    async with SqliteSaver(path) as saver:
        await told(saver, 3)
        script = f"""
import asyncio
from checkpoint import SqliteSaver
from checkpoint.tales import told
async def work():
    async with SqliteSaver({str(path)!r}) as saver:
        await saver.adelete_thread("thread")
        await told(saver, 1, "another")
        await told(saver, 2)
asyncio.run(work())
"""
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, cwd=ROOT)
        assert await process.wait() == 0
        story = await Story.begin(saver)
        assert story.head is not None
        assert story.head.version == 2
        await story.step({"n": "mine"})
        story.end()
        assert len(await parents_of(saver)) == 3
        assert len(await parents_of(saver, "another")) == 1


async def test_rows_that_leaned_on_rows_that_went_stand_by_themselves(path: Path) -> None:
    """Checkpoints store what changed against the row above, and a full map once in 16 rows."""
    async with SqliteSaver(path) as saver:
        records = await told(saver, 50, extra={"user": "u"}, run_id="run")
        fork = await branch(saver, records[20], {"n": 1})
        before = await picture_of(saver, "thread")
        await saver.aprune(["thread"], keep_last=5)
        assert (await picture_of(saver, "thread")).items() <= before.items()
        assert rows(path, "SELECT count(*) FROM checkpoint WHERE depth=0") == [(3,)]
        assert (await parents_of(saver))[fork.id] == records[20].id
    async with SqliteSaver(path) as saver:
        assert (await picture_of(saver, "thread")).items() <= before.items()
        await told(saver, 20)
        assert (await saver.averify()).ok


async def test_what_fails_in_the_middle_changes_nothing(path: Path) -> None:
    async with SqliteSaver(path) as saver:
        await told(saver, 5)
        await told(saver, 5, "other")
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.execute(
                "CREATE TRIGGER no BEFORE DELETE ON checkpoint WHEN old.scope=1"
                " BEGIN SELECT RAISE(ABORT, 'not this one'); END"
            )
        before = [await picture_of(saver, each) for each in ("thread", "other")]
        for operation in (
            saver.aprune(["thread", "other"]),
            saver.aprune(["other", "thread"], strategy="delete"),
            saver.adelete_thread("thread"),
        ):
            with pytest.raises(DatabaseError, match="not this one"):
                await operation
        assert [await picture_of(saver, each) for each in ("thread", "other")] == before
        await told(saver, 1)
        assert len(await parents_of(saver)) == 6


async def test_an_operation_that_is_cancelled_happens_wholly_or_not_at_all(path: Path) -> None:
    async with SqliteSaver(path) as saver:
        outcomes: set[int] = set()
        for turns in range(40):
            await told(saver, 3, f"thread {turns}")
            pruning = asyncio.create_task(saver.aprune([f"thread {turns}"]))
            for _ in range(turns):
                await asyncio.sleep(0)
            pruning.cancel()
            await asyncio.wait([pruning])
            (await Story.begin(saver, f"thread {turns}")).end()  # it is free again
            outcomes.add(len(await parents_of(saver, f"thread {turns}")))
        assert outcomes <= {1, 3}
        assert (await saver.averify()).ok


@pytest.mark.parametrize(
    "operation",
    [
        lambda saver: saver.acopy_thread("thread", "copy"),
        lambda saver: saver.adelete_thread("thread"),
        lambda saver: saver.adelete_for_runs(["run"]),
        lambda saver: saver.aprune(["thread"], keep_last=1),
        lambda saver: saver.aprune(["thread"], strategy="delete"),
    ],
    ids=["copy", "delete", "runs", "prune", "erase"],
)
async def test_an_operation_that_returned_is_on_the_disk(
    operation: Callable[[SqliteSaver], Awaitable[Any]], path: Path
) -> None:
    plan = FaultPlan()
    async with SqliteSaver(path, faults=plan) as saver:
        await told(saver, 3, run_id="run")
        await saver.synced()
        before = plan.passed["synced"]
        await operation(saver)
        assert plan.passed["synced"] > before


async def test_the_events_of_a_run_without_checkpoints_are_deleted_with_it(path: Path) -> None:
    async with SqliteSaver(path) as saver:
        await saver.events.append("run", [(1, b"one")])
        await saver.adelete_for_runs(["run"])
        assert await saver.events.last("run") == 0


async def test_several_threads_are_waited_for_within_one_time_for_all() -> None:
    given: list[float | None] = []

    class Noting(MemorySaver):
        async def claim(self, thread_id: str, owner: str, *, timeout: float | None) -> Any:
            given.append(timeout)
            await asyncio.sleep(0)
            return await super().claim(thread_id, owner, timeout=timeout)

    await Noting().aprune(["a", "b", "c"], timeout=5)
    times = [timeout for timeout in given if timeout is not None]
    assert 5 >= times[0] > times[1] > times[2] > 0
