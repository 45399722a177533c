"""The server's tables: their rows are sealed, those of older files too, and damage is an error."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent_server import tables as all_tables
from agent_server.assistant_rows import (
    AssistantQuery,
    add_version,
    choose_version,
    find_assistant,
    find_assistants,
    has_assistant,
    versions_of,
)
from agent_server.cron_rows import (
    CronQuery,
    begin_firing,
    due_crons,
    end_firing,
    find_cron,
    find_crons,
    firings,
    first_due,
    put_cron,
)
from agent_server.left_rows import find_answer, find_webhook, keep_answer, keep_webhook
from agent_server.records import Assistant, Cron, Thread, Ttl
from agent_server.run_rows import add_run, find_run, list_runs, open_rows, resting_threads
from agent_server.tables import SERVER, server_tables
from agent_server.thread_rows import (
    add_thread,
    expired_threads,
    find_thread,
    settle_thread,
)
from agent_server.thread_search import ThreadQuery, find_threads
from checkpoint import CorruptDataError, SealedTable, SqliteSaver, SqliteTables, repair_database
from tests.agent_server.database import leave_checkpoints
from tests.agent_server.older import older_tables
from tests.agent_server.test_run_rows import run

TABLES = [each for each in vars(all_tables).values() if isinstance(each, SealedTable)]
RUN = run("thread", input={"n": 10**40}, metadata={"k": "v"})
ASSISTANT = Assistant("assistant", "agent", "name", {}, {"c": 1}, {"k": "v"}, 1, 1.0, 1.0, "said")
CRON = Cron("cron", "assistant", "thread", "* * * * *", {"input": {}}, 1.0, 1.0, 60.0)
THREAD = Thread(
    thread_id="thread",
    created_at=1.0,
    updated_at=2.0,
    state_updated_at=3.5,
    metadata={"k": "v"},
    status="idle",
    config={},
    ttl=Ttl(5.0, "delete", 300.0),
)

QUESTIONS: dict[str, Callable[[sqlite3.Connection], Any]] = {
    "assistant": lambda db: find_assistant(db, "assistant"),
    "assistants": lambda db: find_assistants(db, AssistantQuery()),
    "versions": lambda db: versions_of(db, "assistant", {}, 10, 0),
    "thread": lambda db: find_thread(db, "thread"),
    "threads": lambda db: find_threads(db, ThreadQuery()),
    "bare threads": lambda db: find_threads(db, ThreadQuery(with_values=False)),
    "run": lambda db: find_run(db, "thread", RUN.run_id),
    "runs": lambda db: list_runs(db, "thread", status=None, limit=10, offset=0),
    "answer": lambda db: find_answer(db, RUN.run_id),
    "webhook": lambda db: find_webhook(db, RUN.run_id),
    "cron": lambda db: find_cron(db, "cron"),
    "crons": lambda db: find_crons(db, CronQuery()),
}
ASKED = {
    "server_assistant": {"assistant", "assistants"},
    "server_assistant_version": {"assistant", "assistants", "versions"},
    "server_thread": {"thread", "threads", "bare threads"},
    "server_run": {"run", "runs"},
    "server_answer": {"answer"},
    "server_webhook": {"webhook"},
    "server_cron": {"cron", "crons"},
    "server_gone": set(),
}
"""Which answers are made of the rows of a table."""


def fill(db: sqlite3.Connection) -> None:
    add_version(db, ASSISTANT)
    add_thread(db, THREAD)
    settle_thread(
        db, "thread", status="busy", values={"a": [1, "é"]}, interrupts={}, error=None, now=9
    )
    add_run(db, RUN)
    keep_answer(db, RUN.run_id, b'{"a":1}')
    keep_webhook(db, RUN.run_id, "https://host.example", b"{}")
    put_cron(db, CRON)
    leave_checkpoints(db, "another")


@pytest.fixture
async def tables(tmp_path: Path) -> AsyncIterator[SqliteTables]:
    async with server_tables(tmp_path / "server.db") as tables:
        await tables.write(fill)
        yield tables


async def asked(tables: SqliteTables) -> dict[str, Any]:
    answers: dict[str, Any] = {}
    for name, question in QUESTIONS.items():
        try:
            answers[name] = await tables.read(question)
        except CorruptDataError:
            answers[name] = CorruptDataError
    return answers


async def test_tables_are_made_as_their_seals_say(tables: SqliteTables) -> None:
    def unit(db: sqlite3.Connection) -> None:
        names = db.execute("SELECT name FROM sqlite_master WHERE name LIKE 'server%'").fetchall()
        made = {
            name: [row[1] for row in db.execute(f"PRAGMA table_info({name})")] for (name,) in names
        }
        stored = {table: columns for table, columns in made.items() if "row_seal" in columns}
        assert stored == {each.name: [*each.columns, "row_seal"] for each in TABLES}
        assert stored.keys() == ASKED.keys()

    await tables.read(unit)


@pytest.mark.parametrize(
    ("table", "column"), [(each.name, column) for each in TABLES for column in each.columns]
)
async def test_a_column_that_turned_over_is_an_error_to_who_asks(
    tables: SqliteTables, table: str, column: str
) -> None:
    before = await asked(tables)
    assert CorruptDataError not in before.values()
    place = column in ("id", "assistant", "thread", "version")
    value = f"coalesce({column}, '') || 'x'"
    await tables.write(lambda db: db.execute(f"UPDATE {table} SET {column} = {value}"))
    after = await asked(tables)
    for name, answer in after.items():
        if name not in ASKED[table]:
            assert answer == before[name]
        elif not place:
            assert answer is CorruptDataError
        else:  # nobody finds it, or it is told to be damaged
            assert answer != before[name]
    async with SqliteSaver(tables._path) as saver:
        assert not (await saver.averify()).ok


async def test_work_goes_on_without_damaged_rows(tables: SqliteTables) -> None:
    def unit(db: sqlite3.Connection) -> None:
        assert len(open_rows(db)) == len(due_crons(db, 60.0, 9)) == 1
        assert len(expired_threads(db, 300.0, 9)) == 0
        db.execute("UPDATE server_run SET kwargs = '{}'")
        db.execute("UPDATE server_cron SET schedule = 'x'")
        db.execute("UPDATE server_thread SET expires = 5, status = 'idle'")
        assert open_rows(db) == due_crons(db, 60.0, 9) == expired_threads(db, 300.0, 9) == []
        assert resting_threads(db) == firings(db) == []
        assert first_due(db, 60.0) is None

    await tables.write(unit)


async def test_damaged_rows_take_no_place_of_others(tables: SqliteTables) -> None:
    def unit(db: sqlite3.Connection) -> None:
        put_cron(db, replace(CRON, cron_id="later", next_at=61.0))
        db.execute("UPDATE server_cron SET schedule = 'x' WHERE id = 'cron'")
        assert [each.cron_id for each in due_crons(db, 61.0, 1)] == ["later"]

    await tables.write(unit)


async def test_crons_and_assistants_that_change_are_sealed_anew(tables: SqliteTables) -> None:
    def unit(db: sqlite3.Connection) -> None:
        assert begin_firing(db, CRON, "run", 120)
        assert [each.run_id for each in firings(db)] == ["run"]
        put_cron(db, CRON)
        assert [each.run_id for each in firings(db)] == ["run"]
        end_firing(db, "run")
        assert find_cron(db, "cron") == CRON
        choose_version(db, "assistant", 1, 7)
        assert has_assistant(db, "assistant")

    await tables.write(unit)
    assert CorruptDataError not in (await asked(tables)).values()


async def test_a_version_that_is_lost_is_an_error(tables: SqliteTables) -> None:
    await tables.write(lambda db: db.execute("DELETE FROM server_assistant_version"))
    with pytest.raises(CorruptDataError, match="version 1 is lost"):
        await tables.read(QUESTIONS["assistant"])


@pytest.fixture
async def older(tmp_path: Path, tables: SqliteTables) -> Path:
    """A file of before there were seals, with the same rows."""
    path = tmp_path / "older.db"
    async with older_tables(path):
        pass
    with closing(sqlite3.connect(path, isolation_level=None)) as target:
        target.execute("ATTACH ? AS newer", (str(tables._path),))
        for each in TABLES:
            if each.name == "server_gone":  # there was none
                continue
            columns = ", ".join(each.columns)
            target.execute(
                f"INSERT INTO {each.name} ({columns}) SELECT {columns} FROM newer.{each.name}"
            )
    return path


async def test_rows_of_an_older_file_are_sealed_when_it_is_opened(
    tables: SqliteTables, older: Path
) -> None:
    async with server_tables(older) as upgraded:
        assert await asked(upgraded) == await asked(tables)
        facts = "SELECT name, sql FROM sqlite_master WHERE name LIKE 'server%' ORDER BY name"
        today = await tables.read(lambda db: db.execute(facts).fetchall())
        assert await upgraded.read(lambda db: db.execute(facts).fetchall()) == today
        await upgraded.write(lambda db: db.execute("UPDATE server_run SET status = 'error'"))
        with pytest.raises(CorruptDataError):
            await upgraded.read(QUESTIONS["run"])
    async with SqliteSaver(older) as saver:
        assert len((await saver.averify()).damage) == 1


async def test_an_older_file_is_repaired_as_it_is_and_upgraded_then(
    tables: SqliteTables, older: Path
) -> None:
    async with SqliteSaver(older) as saver:
        assert (await saver.averify()).ok
    with closing(sqlite3.connect(older, isolation_level=None)) as db:
        db.execute("INSERT INTO run VALUES (1, 'lost', 3, 5, 7)")
    done = repair_database(older, fall_back=True, parts=[SERVER])
    assert done.backup is not None
    assert not done.rows
    async with server_tables(older) as upgraded:
        assert await asked(upgraded) == await asked(tables)
