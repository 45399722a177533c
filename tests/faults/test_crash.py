"""SIGKILL at random moments: what a subscriber had received is there, and the thread goes on."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.faults.crashes import DOORS, Crashes
from tests.faults.forks import Child, ForkServer
from tests.faults.scale import batches, kills, some
from tests.faults.witness import Reference


@pytest.mark.parametrize("batch", batches(0.4))
@pytest.mark.parametrize("durability", ["sync", "async"])
def test_kills_at_random_moments_lose_nothing_that_was_received_and_repeat_nothing_that_was_kept(
    durability: str,
    batch: int,
    server: ForkServer,
    tmp_path: Path,
    reference: Reference,
    record_property: Callable[[str, object], None],
) -> None:
    crashes = Crashes(server, tmp_path, reference)
    moments = crashes.measured(f"{durability} {batch}", durability=durability)
    figures, doors = crashes.figures, itertools.cycle(DOORS)

    def kill(child: Child) -> int:
        moments.await_one(child)
        return child.kill()

    while figures.kills < kills():
        crashes.once(next(doors), kill, durability=durability)
    print(f"\n{durability}: {figures}")
    record_property("kills", figures.kills)
    record_property("received", figures.received)
    record_property("kept", figures.kept)
    record_property("again", figures.again)
    assert figures.received > figures.kills
    assert_no_file_is_damaged(tmp_path)


def test_killed_the_moment_a_chunk_arrives_the_chunk_is_there(
    server: ForkServer, tmp_path: Path, reference: Reference
) -> None:
    """The reader kills its own process, before the engine gets another turn, for every chunk."""
    crashes = Crashes(server, tmp_path, reference)
    lines = crashes.measured("", durability="async").lines
    ways = itertools.cycle(itertools.product(DOORS, ("async", "sync", "async")))
    numbers = some(range(1, lines), 5)
    for number, (door, durability) in zip(numbers, ways, strict=False):
        crashes.once(door, Child.end, durability=durability, die_at=number)
    print(f"\nat each chunk: {crashes.figures}")
    assert crashes.figures.kills == len(numbers)
    assert_no_file_is_damaged(tmp_path)


def assert_no_file_is_damaged(folder: Path) -> None:
    for path in folder.glob("*.db"):
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
