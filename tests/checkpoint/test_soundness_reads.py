"""`verify` tells of what a question would stumble on, also where SQLite's own check does not."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from checkpoint import (
    CorruptDataError,
    EventRow,
    Part,
    SqliteSaver,
    SqliteTables,
    repair_database,
)
from checkpoint.record import Batch
from checkpoint.story import Story
from tests.checkpoint.test_places import change, index_page


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """Two threads, one with events, and a table of somebody else."""
    path = tmp_path / "db"
    async with SqliteSaver(path) as saver:
        for thread in ("one", "two"):
            story = await Story.begin(saver, thread)
            await story.step({"n": 1})
            await story.step({"n": 2})
            events = (EventRow(f"run {thread}", 1, b"1"),)
            await saver.commit(Batch(thread, story.claim.epoch, events=events))
            story.end()
    index = "CREATE INDEX note_end ON note (at)\nwhere at IS NOT NULL"
    part = Part("notes", 1, ("CREATE TABLE note (text, at)", index))
    async with SqliteTables(path, part) as notes:
        await notes.write(lambda db: db.execute("INSERT INTO note VALUES (1, 1), ('b', NULL)"))
    return path


@pytest.mark.parametrize("index", ["scope_mark", "note_end"])
async def test_an_index_whose_record_ends_too_early_is_told_of(index: str, path: Path) -> None:
    """SQLite's own check passes it where the record is all ones, which take no bytes; questions
    that read the index fail."""
    shorten_record(path, index)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    async with SqliteSaver(path) as saver:
        found = (await saver.averify()).damage
    assert any(f"index {index!r} cannot be read" in each.what for each in found)
    assert repair_database(path, fall_back=True).backup is not None
    async with SqliteSaver(path) as saver:
        assert (await saver.averify()).ok
        assert len(await saver.athreads()) == 2


def shorten_record(path: Path, index: str) -> None:
    """The first record of an index says that it has a column less than it has."""
    data, page = index_page(path, index)
    cell = page + int.from_bytes(data[page + 8 : page + 10])
    data[cell + 1] -= 1
    path.write_bytes(data)


async def test_damage_to_a_thread_that_has_no_steps_yet_is_told_of(path: Path) -> None:
    async with SqliteSaver(path) as saver:
        saver.release(await saver.claim("new", "test", timeout=0))
    change(path, "UPDATE thread SET epoch=epoch+8 WHERE name='new'")
    async with SqliteSaver(path) as saver:
        (found,) = (await saver.averify()).damage
        assert "'new'" in found.what
        with pytest.raises(CorruptDataError):
            await saver.claim("new", "test", timeout=0)
