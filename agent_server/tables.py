"""The tables of the server, in the database file that holds the checkpoints too.

    server_assistant          one row per assistant; `version` is the one that counts
    server_assistant_version  what an assistant is, one row per version
    server_thread             one row per thread, with a copy of its newest values to search in
    server_run                the queue, and the history of runs on threads; stateless runs have a
                              row only when nobody waits for their answer
    server_answer             what `wait` was told of an ended run, as long as its events are kept
    server_webhook            what is still to be sent to the webhooks of ended runs
    server_cron               runs that start again and again
    server_gone               threads without a row of which there may be checkpoints yet

JSON stands as text, so that SQLite's JSON functions can search in it; times are seconds.  Every row
is sealed: a bit that turned over in it is an error, never an answer.  Those that are looked for by
their ids have a second index of these, which is asked when the first one does not know an id: one
damaged page cannot make both forget.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping

from checkpoint import Part, SealedTable, SqliteTables

ASSISTANT = SealedTable("server_assistant", ("id", "version", "created", "updated"))
VERSION = SealedTable(
    "server_assistant_version",
    (
        *("assistant", "version", "graph", "name", "config", "context", "metadata", "description"),
        "created",
    ),
)
THREAD = SealedTable(
    "server_thread",
    (
        *("id", "created", "updated", "state_updated", "status", "metadata", "config", "vals"),
        *("interrupts", "error", "ttl_minutes", "ttl_strategy", "expires"),
    ),
)
RUN = SealedTable(
    "server_run",
    (
        *("id", "thread", "assistant", "graph", "created", "updated", "status", "strategy"),
        *("stateless", "due", "attempt", "crashes", "metadata", "kwargs", "error", "events_until"),
        "events_size",
    ),
)
ANSWER = SealedTable("server_answer", ("id", "answer"))
WEBHOOK = SealedTable("server_webhook", ("id", "url", "payload"))
CRON = SealedTable(
    "server_cron",
    (
        *("id", "assistant", "thread", "schedule", "timezone", "payload", "metadata", "created"),
        *("updated", "next", "end", "enabled", "on_run_completed", "user", "firing"),
    ),
)
GONE = SealedTable("server_gone", ("id",))

_MADE: Mapping[SealedTable, str] = {
    ASSISTANT: """
        CREATE TABLE IF NOT EXISTS server_assistant (id TEXT PRIMARY KEY, version INTEGER NOT NULL,
            created REAL NOT NULL, updated REAL NOT NULL, row_seal INTEGER NOT NULL) WITHOUT ROWID
    """,
    VERSION: """
        CREATE TABLE IF NOT EXISTS server_assistant_version (assistant TEXT NOT NULL,
            version INTEGER NOT NULL, graph TEXT NOT NULL, name TEXT NOT NULL, config TEXT NOT NULL,
            context TEXT NOT NULL, metadata TEXT NOT NULL, description TEXT, created REAL NOT NULL,
            row_seal INTEGER NOT NULL, PRIMARY KEY (assistant, version)) WITHOUT ROWID
    """,
    THREAD: """
        CREATE TABLE IF NOT EXISTS server_thread (id TEXT PRIMARY KEY, created REAL NOT NULL,
            updated REAL NOT NULL, state_updated REAL NOT NULL, status TEXT NOT NULL,
            metadata TEXT NOT NULL, config TEXT NOT NULL, vals TEXT, interrupts TEXT NOT NULL,
            error TEXT, ttl_minutes REAL, ttl_strategy TEXT, expires REAL,
            row_seal INTEGER NOT NULL)
    """,
    RUN: """
        CREATE TABLE IF NOT EXISTS server_run (id TEXT PRIMARY KEY, thread TEXT NOT NULL,
            assistant TEXT NOT NULL, graph TEXT NOT NULL, created REAL NOT NULL,
            updated REAL NOT NULL, status TEXT NOT NULL, strategy TEXT NOT NULL,
            stateless INTEGER NOT NULL, due REAL NOT NULL, attempt INTEGER NOT NULL,
            crashes INTEGER NOT NULL DEFAULT 0, metadata TEXT NOT NULL, kwargs TEXT NOT NULL,
            error TEXT, events_until REAL, events_size INTEGER, row_seal INTEGER NOT NULL)
    """,
    ANSWER: """
        CREATE TABLE IF NOT EXISTS server_answer (id TEXT PRIMARY KEY, answer BLOB NOT NULL,
            row_seal INTEGER NOT NULL) WITHOUT ROWID
    """,
    WEBHOOK: """
        CREATE TABLE IF NOT EXISTS server_webhook (id TEXT PRIMARY KEY, url TEXT NOT NULL,
            payload BLOB NOT NULL, row_seal INTEGER NOT NULL) WITHOUT ROWID
    """,
    CRON: """
        CREATE TABLE IF NOT EXISTS server_cron (id TEXT PRIMARY KEY, assistant TEXT NOT NULL,
            thread TEXT, schedule TEXT NOT NULL, timezone TEXT NOT NULL, payload TEXT NOT NULL,
            metadata TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL, next REAL,
            end REAL, enabled INTEGER NOT NULL, on_run_completed TEXT NOT NULL, user TEXT NOT NULL,
            firing TEXT, row_seal INTEGER NOT NULL) WITHOUT ROWID
    """,
    GONE: """
        CREATE TABLE IF NOT EXISTS server_gone (id TEXT PRIMARY KEY, row_seal INTEGER NOT NULL)
            WITHOUT ROWID
    """,
}
_INDEXES = (
    "CREATE INDEX IF NOT EXISTS server_assistant_id ON server_assistant (id)",
    "CREATE INDEX IF NOT EXISTS server_thread_id ON server_thread (id)",
    "CREATE INDEX IF NOT EXISTS server_thread_updated ON server_thread (updated)",
    """
    CREATE INDEX IF NOT EXISTS server_thread_expires ON server_thread (expires)
        WHERE expires IS NOT NULL
    """,
    "CREATE INDEX IF NOT EXISTS server_run_id ON server_run (id)",
    "CREATE INDEX IF NOT EXISTS server_run_thread ON server_run (thread, created)",
    """
    CREATE INDEX IF NOT EXISTS server_run_open ON server_run (thread)
        WHERE status IN ('pending', 'running')
    """,
    "CREATE INDEX IF NOT EXISTS server_run_undone ON server_run (id) WHERE status = 'rollback'",
    """
    CREATE INDEX IF NOT EXISTS server_run_events ON server_run (events_until)
        WHERE events_until IS NOT NULL
    """,
    "CREATE INDEX IF NOT EXISTS server_answer_id ON server_answer (id)",
    "CREATE INDEX IF NOT EXISTS server_webhook_id ON server_webhook (id)",
    "CREATE INDEX IF NOT EXISTS server_cron_id ON server_cron (id)",
    "CREATE INDEX IF NOT EXISTS server_cron_next ON server_cron (next) WHERE next IS NOT NULL",
)
_MADE_OF_WEBHOOKS = """
    CREATE TABLE IF NOT EXISTS server_webhook (id TEXT PRIMARY KEY, url TEXT NOT NULL,
        payload BLOB NOT NULL) WITHOUT ROWID
