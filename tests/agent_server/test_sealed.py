"""Rows that are damaged are errors to who asks for them; what goes on without them says so."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent_server.run_rows import list_runs
from agent_server.sealed import check_absent, find_row, has_row, sound_rows
from agent_server.tables import RUN
from checkpoint import CorruptDataError
from tests.agent_server.database import Database, keep_run, opened

ALL = f"SELECT {RUN.select} FROM server_run ORDER BY id"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with opened(tmp_path) as database:
        for run_id in ("one", "two"):
            await database.tables.write(lambda db, of=run_id: keep_run(db, of, "t", "success"))
        yield database


async def test_a_row_is_found_by_its_id(database: Database) -> None:
    def unit(db: sqlite3.Connection) -> None:
        row = find_row(db, RUN, "one")
        assert row is not None
        assert row[:2] == ("one", "t")
        assert len(row) == len(RUN.columns)
        assert has_row(db, RUN, "one")
        assert find_row(db, RUN, "three") is None
        assert not has_row(db, RUN, "three")

    await database.tables.read(unit)


async def test_a_damaged_row_is_an_error_and_passed_over_where_work_goes_on(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    damage = "UPDATE server_run SET status = 'running' WHERE id = 'one'"
    await database.tables.write(lambda db: db.execute(damage))
    with pytest.raises(CorruptDataError, match="a row of server_run"):
        await database.tables.read(lambda db: find_row(db, RUN, "one"))
    with caplog.at_level(logging.ERROR):
        (left,) = await database.tables.read(lambda db: sound_rows(RUN, db.execute(ALL)))
    assert left[0] == "two"
    assert "passed over: a row of server_run, ('one', 't')" in caplog.text


async def test_a_row_that_one_index_has_lost_is_an_error(tmp_path: Path) -> None:
    async with opened(tmp_path) as database:
        await database.tables.write(lambda db: keep_run(db, "one", "t", "success"))
        await database.tables.write(forget_in_the_first_index)

        def unit(db: sqlite3.Connection) -> None:
            for looked in (find_row, has_row, check_absent):
                with pytest.raises(CorruptDataError, match="an index has lost it"):
                    looked(db, RUN, "one")

        await database.tables.read(unit)


async def test_a_row_that_an_index_leads_to_by_mistake_is_an_error(tmp_path: Path) -> None:
    """SQLite, which has come past the right key, does not look at the one it stops at."""
    async with opened(tmp_path) as database:
        for name in ("one", "three", "two"):
            await database.tables.write(lambda db, n=name: keep_run(db, n, f"t {n}", "success"))
        await database.tables.write(turn_two_indexes_round)

        def unit(db: sqlite3.Connection) -> None:
            with pytest.raises(CorruptDataError, match=r"'three',.* leads to"):
                find_row(db, RUN, "three")
            with pytest.raises(CorruptDataError, match=r"'t three',.* leads to"):
                list_runs(db, "t three", status=None, limit=10, offset=0)

        await database.tables.read(unit)


def forget_in_the_first_index(db: sqlite3.Connection) -> None:
    """Give the table's own index the root of an empty one."""
    db.execute("CREATE TABLE other (id TEXT PRIMARY KEY)")
    swap_root(db, "sqlite_autoindex_server_run_1", "sqlite_autoindex_other_1")


def turn_two_indexes_round(db: sqlite3.Connection) -> None:
    """Give them the roots of such as sort the other way."""
    db.execute("CREATE TABLE other AS SELECT id, thread, created FROM server_run ORDER BY rowid")
    db.execute("CREATE INDEX other_id ON other (id DESC)")
    db.execute("CREATE INDEX other_thread ON other (thread DESC, created)")
    swap_root(db, "sqlite_autoindex_server_run_1", "other_id")
    swap_root(db, "server_run_thread", "other_thread")


def swap_root(db: sqlite3.Connection, name: str, other: str) -> None:
    find = "SELECT rootpage FROM sqlite_master WHERE name = ?"
    (root,) = db.execute(find, (other,)).fetchone()
    db.execute("PRAGMA writable_schema = ON")
    db.execute("UPDATE sqlite_master SET rootpage = ? WHERE name = ?", (root, name))
    db.execute("PRAGMA writable_schema = RESET")
