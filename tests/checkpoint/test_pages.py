"""Pages of a database file read without SQLite: the same rows, and none twice or too many."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from checkpoint.pages import PageFile
from checkpoint.row_checks import is_row_of
from tests.faults.answers import fill

PAGE = 1024
Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make a database of some statements."""

    def made(*statements: str) -> Path:
        path = tmp_path / "some.db"
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"PRAGMA page_size={PAGE}")
            connection.create_function("bytes", 1, lambda count: b"\xfe" * count)
            for statement in statements:
                connection.execute(statement)
            connection.commit()
        return path

    return made


NUMBERS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<500)"


def roots(pages: PageFile) -> dict[str, int]:
    return {cell.values[1]: cell.values[3] for cell in pages.walk(1)}


def rows_of(path: Path, table: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return sorted(connection.execute(f"SELECT * FROM {table}").fetchall(), key=repr)


def walked(pages: PageFile, root: int) -> list[tuple[Any, ...]]:
    return sorted((cell.values for cell in pages.walk(root)), key=repr)


@pytest.mark.parametrize(
    ("table", "values"),
    [
        ("t (a, b, c)", "i, 'text ' || i, i / 7.0"),
        ("t (a, b, c)", "i * i * i * i * i * i, -i, NULL"),
        ("t (a, b, c)", "bytes(i * 10), bytes(i), 0"),
        ("t (a PRIMARY KEY, b, c) WITHOUT ROWID", "i, bytes(i * 7), 1"),
    ],
)
def test_rows_are_those_that_sqlite_gives(table: str, values: str, make: Make) -> None:
    path = make(f"CREATE TABLE {table}", f"INSERT INTO t {NUMBERS} SELECT {values} FROM n")
    pages = PageFile(path.read_bytes(), PAGE)
    assert walked(pages, roots(pages)["t"]) == rows_of(path, "t")
    assert pages.lost == 0
    assert list(pages.orphans()) == []


def test_a_page_that_is_damaged_costs_its_own_rows_only(make: Make) -> None:
    path = make("CREATE TABLE t (a, b)", f"INSERT INTO t {NUMBERS} SELECT i, 'text' FROM n")
    whole, data = rows_of(path, "t"), bytearray(path.read_bytes())
    leaf = next(at for at in range(2 * PAGE, len(data), PAGE) if data[at] == 13)
    data[leaf : leaf + PAGE] = bytes(PAGE)
    pages = PageFile(bytes(data), PAGE)
    left = walked(pages, roots(pages)["t"])
    assert pages.lost == 1
    assert set(left) < set(whole)
    assert len(whole) - len(left) < PAGE // 8


def test_pages_below_a_damaged_one_are_found_all_the_same(make: Make) -> None:
    path = make("CREATE TABLE t (a, b)", f"INSERT INTO t {NUMBERS} SELECT i, 'text' FROM n")
    data = bytearray(path.read_bytes())
    pages = PageFile(bytes(data), PAGE)
    root = roots(pages)["t"]
    data[(root - 1) * PAGE] = 0
    pages = PageFile(bytes(data), PAGE)
    assert walked(pages, roots(pages)["t"]) == []
    assert sorted((cell.values for cell in pages.orphans()), key=repr) == rows_of(path, "t")


def test_what_was_deleted_does_not_come_back(make: Make) -> None:
    path = make(
        "CREATE TABLE t (a, b)",
        "CREATE TABLE gone (a, b)",
        f"INSERT INTO gone {NUMBERS} SELECT i, 'gone' FROM n",
        f"INSERT INTO t {NUMBERS} SELECT i, 'here' FROM n",
        "DROP TABLE gone",
    )
    data = bytearray(path.read_bytes())
    for change in ((), (36,), (32, 33, 34, 35)):  # the head of the list of unused pages
        damaged = bytearray(data)
        for at in change:
            damaged[at] ^= 1
        pages = PageFile(bytes(damaged), PAGE)
        assert walked(pages, roots(pages)["t"]) == rows_of(path, "t")
        assert list(pages.orphans()) == []


def test_a_tree_that_leads_round_in_a_circle_ends(make: Make) -> None:
    path = make("CREATE TABLE t (a, b)", f"INSERT INTO t {NUMBERS} SELECT i, 'text' FROM n")
    data = bytearray(path.read_bytes())
    root = roots(PageFile(bytes(data), PAGE))["t"]
    page = (root - 1) * PAGE
    data[page + 8 : page + 12] = root.to_bytes(4, "big")
    pages = PageFile(bytes(data), PAGE)
    assert set(walked(pages, roots(pages)["t"])) < set(rows_of(path, "t"))
    assert pages.lost == 1


async def test_garbage_ends_and_gives_no_row_that_a_checksum_fits(tmp_path: Path) -> None:
    path = tmp_path / "threads.db"
    await fill(path)
    sound, dice = path.read_bytes(), random.Random(7)
    real = {row for table in ("blob", "event") for row in rows_of(path, table)}
    for _ in range(30):
        data = bytearray(sound)
        for _ in range(40):
            data[dice.randrange(2048, len(data))] = dice.randrange(256)
        pages = PageFile(bytes(data), 2048)
        for table, root in roots(pages).items():
            for cell in pages.walk(root if isinstance(root, int) else 0):
                row = (cell.rowid, *cell.values[1:])
                if table in ("blob", "event") and is_row_of(table, row):
                    assert row in real