"""


def _move_webhooks(db: sqlite3.Connection) -> None:
    """What was still to be sent stood in the rows of runs."""
    db.execute(_MADE_OF_WEBHOOKS)
    if "webhook" in _columns(db, "server_run"):
        db.execute(
            "INSERT INTO server_webhook SELECT id, json_extract(kwargs, '$.webhook'), "
            "CAST(webhook AS BLOB) FROM server_run WHERE webhook IS NOT NULL "
            "AND json_extract(kwargs, '$.webhook') IS NOT NULL"
        )
        db.execute("DROP INDEX IF EXISTS server_run_webhook")
        db.execute("UPDATE server_run SET webhook = NULL WHERE webhook IS NOT NULL")


def _seal_rows(db: sqlite3.Connection) -> None:
    """Rows had no seals: they are taken for what they are now, into tables of today."""
    for table, made in _MADE.items():
        old = _columns(db, table.name)
        if not old or "row_seal" in old:
            continue
        columns = ", ".join(table.columns)
        order = "" if made.rstrip().endswith("WITHOUT ROWID") else "ORDER BY rowid"
        db.execute(f"ALTER TABLE {table.name} RENAME TO server_older")
        db.execute(made)
        db.execute(
            f"INSERT INTO {table.name} ({table.select}) "  # noqa: S608 - names of ours
            f"SELECT {columns}, row_seal('{table.name}', {columns}) FROM server_older {order}"
        )
        db.execute("DROP TABLE server_older")


def _columns(db: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in db.execute(f"PRAGMA table_info({table})")}


SERVER = Part(
    "server",
    3,
    (*_MADE.values(), *_INDEXES),
    {1: _move_webhooks, 2: _seal_rows},
    sign="server_run",
)
"""Raise the version with every change of these tables that older files have to be told of, and add
the upgrade from the version before."""


def server_tables(path: str | os.PathLike[str]) -> SqliteTables:
    """The server's tables in a database file; open it before use."""
    return SqliteTables(path, SERVER)
