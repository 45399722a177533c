"""Rows tell by themselves which table they belong into, and whether they were changed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from checkpoint import SqliteCache, SqliteStore
from checkpoint.row_checks import BESIDE, CHECKED, is_row_of, table_of
from tests.faults.answers import fill

IDLE = {
    *(("checkpoint", column) for column in (0, 1, 3, 4, 5)),
    *((table, 3) for table in ("thread", "scope", "run")),
    *((table, 0) for table in ("blob", "store_item", "cache")),
}
"""Columns that no checksum of the row covers: numbers that others refer to, if any does, and what
the second indexes find by, which is made anew."""


@pytest.fixture
async def rows(tmp_path: Path) -> dict[str, list[tuple[Any, ...]]]:
    path = tmp_path / "threads.db"
    await fill(path)
    index: Any = {"embed": lambda texts: [[1.0, 2.0] for _ in texts], "dims": 2}
    async with SqliteStore(path, index=index, ttl={"default_ttl": 5}) as store:
        await store.aput(("a", "b"), "k", {"text": "x"})
    async with SqliteCache(path) as cache:
        await cache.set({(("ns",), "k"): ("value", 3.0)})
    with closing(sqlite3.connect(path)) as connection:
        return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in CHECKED}


def test_every_row_is_known_for_what_it_is(rows: dict[str, list[tuple[Any, ...]]]) -> None:
    for table, found in rows.items():
        assert found, table
        for row in found:
            assert is_row_of(table, row)
            assert table_of(row) == table


def test_a_row_that_was_changed_is_no_row_of_any_table(
    rows: dict[str, list[tuple[Any, ...]]],
) -> None:
    for table, found in rows.items():
        for column, value in enumerate(found[-1]):
            if (table, column) in IDLE or (table == "checkpoint" and column == 6):
                continue
            changed = (*found[-1][:column], other(value), *found[-1][column + 1 :])
            assert table_of(changed) is None, (table, column)
            assert table_of((*found[-1][:column], object(), *found[-1][column + 1 :])) is None


def other(value: Any) -> Any:
    match value:
        case int() | float():
            return value + 1
        case str():
            return value + "x"
        case bytes():
            return value + b"x"
        case _:
            return 7


def test_a_row_of_too_many_columns_is_none(rows: dict[str, list[tuple[Any, ...]]]) -> None:
    assert not is_row_of("event", (*rows["event"][0], None))
    assert table_of(()) is None


def test_tables_beside_the_threads_are_among_those_that_are_checked() -> None:
    assert set(BESIDE) < CHECKED
