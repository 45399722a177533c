"""What runs leave for who comes later."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from agent_server.left_rows import (
    drop_answers,
    drop_answers_on,
    drop_webhook,
    find_answer,
    find_webhook,
    keep_answer,
    keep_webhook,
    kept_webhooks,
)
from agent_server.orders import RunBody, run_from
from agent_server.run_rows import add_run, delete_runs
from agent_server.tables import server_tables
from agent_server.thread_rows import erase_thread
from checkpoint import SqliteTables
from checkpoint.row_seals import row_seal
from tests.agent_server.database import opened
from tests.agent_server.older import older_tables
from tests.agent_server.stage import assistant_of

URL = "https://host.example/x"


@pytest.fixture
async def tables(tmp_path: Path) -> AsyncIterator[SqliteTables]:
    async with opened(tmp_path) as database:
        yield database.tables


async def test_an_answer_is_kept_until_it_is_dropped(tables: SqliteTables) -> None:
    def unit(db: sqlite3.Connection) -> None:
        assert find_answer(db, "a") is None
        for run_id in ("a", "b"):
            keep_answer(db, run_id, b'{"n":1}')
        keep_answer(db, "a", b'{"n":2}')
        assert (find_answer(db, "a"), find_answer(db, "b")) == (b'{"n":2}', b'{"n":1}')
        drop_answers(db, ["a"])
        assert (find_answer(db, "a"), find_answer(db, "b")) == (None, b'{"n":1}')

    await tables.write(unit)


@pytest.mark.parametrize("how", ["runs", "thread", "answers"])
async def test_answers_go_with_what_they_are_of(tables: SqliteTables, how: str) -> None:
    body = RunBody.model_validate({"assistant_id": "agent"})
    one, other = (
        run_from(body, assistant_of("agent"), thread_id=thread, now=1.0) for thread in ("t", "u")
    )

    def unit(db: sqlite3.Connection) -> None:
        for run in (one, other):
            add_run(db, run)
            keep_answer(db, run.run_id, b"{}")
        if how == "runs":
            delete_runs(db, [one.run_id])
        elif how == "thread":
            erase_thread(db, "t")
        else:
            drop_answers_on(db, "t")
        assert find_answer(db, one.run_id) is None
        assert find_answer(db, other.run_id) == b"{}"

    await tables.write(unit)


async def test_a_webhook_is_kept_until_it_is_dropped(tables: SqliteTables) -> None:
    def unit(db: sqlite3.Connection) -> None:
        assert kept_webhooks(db) == []
        keep_webhook(db, "run", URL, b"{}")
        assert kept_webhooks(db) == ["run"]
        assert find_webhook(db, "run") == (URL, b"{}")
        drop_webhook(db, "run")
        assert kept_webhooks(db) == []
        assert find_webhook(db, "run") is None

    await tables.write(unit)


async def test_what_an_older_server_had_still_to_send_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "server.db"
    async with older_tables(path):
        pass
    with closing(sqlite3.connect(path)) as older:
        older.executescript(
            f"""
            DROP TABLE server_webhook;
            ALTER TABLE server_run ADD COLUMN webhook TEXT;
            CREATE INDEX server_run_webhook ON server_run (id) WHERE webhook IS NOT NULL;
            UPDATE part SET version = 1, row_seal = {row_seal("part", "server", 1)}
                WHERE name = 'server';
            DELETE FROM definition;
            INSERT INTO server_run (id, thread, assistant, graph, created, updated, status,
                strategy, stateless, due, attempt, metadata, kwargs, webhook)
            VALUES ('run', 't', 'a', 'g', 1, 1, 'success', 'enqueue', 0, 0, 1, '{{}}',
                '{{"webhook":"{URL}"}}', '{{"n":1}}');
            """
        )
    async with server_tables(path) as tables:
        assert await tables.read(lambda db: find_webhook(db, "run")) == (URL, b'{"n":1}')
