"""The rows of runs."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent_server.orders import RunBody, run_from
from agent_server.records import Run
from agent_server.run_rows import (
    add_run,
    begin_run,
    delete_runs,
    end_run,
    find_run,
    has_open_runs,
    list_runs,
    note_crash,
    open_rows,
    stop_runs,
    suspend_runs,
)
from checkpoint import SqliteTables
from tests.agent_server.database import opened
from tests.agent_server.stage import assistant_of

HUGE = 10**40


def run(thread_id: str | None = "thread", now: float = 1.0, **body: Any) -> Run:
    asked = RunBody.model_validate({"assistant_id": "agent", **body})
    return run_from(asked, assistant_of("agent"), thread_id=thread_id, now=now)


@pytest.fixture
async def tables(tmp_path: Path) -> AsyncIterator[SqliteTables]:
    async with opened(tmp_path) as database:
        yield database.tables


async def test_a_run_comes_back_as_it_was(tables: SqliteTables) -> None:
    made = run(
        input={"n": HUGE, "text": "\u2028 é", "list": [1.5, None, True]},
        stream_mode=["values", "custom"],
        interrupt_before=["a"],
        config={"configurable": {"x": 1}, "tags": ["t"]},
        multitask_strategy="rollback",
        after_seconds=5,
    )

    def unit(db: sqlite3.Connection) -> Run | None:
        add_run(db, made)
        assert find_run(db, "other", made.run_id) is None
        assert find_run(db, None, made.run_id) == find_run(db, "thread", made.run_id)
        return find_run(db, "thread", made.run_id)

    found = await tables.write(unit)
    assert found is not None
    assert found.order.input["n"] == HUGE
    assert replace(found, order=made.order) == made
    assert list(found.order.stream_mode) == ["values", "custom"]
    assert found.order.input == made.order.input


async def test_a_run_that_has_ended_stays_ended(tables: SqliteTables) -> None:
    made = run()

    def unit(db: sqlite3.Connection) -> None:
        add_run(db, made)
        begin_run(db, made.run_id, 2.0)
        assert has_open_runs(db, "thread")
        end_run(db, made.run_id, status="success", error=None, now=3.0)
        assert not has_open_runs(db, "thread")
        begin_run(db, made.run_id, 4.0)
        suspend_runs(db, [made.run_id], 4.0)
        stop_runs(db, [made.run_id], "interrupt")
        found = find_run(db, None, made.run_id)
        assert found is not None
        assert (found.status, found.attempt) == ("success", 1)

    await tables.write(unit)


async def test_a_cancelled_run_stays_so_however_it_ends(tables: SqliteTables) -> None:
    made = run()

    def unit(db: sqlite3.Connection) -> None:
        add_run(db, made)
        stop_runs(db, [made.run_id], "interrupt")
        end_run(db, made.run_id, status="success", error=None, now=3.0)
        found = find_run(db, None, made.run_id)
        assert found is not None
        assert found.status == "interrupted"

    await tables.write(unit)


async def test_a_run_that_is_being_undone_is_seen_by_a_start_only(tables: SqliteTables) -> None:
    made = run()

    def unit(db: sqlite3.Connection) -> None:
        add_run(db, made)
        stop_runs(db, [made.run_id], "rollback")
        assert find_run(db, None, made.run_id) is None
        assert list_runs(db, "thread", status=None, limit=9, offset=0) == []
        assert [left.status for left in open_rows(db)] == ["rollback"]
        delete_runs(db, [made.run_id])
        assert open_rows(db) == []

    await tables.write(unit)


async def test_open_runs_come_in_the_order_of_their_turns(tables: SqliteTables) -> None:
    delayed, first, second = run(now=1.0, after_seconds=50), run(now=2.0), run(now=2.0)

    def unit(db: sqlite3.Connection) -> None:
        for each in (delayed, first, second):
            add_run(db, each)
        note_crash(db, first.run_id, 3.0)
        left = open_rows(db)
        ids = [each.run.run_id for each in left]
        assert ids == [first.run_id, second.run_id, delayed.run_id]
        assert [each.crashes for each in left] == [1, 0, 0]

    await tables.write(unit)


async def test_what_every_run_asks_looks_at_few_rows(tables: SqliteTables) -> None:
    """However many runs a thread has had: the plans use indexes, and sort nothing."""
    statements = [
        "SELECT 1 FROM server_run WHERE thread = 'a' AND status IN ('pending', 'running')",
        "SELECT id FROM server_run WHERE status IN ('pending', 'running')",
        "SELECT id FROM server_run WHERE status = 'rollback'",
        "SELECT id FROM server_run WHERE thread = 'a' ORDER BY created DESC, rowid DESC LIMIT 9",
        "SELECT id FROM server_run WHERE events_until <= 5 ORDER BY events_until LIMIT 9",
    ]
    indexes = ["open", "open", "undone", "thread", "events"]

    def plans(db: sqlite3.Connection) -> list[str]:
        return [
            " ".join(row[3] for row in db.execute(f"EXPLAIN QUERY PLAN {each}"))
            for each in statements
        ]

    for plan, index in zip(await tables.read(plans), indexes, strict=True):
        assert f"server_run_{index}" in plan
        assert "TEMP B-TREE" not in plan
