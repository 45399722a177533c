"""Sealed rows: what is stored is known again, in whatever way SQLite keeps it, and nothing else."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpoint import CorruptDataError, Part, SealedTable, SqliteSaver, SqliteTables
from checkpoint import repair_database as repair
from checkpoint.row_seals import is_sealed_row, row_seal, sealed_tables
from checkpoint.schema import create_private

NOTE = SealedTable("note", ("id", "at", "count", "text", "data"))
MADE = """
    CREATE TABLE IF NOT EXISTS note (id TEXT PRIMARY KEY, at REAL, count INTEGER NOT NULL,
        text TEXT, data BLOB, row_seal INTEGER NOT NULL)
"""
NOTES = Part("notes", 1, (MADE,), sign="note")
ROW = ("a", 1.5, 2, "text", b"data")
ALL = f"SELECT {NOTE.select} FROM note"


@pytest.fixture
def db() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        create_private(connection)
        connection.execute(MADE)
        yield connection


def rows(db: sqlite3.Connection) -> list[Any]:
    return [tuple(NOTE.checked(row)) for row in db.execute(ALL)]


NUMBERS = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False)
TEXTS = st.none() | st.text(st.characters(exclude_categories=["Cs"]))


@given(NUMBERS | st.none(), st.integers(-(2**63), 2**63 - 1), TEXTS, st.none() | st.binary())
def test_what_was_stored_is_known_again(at: Any, count: int, text: Any, data: Any) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
        create_private(db)
        db.execute(MADE)
        db.execute(NOTE.insert, ("a", at, count, text, data))
        assert rows(db) == [("a", at, count, text, data)]
        db.execute(NOTE.update("id = ?1", at="?2", count="?3", text="?4"), ("a", at, 0, "new"))
        assert rows(db) == [("a", at, 0, "new", data)]


@pytest.mark.parametrize("column", [*NOTE.columns, "row_seal"])
def test_a_column_that_is_another_is_an_error(db: sqlite3.Connection, column: str) -> None:
    db.execute(NOTE.insert, ROW)
    db.execute(f"UPDATE note SET {column} = 7")
    with pytest.raises(CorruptDataError, match=r"a row of note.*repair"):
        rows(db)


def test_a_row_of_another_table_is_an_error() -> None:
    assert is_sealed_row("note", (*ROW, row_seal("note", *ROW)))
    assert not is_sealed_row("other", (*ROW, row_seal("note", *ROW)))
    assert not is_sealed_row("note", (*ROW, None))
    assert not is_sealed_row("note", (object(), 1))


def test_a_damaged_row_stays_so_when_it_is_changed(db: sqlite3.Connection) -> None:
    db.execute(NOTE.insert, ROW)
    db.execute("UPDATE note SET text = 'damage'")
    db.execute(NOTE.update("id = ?1", count="count + 1"), ("a",))
    assert db.execute("SELECT count FROM note").fetchall() == [(3,)]
    with pytest.raises(CorruptDataError):
        rows(db)


def test_a_row_is_sealed_anew_when_it_is_put_again(db: sqlite3.Connection) -> None:
    put = f"{NOTE.insert} ON CONFLICT (id) DO UPDATE SET {NOTE.changes(count='excluded.count')}"
    db.execute(put, ROW)
    db.execute(put, ("a", 9.0, 5, "other", b""))
    assert rows(db) == [("a", 1.5, 5, "text", b"data")]


def test_tables_are_told_by_their_last_column(db: sqlite3.Connection) -> None:
    db.execute("CREATE TABLE seals (row_seal, note)")
    db.execute("CREATE TABLE plain (a)")
    db.execute("CREATE TABLE keyed (a PRIMARY KEY, row_seal) WITHOUT ROWID")
    assert sealed_tables(db) == ["keyed", "note"]


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    path = tmp_path / "notes.db"
    async with SqliteTables(path, NOTES) as tables:
        await tables.write(lambda db: db.executemany(NOTE.insert, [ROW, ("b", *ROW[1:])]) and None)
    return path


async def damage(path: Path) -> None:
    async with SqliteTables(path, NOTES) as tables:
        await tables.write(lambda db: db.execute("UPDATE note SET text = 'x' WHERE id = 'a'"))


async def test_verify_knows_them(path: Path) -> None:
    async with SqliteSaver(path) as saver:
        assert (await saver.averify()).ok
        await damage(path)
        (found,) = (await saver.averify()).damage
    assert found.what == "a row of note, ('a', 1.5, 2), does not match its checksum"


@pytest.mark.parametrize("parts", [(NOTES,), ()])
async def test_a_repair_takes_those_that_are_sound(path: Path, parts: tuple[Part, ...]) -> None:
    await damage(path)
    done = repair(path, fall_back=True, parts=parts)
    assert [(each.table, each.rows) for each in done.rows] == [("note", 1)]
    async with SqliteTables(path, NOTES) as tables:
        assert await tables.read(rows) == [("b", *ROW[1:])]
