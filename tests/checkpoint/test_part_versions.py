"""Versions of parts carry checksums: damage to one makes no file newer, older, or new."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from checkpoint import (
    CorruptDataError,
    NewerSchemaError,
    Part,
    SqliteCache,
    SqliteSaver,
    SqliteStore,
    SqliteTables,
    repair_database,
)
from checkpoint.definitions import seal_definitions
from checkpoint.part_versions import believed, stamp
from checkpoint.schema import SCHEMA
from tests.checkpoint.test_upgrades import NEW, OLD, ROOT, ask, change, contents, written

UNSEALED = (
    "ALTER TABLE part RENAME TO sealed",
    "CREATE TABLE part (name TEXT PRIMARY KEY, version INTEGER NOT NULL) WITHOUT ROWID",
    "INSERT INTO part SELECT name, version FROM sealed",
    "DROP TABLE sealed",
    "PRAGMA user_version=2",
)


def unseal(path: Path) -> None:
    """Make it a file as it was before versions had checksums."""
    change(path, *UNSEALED)
    with closing(sqlite3.connect(path)) as connection:
        seal_definitions(connection, {})
        connection.commit()


def restamp(path: Path, name: str, version: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        stamp(connection, name, version)
        connection.commit()


DAMAGE = ["version=''", "version=0", "version=1.5", "version=9", "name='stork'", "row_seal=1"]


@pytest.mark.parametrize("damage", DAMAGE)
async def test_a_version_that_is_not_what_was_stored_is_damage(damage: str, path: Path) -> None:
    """And no newer file, nor one that is to be upgraded once more."""
    async with SqliteStore(path) as store:
        await store.aput(("a",), "key", {"n": 1})
    change(path, f"UPDATE part SET {damage} WHERE name='store'")
    for handle in (SqliteStore(path), SqliteCache(path)):
        with pytest.raises(CorruptDataError, match=r"version .* does not match its checksum"):
            await handle.aopen()
    assert repair_database(path).damage
    assert repair_database(path, fall_back=True).backup is not None
    assert ask(path, "SELECT version FROM part WHERE name='store'") == [(1,)]
    async with SqliteStore(path) as store:
        found = await store.aget(("a",), "key")
        assert found is not None
        assert found.value == {"n": 1}


async def test_a_name_of_a_part_that_is_no_text_any_more_is_damage(path: Path) -> None:
    async with SqliteStore(path):
        pass
    change(path, "UPDATE part SET name=CAST(X'73FF' AS TEXT) WHERE name='store'")
    with pytest.raises(CorruptDataError, match="does not match its checksum"):
        await SqliteCache(path).aopen()


SWAPPED = Part("notes", 2, ("CREATE TABLE IF NOT EXISTS note (at, text)",), sign="note")
"""Whoever takes an older table for one of today puts its texts into the wrong column."""
FIRST = Part("notes", 1, ("CREATE TABLE IF NOT EXISTS note (text)",), sign="note")


def swap(db: sqlite3.Connection) -> None:
    db.execute("ALTER TABLE note RENAME TO older")
    db.execute(SWAPPED.tables[0])
    db.execute("INSERT INTO note (text) SELECT text FROM older")
    db.execute("DROP TABLE older")


TODAY = Part("notes", 2, SWAPPED.tables, {1: swap}, "note")


@pytest.mark.parametrize("damage", ["row_seal=row_seal+1", "version=5", "version='x'", "name='no'"])
async def test_a_repair_turns_back_what_turned_over(damage: str, path: Path) -> None:
    await written(path, FIRST, "INSERT INTO note VALUES ('old')")
    change(path, f"UPDATE part SET {damage} WHERE name='notes'")
    assert repair_database(path, fall_back=True, parts=[TODAY]).rows == ()
    await written(path, TODAY, "INSERT INTO note VALUES (1.5, 'new')")
    assert ask(path, "SELECT * FROM note") == [(None, "old"), (1.5, "new")]


@pytest.mark.parametrize("damage", ["row_seal=row_seal+1", "name='no'"])
async def test_a_repair_asks_for_a_part_whose_version_nothing_tells(
    damage: str, path: Path
) -> None:
    await written(path, FIRST, "INSERT INTO note VALUES ('old')")
    change(path, f"UPDATE part SET {damage} WHERE name='notes'")
    before = contents(path)
    with pytest.raises(CorruptDataError, match="give the Part that it belongs to as parts="):
        repair_database(path, fall_back=True)
    assert contents(path) == before
    assert repair_database(path, fall_back=True, parts=[TODAY]).backup is not None


def test_nothing_is_told_by_rows_of_another_form() -> None:
    known = {"notes": 2}
    assert believed([("notes",), (None, 1), ("notes", "x"), (1, 2, 3, 4)], known) == {}
    assert believed([(None, "x", 7), ("notes", 3, 7)], known) == {}
    assert believed([("notes", 9), ("others", 9)], known) == {"notes": 2, "others": 9}


async def test_a_repair_keeps_the_versions_of_a_file_that_had_no_checksums_of_them(
    path: Path,
) -> None:
    await written(path, OLD, "INSERT INTO note VALUES ('old')")
    async with SqliteStore(path):
        pass
    restamp(path, "elsewhere", 7)
    unseal(path)
    change(path, "UPDATE part SET version='' WHERE name='store'")
    with pytest.raises(CorruptDataError, match="the version of part 'store' is ''"):
        await SqliteSaver(path).aopen()
    assert repair_database(path, fall_back=True, parts=[NEW]).backup is not None
    await written(path, NEW, "INSERT INTO note VALUES ('new', 1.5)")
    assert ask(path, "SELECT * FROM note") == [("old", None), ("new", 1.5)]
    found = ask(path, "SELECT name, version FROM part")
    assert found == [("elsewhere", 7), ("notes", 2), ("store", 1)]


async def test_a_repair_leaves_tables_of_a_newer_version_as_they_are(path: Path) -> None:
    await written(path, NEW, "INSERT INTO note VALUES ('new', 1.5)")
    change(path, "UPDATE definition SET crc=crc+1 WHERE name='scope'")
    assert repair_database(path, fall_back=True, parts=[OLD]).backup is not None
    assert ask(path, "SELECT * FROM note") == [("new", 1.5)]
    with pytest.raises(NewerSchemaError):
        await SqliteTables(path, OLD).aopen()


@pytest.mark.parametrize("root", ["scope", "sqlite_autoindex_store_item_1"])
async def test_an_upgrade_takes_no_damage_for_sound(root: str, path: Path) -> None:
    """Where tables begin is sealed anew by it: one that seems to begin elsewhere is refused."""
    async with SqliteStore(path) as store:
        await store.aput(("a",), "key", {"n": 1})
    unseal(path)
    change(
        path,
        "PRAGMA writable_schema=ON",
        f"UPDATE sqlite_master SET rootpage=rootpage-1 WHERE name='{root}'",
    )
    with pytest.raises(CorruptDataError):
        await SqliteStore(path).aopen()
    assert ask(path, "PRAGMA user_version") == [(2,)]


OPENS = """
import sys
from checkpoint import SqliteStore
print("ready", flush=True)
sys.stdin.readline()
with SqliteStore(sys.argv[1]) as store:
    print(store.get(("a",), "key").value, flush=True)
"""


def test_many_processes_upgrade_a_file_together(path: Path) -> None:
    """Each holds a lock that the others wait for, until one lets go of its own."""
    with SqliteStore(path) as store:
        store.put(("a",), "key", {"n": 1})
    unseal(path)
    command = [sys.executable, "-c", OPENS, str(path)]
    pipe = subprocess.PIPE
    openers = [
        subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) for _ in range(6)
    ]
    for opener in openers:
        assert opener.stdout is not None
        assert opener.stdout.readline() == "ready\n"
    for opener in openers:
        assert opener.stdin is not None
        opener.stdin.write("\n")
        opener.stdin.flush()
    assert [opener.communicate()[0] for opener in openers] == ["{'n': 1}\n"] * 6
    assert ask(path, "PRAGMA user_version") == [(SCHEMA.version,)]
