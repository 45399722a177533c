"""What a rewind leaves in the file, and what happens when it cannot be done."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from checkpoint import DatabaseError, SqliteSaver, StaleClaimError
from checkpoint.story import LONG, Story, values_of
from checkpoint.testing_rewind import point_of, rewound

TABLES = ("thread", "scope", "checkpoint", "pending", "blob")


def rows_of(path: Path) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(path)) as connection:
        return {table: connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES}


def run_sql(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(sql)
        connection.commit()


async def test_no_row_of_a_forgotten_run_stays_in_the_file(path: Path, saver: SqliteSaver) -> None:
    story = await Story.begin(saver)
    await story.step({"a": LONG, "list": [LONG]})
    await story.write("task", [("a", LONG)])
    story.end()
    story = await Story.begin(saver)
    points, before = {"": await point_of(saver), "child:1": None}, rows_of(path)
    child = Story(saver, story.claim, "child:1", None)
    for n in range(20):
        await story.write("task", [("a", LONG + str(n))])
        await story.step({"a": LONG + str(n), "list": [LONG] * n})
        await child.step({"c": [LONG] * n})
        await child.write("inner", [("c", [LONG])])
    assert len(rows_of(path)["blob"]) > 40
    await rewound(saver, story, points)
    assert rows_of(path) == before


async def test_a_scope_that_takes_the_place_of_a_forgotten_one_is_read_right(
    saver: SqliteSaver,
) -> None:
    story = await Story.begin(saver)
    await story.step({"a": LONG}, run_id="run 1", extra={"user": "one"})
    await rewound(saver, story, {"": None})
    other = await Story.begin(saver, "other")
    for n in range(3):
        await other.step({"b": [LONG] * n}, run_id="run 1", extra={"user": "one"})
    assert await values_of(saver) is None
    found = await saver.history("other")
    assert [h.record.metadata.extra for h in found] == [{"user": "one"}] * 3
    assert await values_of(saver, "other") == {"b": [LONG, LONG]}


async def test_a_rewind_that_fails_changes_nothing_and_can_be_tried_again(
    path: Path, saver: SqliteSaver
) -> None:
    story = await Story.begin(saver)
    await story.step({"a": LONG})
    point = await point_of(saver)
    await story.step({"a": LONG + "2"})
    before = rows_of(path)
    run_sql(
        path,
        "CREATE TRIGGER refuse BEFORE DELETE ON blob BEGIN SELECT RAISE(ABORT, 'no luck'); END",
    )
    with pytest.raises(DatabaseError, match="no luck"):
        await saver.rewind(story.claim, {"": point})
    assert rows_of(path) == before
    run_sql(path, "DROP TRIGGER refuse")
    await saver.rewind(story.claim, {"": point})
    assert await values_of(saver) == {"a": LONG}


async def test_who_lost_the_thread_to_another_process_rewinds_nothing(saver: SqliteSaver) -> None:
    story = await Story.begin(saver)
    await story.step({"n": 1})
    point = await point_of(saver)
    await story.step({"n": 2})
    await saver.atake_over("thread")
    with pytest.raises(StaleClaimError):
        await saver.rewind(story.claim, {"": point})
    assert await values_of(saver) == {"n": 2}


async def test_what_was_rewound_is_still_so_when_the_file_is_opened_again(path: Path) -> None:
    async with SqliteSaver(path) as saver:
        story = await Story.begin(saver)
        await story.step({"list": [LONG]})
        point = await point_of(saver)
        await story.step({"list": [LONG, LONG]})
        await saver.rewind(story.claim, {"": point})
    async with SqliteSaver(path) as saver:
        story = await Story.begin(saver)
        assert await values_of(saver) == {"list": [LONG]}
        await story.step({"list": [LONG, LONG + "2"]})
        assert await values_of(saver) == {"list": [LONG, LONG + "2"]}
