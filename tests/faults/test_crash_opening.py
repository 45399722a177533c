"""A process that dies while it opens or makes the database leaves one that opens."""

from __future__ import annotations

import asyncio
import random
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from checkpoint import SqliteSaver
from checkpoint.story import Story, values_of
from tests.faults.forks import KILLED, ForkServer
from tests.faults.scale import WHOLE, some

PAGE = 2048
"""Bytes; what the database grows by."""


def assert_usable(path: Path) -> None:
    """It opens at the first attempt, takes a step, and shows it to whoever opens it next."""

    async def step() -> None:
        async with SqliteSaver(path) as saver:
            story = await Story.begin(saver)
            await story.step({"n": 1})
            story.end()
        async with SqliteSaver(path) as saver:
            assert await values_of(saver) == {"n": 1}

    asyncio.run(step())
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def calls_of(server: ForkServer, path: Path, steps: int = 0) -> int:
    """How many calls of the system and of SQLite it takes to open a database and close it."""
    child = server.start("opening", path=path, steps=steps)
    assert child.end() == 0
    calls: int = child.lines[-1]
    return calls


def test_killed_before_any_call_of_making_a_database_it_opens_again(
    server: ForkServer, tmp_path: Path
) -> None:
    calls = calls_of(server, tmp_path / "measured.db")
    for number in some(range(1, calls + 1), 3):
        path = tmp_path / f"{number}.db"
        assert server.start("opening", path=path, die_at_call=number).end() == KILLED
        assert_usable(path)
    print(f"\nkilled before each of {calls} calls")
    assert calls > 20


@pytest.mark.parametrize("pages", range(18))
def test_killed_while_it_writes_the_pages_of_a_new_database_it_opens_again(
    pages: int, server: ForkServer, tmp_path: Path
) -> None:
    """The system ends the process at the write that makes a file longer than so many pages."""
    path = tmp_path / "threads.db"
    child = server.start("opening", path=path, file_limit=pages * PAGE + 512)
    assert child.end() in ({-signal.SIGXFSZ} if pages < 10 else {-signal.SIGXFSZ, 0})
    assert_usable(path)


def test_killed_at_random_while_it_makes_a_database_it_opens_again(
    server: ForkServer, tmp_path: Path
) -> None:
    dice, kills = random.Random("opening"), 0
    for number in range(40 if WHOLE else 12):
        path = tmp_path / f"{number}.db"
        child = server.start("opening", path=path)
        child.listen(lines=1)
        child.listen(lines=2, seconds=dice.uniform(0, 0.02))
        kills += child.kill() == KILLED
        assert_usable(path)
    print(f"\nkilled {kills} times while it was made")
    assert kills > 3


def test_killed_before_any_call_of_opening_a_crashed_database_nothing_in_it_is_lost(
    server: ForkServer, tmp_path: Path
) -> None:
    path = tmp_path / "threads.db"
    assert_usable(path)
    calls = calls_of(server, path)
    for number in some(range(1, calls + 1), 3):
        assert server.start("opening", path=path, die_at_call=number).end() == KILLED
        with SqliteSaver(path) as saver:
            assert asyncio.run(values_of(saver)) == {"n": 1}


def test_killed_before_any_call_of_opening_stepping_and_closing_the_last_step_is_there(
    server: ForkServer, tmp_path: Path
) -> None:
    steps = 3
    calls = calls_of(server, tmp_path / "measured.db", steps)
    for number in some(range(1, calls + 1, 3), 3):
        path = tmp_path / f"{number}.db"
        child = server.start("opening", path=path, steps=steps, die_at_call=number)
        assert child.end() in {KILLED, 0}  # how the threads take turns is not always the same
        confirmed = sum(line in {1, 2, 3} for line in child.lines[1:4])
        with SqliteSaver(path) as saver:
            values = asyncio.run(values_of(saver))
        possible = [{"n": n, "list": ["x" * 99] * n} if n else None for n in range(steps + 1)]
        assert values in possible[confirmed : confirmed + 2]
    print(f"\nkilled before every third of {calls} calls")


def test_a_process_killed_while_it_makes_a_database_does_not_stop_another_that_waits(
    server: ForkServer, tmp_path: Path
) -> None:
    calls = calls_of(server, tmp_path / "measured.db")
    for number in some(range(2, calls + 1, 2), 3):
        path = tmp_path / f"{number}.db"
        dying = server.start("opening", path=path, die_at_call=number)
        other = server.start("opening", path=path)
        assert dying.end() in {KILLED, 0}
        assert other.end() == 0
        assert_usable(path)
