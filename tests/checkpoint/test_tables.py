"""Tables of one's own in the file of the checkpoints."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

import pytest

from checkpoint import (
    DatabaseError,
    InvalidArgumentError,
    SaverClosedError,
    SqliteSaver,
    SqliteTables,
    ThreadBusyError,
    ThreadNotEmptyError,
)
from checkpoint.story import Story, values_of

NOTES = ["CREATE TABLE IF NOT EXISTS note (text TEXT UNIQUE)"]


def _add(text: str):
    def unit(db: sqlite3.Connection) -> int:
        return db.execute("INSERT INTO note VALUES (?)", (text,)).rowcount

    return unit


def _texts(db: sqlite3.Connection) -> list[str]:
    return [text for (text,) in db.execute("SELECT text FROM note ORDER BY text")]


async def test_rows_stand_beside_the_checkpoints_and_outlive_the_use(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    async with SqliteSaver(path), SqliteTables(path, NOTES) as notes:
        assert await notes.write(_add("one")) == 1
        await notes.synced()
    async with SqliteTables(path, NOTES) as notes:
        assert await notes.read(_texts) == ["one"]


async def test_a_unit_that_raises_is_undone_alone(tmp_path: Path) -> None:
    class StopError(Exception):
        pass

    def adds_and_fails(db: sqlite3.Connection) -> None:
        _add("half")(db)
        raise StopError

    async with SqliteTables(tmp_path / "app.db", NOTES) as notes:
        await notes.write(_add("one"))
        with pytest.raises(StopError):
            await notes.write(adds_and_fails)
        with pytest.raises(DatabaseError, match="UNIQUE"):
            await notes.write(_add("one"))
        assert await notes.read(_texts) == ["one"]


async def test_the_commits_of_all_who_use_the_file_are_counted(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    async with SqliteTables(path, NOTES) as notes, SqliteTables(path, NOTES) as others:
        before = notes.commits.total
        await notes.write(_add("one"))
        await others.write(_add("two"))
        assert notes.commits.total - before == 2
        assert notes.commits.per_second(time.monotonic() + 1) > 0
    async with SqliteTables(":memory:", NOTES) as private:
        before = private.commits.total
        await private.write(_add("one"))
        assert private.commits.total == before + 1


async def test_tables_that_are_not_open_say_so(tmp_path: Path) -> None:
    notes = SqliteTables(tmp_path / "app.db", NOTES)
    with pytest.raises(SaverClosedError, match="tables"):
        await notes.read(_texts)


async def test_a_thread_goes_with_what_a_unit_does_beside_it_or_stays(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    async with SqliteSaver(path) as saver, SqliteTables(path, NOTES) as notes:
        story = await Story.begin(saver)
        await story.step({"a": 1})
        with pytest.raises(ThreadBusyError):
            await saver.adelete_thread_with("thread", _add("no"), timeout=0)
        saver.release(story.claim)
        await notes.write(_add("there"))
        with pytest.raises(DatabaseError):
            await saver.adelete_thread_with("thread", _add("there"))
        assert await values_of(saver) == {"a": 1}
        await saver.adelete_thread_with("thread", _add("gone"))
        assert await saver.athreads() == []
        assert await notes.read(_texts) == ["gone", "there"]
        story = await Story.begin(saver)  # one of that name is another thread
        await story.step({"a": 2})
        assert await values_of(saver) == {"a": 2}


async def test_a_thread_is_copied_with_what_a_unit_does_beside_it_or_not(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    async with SqliteSaver(path) as saver, SqliteTables(path, NOTES) as notes:
        story = await Story.begin(saver)  # it may be in use
        await story.step({"a": 1})
        await notes.write(_add("there"))
        with pytest.raises(DatabaseError):
            await saver.acopy_thread_with("thread", "copy", _add("there"))
        assert await values_of(saver, "copy") is None
        assert await saver.acopy_thread_with("thread", "copy", _add("copied")) == 1
        assert await values_of(saver, "copy") == {"a": 1}
        with pytest.raises(ThreadNotEmptyError):
            await saver.acopy_thread_with("thread", "copy", _add("no"))
        with pytest.raises(InvalidArgumentError, match="to itself"):
            await saver.acopy_thread_with("thread", "thread", _add("no"))
        assert await notes.read(_texts) == ["copied", "there"]


async def test_of_a_thread_that_holds_nothing_the_unit_alone_is_done(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    async with SqliteSaver(path) as saver, SqliteTables(path, NOTES) as notes:
        await saver.acopy_thread_with("nobody", "copy", _add("copied"))
        assert await saver.athreads() == []
        assert await notes.read(_texts) == ["copied"]
