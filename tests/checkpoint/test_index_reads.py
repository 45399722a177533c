"""Indexes of one's own tables, in all forms that SQLite knows, are read and are no damage."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from checkpoint import Part, SqliteSaver, SqliteTables
from checkpoint.index_reads import condition_of
from tests.checkpoint.test_soundness_reads import shorten_record

CONDITIONS = {
    "CREATE INDEX i ON note (a) WHERE b>0": " WHERE b>0",
    "CREATE INDEX i ON note (a)WHERE(b>0)": " WHERE(b>0)",
    "CREATE INDEX i ON note (a)\r\n\twhere\tb>0": " where\tb>0",
    'CREATE INDEX i ON note (a) WHERE"b">0': ' WHERE"b">0',
    "CREATE INDEX i ON note (a) /* only where b */ WHERE b>0": " WHERE b>0",
    "CREATE INDEX i ON note (a) -- where it is\n WHERE b>0": " WHERE b>0",
    'CREATE INDEX "i where ""b" ON note (a) WHERE b>0': " WHERE b>0",
    "CREATE INDEX [i where b] ON note (a) WHERE b>0": " WHERE b>0",
    "CREATE INDEX `i where b` ON note (a) WHERE b>0": " WHERE b>0",
    "CREATE INDEX i ON note (a, (b = ' where ''b')) WHERE b = 1": " WHERE b = 1",
    "CREATE INDEX i ON note (a, lower(b), b DESC) WHERE b IN (1, 2) OR a = ' where '": (
        " WHERE b IN (1, 2) OR a = ' where '"
    ),
    "CREATE UNIQUE INDEX i ON note (a, b)": "",
    "CREATE INDEX nowhere ON note (b)": "",
}


@pytest.mark.parametrize("sql", CONDITIONS)
async def test_every_index_can_be_read_and_its_condition_is_found(sql: str, tmp_path: Path) -> None:
    assert condition_of(sql) == CONDITIONS[sql]
    path = tmp_path / "db"
    async with SqliteTables(path, Part("notes", 1, ("CREATE TABLE note (a, b)", sql))) as notes:
        await notes.write(
            lambda db: db.execute(
                "INSERT INTO note VALUES (1, 1), (NULL, 2), (CAST(X'FF41' AS TEXT), 1)"
            )
        )
    async with SqliteSaver(path) as saver:
        assert (await saver.averify()).damage == ()


@pytest.mark.parametrize("sql", [sql for sql in CONDITIONS if "(a)" in sql])
async def test_none_of_them_is_passed_over(sql: str, tmp_path: Path) -> None:
    path = tmp_path / "db"
    async with SqliteTables(path, Part("notes", 1, ("CREATE TABLE note (a, b)", sql))) as notes:
        await notes.write(lambda db: db.execute("INSERT INTO note VALUES (1, 1)"))
    with closing(sqlite3.connect(path)) as connection:
        find = "SELECT name FROM sqlite_master WHERE type='index' AND tbl_name='note'"
        (name,) = connection.execute(find).fetchone()
    shorten_record(path, name)
    async with SqliteSaver(path) as saver:
        (found,) = (await saver.averify()).damage
    assert found.what.startswith(f"index {name!r} cannot be read")


async def test_what_a_comment_says_is_not_run(tmp_path: Path) -> None:
    """Nor is an index read that somebody else made: its name and its SQL are theirs."""
    path = tmp_path / "db"
    async with SqliteSaver(path):
        pass
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE theirs (a, b)")
        connection.execute("INSERT INTO theirs VALUES (CAST(X'FF41' AS TEXT), 1)")
        connection.execute(
            "CREATE INDEX i ON theirs (a) /* WHERE (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
            "SELECT i+1 FROM n) SELECT count(*) FROM n) -- */ WHERE b"
        )
    async with SqliteSaver(path) as saver:
        assert (await saver.averify()).ok
