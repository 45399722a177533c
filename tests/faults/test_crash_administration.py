"""SIGKILL in the middle of copying, deleting and pruning: all of it happened, or nothing."""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from checkpoint import EventRow, SqliteSaver
from checkpoint.story import LONG, Story
from checkpoint.tales import branch, child_step, picture_of, told
from tests.faults.forks import KILLED, Child, ForkServer
from tests.faults.scale import some

SPACES = ("", "node:1", "memory")
THREADS = ("thread", "other", "copy")


@dataclass(frozen=True)
class Operation:
    name: str
    arguments: tuple[Any, ...]


OPERATIONS = {
    "copy": Operation("acopy_thread", ("thread", "copy")),
    "delete": Operation("adelete_thread", ("thread",)),
    "prune two": Operation("aprune", (["thread", "other"],)),
    "delete a run": Operation("adelete_for_runs", (["one", "three"],)),
}


async def write(path: Path) -> None:
    """Threads with runs, a branch, subgraphs, pending writes and events."""
    async with SqliteSaver(path) as saver:
        records = [*await told(saver, 8, run_id="one"), *await told(saver, 8, run_id="two")]
        await told(saver, 12, "other", run_id="three")
        await branch(saver, records[4], {"items": [LONG]})
        await child_step(saver, "node:1", records[2], {"child": LONG})
        await child_step(saver, "memory", records[3], {"child": LONG})
        story = await Story.begin(saver)
        await story.write("task", [("items", [LONG])])
        batch = story.batch({"n": 0}, run_id="one")
        await story.commit(replace(batch, events=(EventRow("one", 1, b"one"),)))
        story.end()


async def look(path: Path) -> dict[str, Any]:
    """All that is in a database that a process has left, and that it can be written to."""
    async with SqliteSaver(path) as saver:
        found: dict[str, Any] = {
            thread: await picture_of(saver, thread, *SPACES) for thread in THREADS
        }
        found["threads"] = [each.thread_id for each in await saver.athreads()]
        found["events"] = await saver.events.last("one")
        assert (await saver.averify()).damage == ()
        for thread in THREADS:
            await told(saver, 1, thread)
        return found


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("origin") / "threads.db"
    asyncio.run(write(path))
    return path


@pytest.fixture(params=OPERATIONS)
def operation(request: pytest.FixtureRequest) -> Operation:
    return OPERATIONS[request.param]


@pytest.fixture
def attempt(
    origin: Path, operation: Operation, server: ForkServer, tmp_path: Path
) -> Callable[..., tuple[Child, Path]]:
    """Begin the operation on a new copy of the database."""
    numbers = iter(range(10_000))

    def begin(**job: Any) -> tuple[Child, Path]:
        path = tmp_path / f"{next(numbers)}.db"
        shutil.copy(origin, path)
        child = server.start(
            "administering",
            path=path,
            operation=operation.name,
            arguments=operation.arguments,
            **job,
        )
        return child, path

    return begin


def outcomes(attempt: Callable[..., tuple[Child, Path]], origin: Path) -> tuple[Any, Any, int]:
    """What is there before the operation, after it, and how many calls it takes."""
    child, path = attempt()
    assert child.end() == 0
    untouched = path.with_name("untouched.db")
    shutil.copy(origin, untouched)
    before, after = asyncio.run(look(untouched)), asyncio.run(look(path))
    assert before != after
    return before, after, child.lines[-1]


def test_killed_before_any_call_all_of_it_happened_or_nothing(
    attempt: Callable[..., tuple[Child, Path]], origin: Path
) -> None:
    before, after, calls = outcomes(attempt, origin)
    seen: list[bool] = []
    for number in some(range(1, calls + 1), 6):
        child, path = attempt(die_at_call=number)
        if child.end() == KILLED:  # one that takes a call less is not killed by the last one
            found = asyncio.run(look(path))
            assert found in (before, after)
            seen.append(found == after)
    print(f"\nkilled before each of {calls} calls: {seen.count(True)} times it had happened")
    assert len(seen) > 3
    assert seen == sorted(seen), "once it has happened, it has happened"
    assert set(seen) == {False, True}


def test_killed_at_random_all_of_it_happened_or_nothing(
    attempt: Callable[..., tuple[Child, Path]], origin: Path
) -> None:
    before, after, _ = outcomes(attempt, origin)
    dice, kills = random.Random("administration"), 0
    for _ in range(20):
        child, path = attempt()
        child.listen(lines=1)
        child.listen(lines=2, seconds=dice.uniform(0, 0.02))
        kills += child.kill() == KILLED
        assert asyncio.run(look(path)) in (before, after)
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    print(f"\nkilled {kills} times in the middle")
    assert kills > 5
