"""The tables of the server, in the database file that holds the checkpoints too.

    server_assistant          one row per assistant; `version` is the one that counts
    server_assistant_version  what an assistant is, one row per version
    server_thread             one row per thread, with a copy of its newest values to search in
    server_run                the queue, and the history of runs on threads; stateless runs have a
                              row only when nobody waits for their answer
    server_answer             what `wait` was told of an ended run, as long as its events are kept
    server_webhook            what is still to be sent to the webhooks of ended runs
    server_cron               runs that start again and again

JSON stands as text, so that SQLite's JSON functions can search in it; times are seconds.
"""

from __future__ import annotations

import os
import sqlite3

from checkpoint import Part, SqliteTables

_WEBHOOK = """
    CREATE TABLE IF NOT EXISTS server_webhook (id TEXT PRIMARY KEY, url TEXT NOT NULL,
        payload BLOB NOT NULL) WITHOUT ROWID
    """

_TABLES = (
    """
    CREATE TABLE IF NOT EXISTS server_assistant (id TEXT PRIMARY KEY, version INTEGER NOT NULL,
        created REAL NOT NULL, updated REAL NOT NULL) WITHOUT ROWID
    """,
    """
    CREATE TABLE IF NOT EXISTS server_assistant_version (assistant TEXT NOT NULL,
        version INTEGER NOT NULL, graph TEXT NOT NULL, name TEXT NOT NULL, config TEXT NOT NULL,
        context TEXT NOT NULL, metadata TEXT NOT NULL, description TEXT, created REAL NOT NULL,
        PRIMARY KEY (assistant, version)) WITHOUT ROWID
    """,
    """
    CREATE TABLE IF NOT EXISTS server_thread (id TEXT PRIMARY KEY, created REAL NOT NULL,
        updated REAL NOT NULL, state_updated REAL NOT NULL, status TEXT NOT NULL,
        metadata TEXT NOT NULL, config TEXT NOT NULL, vals TEXT, interrupts TEXT NOT NULL,
        error TEXT, ttl_minutes REAL, ttl_strategy TEXT, expires REAL)
    """,
    "CREATE INDEX IF NOT EXISTS server_thread_updated ON server_thread (updated)",
    """
    CREATE INDEX IF NOT EXISTS server_thread_expires ON server_thread (expires)
        WHERE expires IS NOT NULL
    """,
    """
    CREATE TABLE IF NOT EXISTS server_run (id TEXT PRIMARY KEY, thread TEXT NOT NULL,
        assistant TEXT NOT NULL, graph TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL,
        status TEXT NOT NULL, strategy TEXT NOT NULL, stateless INTEGER NOT NULL, due REAL NOT NULL,
        attempt INTEGER NOT NULL, crashes INTEGER NOT NULL DEFAULT 0, metadata TEXT NOT NULL,
        kwargs TEXT NOT NULL, error TEXT, events_until REAL, events_size INTEGER)
    """,
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
    """
    CREATE TABLE IF NOT EXISTS server_answer (id TEXT PRIMARY KEY, answer BLOB NOT NULL)
        WITHOUT ROWID
    """,
    _WEBHOOK,
    """
    CREATE TABLE IF NOT EXISTS server_cron (id TEXT PRIMARY KEY, assistant TEXT NOT NULL,
        thread TEXT, schedule TEXT NOT NULL, timezone TEXT NOT NULL, payload TEXT NOT NULL,
        metadata TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL, next REAL, end REAL,
        enabled INTEGER NOT NULL, on_run_completed TEXT NOT NULL, user TEXT NOT NULL, firing TEXT)
        WITHOUT ROWID
    """,
    "CREATE INDEX IF NOT EXISTS server_cron_next ON server_cron (next) WHERE next IS NOT NULL",
)


def _move_webhooks(db: sqlite3.Connection) -> None:
    """What was still to be sent stood in the rows of runs."""
    db.execute(_WEBHOOK)
    if "webhook" in {row[1] for row in db.execute("PRAGMA table_info(server_run)")}:
        db.execute(
            "INSERT INTO server_webhook SELECT id, json_extract(kwargs, '$.webhook'), "
            "CAST(webhook AS BLOB) FROM server_run WHERE webhook IS NOT NULL "
            "AND json_extract(kwargs, '$.webhook') IS NOT NULL"
        )
        db.execute("DROP INDEX IF EXISTS server_run_webhook")
        db.execute("UPDATE server_run SET webhook = NULL WHERE webhook IS NOT NULL")


SERVER = Part("server", 2, _TABLES, {1: _move_webhooks}, sign="server_run")
"""Raise the version with every change of these tables that older files have to be told of, and add
the upgrade from the version before."""


def server_tables(path: str | os.PathLike[str]) -> SqliteTables:
    """The server's tables in a database file; open it before use."""
    return SqliteTables(path, SERVER)
