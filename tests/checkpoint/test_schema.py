"""Making a database file and opening one that a process which died left behind."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from checkpoint import NotADatabaseError, SqliteSaver
from checkpoint.schema import (
    APPLICATION_ID,
    ask_for_log,
    create_tables,
    prepare_file,
    set_up_writer,
)
from checkpoint.story import Story, values_of


def leave_half_written(path: Path, *, made: bool = False, application: int | None = None) -> None:
    """A file as a process leaves it that dies in a commit: changed in part, its journal beside it.

    The change makes the tables of ours, or adds to what is there.
    """
    origin = path.with_name("origin.db")
    with closing(sqlite3.connect(origin, isolation_level=None)) as connection:
        if made:
            create_tables(connection)
        if application is not None:
            connection.execute(f"PRAGMA application_id={application}")
            connection.execute("CREATE TABLE note (text)")
        connection.execute("PRAGMA cache_size=1")  # pages go to the file while it still writes
        connection.execute("BEGIN IMMEDIATE")
        if not made:
            create_tables(connection)
        connection.execute("CREATE TABLE half (data)")
        connection.executemany("INSERT INTO half VALUES (?)", [(b"x" * 1000,)] * 50)
        for end in ("", "-journal"):
            shutil.copy(f"{origin}{end}", f"{path}{end}")
        connection.execute("ROLLBACK")
    assert path.stat().st_size > 0
    with pytest.raises(sqlite3.OperationalError, match="readonly"), _reading(path) as connection:
        connection.execute("SELECT 1 FROM sqlite_master")


def _reading(path: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True))


def names_in(path: Path) -> set[str]:
    with _reading(path) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}


@pytest.mark.parametrize("made", [False, True])
async def test_a_file_that_was_left_half_written_opens_without_the_half(
    path: Path, made: bool
) -> None:
    leave_half_written(path, made=made)
    async with SqliteSaver(path) as saver:
        await (await Story.begin(saver)).step({"a": 1})
        assert await values_of(saver) == {"a": 1}
    assert "checkpoint" in names_in(path)
    assert "half" not in names_in(path)


def test_a_half_written_file_of_another_program_is_refused_as_it_was_before(path: Path) -> None:
    leave_half_written(path, application=0x1234)
    with pytest.raises(NotADatabaseError, match="0x1234, 1 tables"):
        prepare_file(path)
    assert names_in(path) == {"note"}


async def test_a_file_that_was_made_and_not_yet_turned_to_a_log_opens_at_once(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        create_tables(connection)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    async with SqliteSaver(path) as saver:
        await (await Story.begin(saver)).step({"a": 1})
        await saver.synced()


def test_the_log_is_there_as_soon_as_the_writer_is_set_up(path: Path) -> None:
    prepare_file(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        set_up_writer(connection)
        assert path.with_name("threads.db-wal").exists()


@pytest.fixture
def reader(path: Path) -> Iterator[sqlite3.Connection]:
    """Another process in the middle of a read, in a file that is not yet turned to a log."""
    prepare_file(path)
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        yield connection


def test_the_writer_waits_for_others_before_it_turns_the_file_to_a_log(
    path: Path, reader: sqlite3.Connection
) -> None:
    attempts: list[str] = []

    def leave_at_the_third(statement: str) -> None:
        attempts.append(statement)
        if attempts.count("PRAGMA journal_mode=WAL") == 3:
            reader.rollback()

    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        connection.set_trace_callback(leave_at_the_third)
        set_up_writer(connection)
        assert attempts.count("PRAGMA journal_mode=WAL") == 3
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.usefixtures("reader")
def test_the_writer_does_not_wait_for_ever(path: Path) -> None:
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError, match="locked") as caught:
            ask_for_log(connection, patience=0)
        assert caught.value.sqlite_errorcode == sqlite3.SQLITE_BUSY
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_a_new_file_is_stamped_as_ours(path: Path) -> None:
    prepare_file(path)
    prepare_file(path)
    with _reading(path) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
