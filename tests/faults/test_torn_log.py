"""A write-ahead log that ends at any 512 bytes, or in zeros or garbage from there: what is left is
a prefix, which holds all that was synced by then."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from checkpoint import SqliteSaver
from checkpoint.decoder import Decoder
from checkpoint.story import Story
from tests.faults.scale import some

SECTOR = 512
STEPS = 8

Torn = Callable[[bytes, int], bytes]
TAILS: dict[str, Torn] = {
    "cut": lambda log, at: log[:at],
    "zeros": lambda log, at: log[:at] + bytes(len(log) - at),
    "garbage": lambda log, at: log[:at] + random.Random(at).randbytes(len(log) - at),
    "one sector": lambda log, at: log[:at] + bytes(SECTOR) + log[at + SECTOR :],
}


async def written(path: Path, copy: Path) -> list[int]:
    """Take steps; copy the database as it is before it is closed; gives the length of the log when
    each step was synced."""
    lengths: list[int] = []
    log = path.with_name(path.name + "-wal")
    async with SqliteSaver(path) as saver:
        for number in range(1, STEPS + 1):
            story = await Story.begin(saver)
            await story.step({"n": number, "list": [f"{n} " * 200 for n in range(number)]})
            story.end()
            await saver.synced()
            lengths.append(log.stat().st_size)
        shutil.copy(path, copy)
        shutil.copy(log, copy.with_name(copy.name + "-wal"))
    return lengths


async def steps_in(path: Path) -> int:
    """How many steps there are; the database is sound, and they are the first ones, whole."""
    async with SqliteSaver(path) as saver:
        assert (await saver.averify()).ok
        decoder = Decoder(saver.serializer)
        history = await saver.history("thread")
        values = [decoder.values(loaded) for loaded in reversed(history)]
        assert [each["n"] for each in values] == list(range(1, len(values) + 1))
        assert all(len(each["list"]) == each["n"] for each in values)
        return len(values)


@pytest.mark.parametrize("tail", TAILS)
def test_wherever_the_log_is_torn_what_was_synced_before_is_there(
    tail: str, quick_folder: Path, record_property: Callable[[str, object], None]
) -> None:
    folder = quick_folder / tail
    folder.mkdir()
    origin = folder / "origin.db"
    lengths = asyncio.run(written(folder / "live.db", origin))
    log = origin.with_name("origin.db-wal").read_bytes()
    assert len(log) == lengths[-1], "the log was never begun anew"
    places = some(range(0, len(log), SECTOR), 16)
    for at in places:
        path = folder / f"{at}.db"
        shutil.copy(origin, path)
        path.with_name(path.name + "-wal").write_bytes(TAILS[tail](log, at))
        steps = asyncio.run(steps_in(path))
        assert sum(length <= at for length in lengths) <= steps <= STEPS
    record_property(f"logs torn: {tail}", len(places))
