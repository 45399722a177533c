"""A server's tables as they were when their rows had no seals."""

from __future__ import annotations

from pathlib import Path

from checkpoint import Part, SqliteTables

WEBHOOK = """
    CREATE TABLE IF NOT EXISTS server_webhook (id TEXT PRIMARY KEY, url TEXT NOT NULL,
        payload BLOB NOT NULL) WITHOUT ROWID
    """

TABLES = (
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
    WEBHOOK,
    """
    CREATE TABLE IF NOT EXISTS server_cron (id TEXT PRIMARY KEY, assistant TEXT NOT NULL,
        thread TEXT, schedule TEXT NOT NULL, timezone TEXT NOT NULL, payload TEXT NOT NULL,
        metadata TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL, next REAL, end REAL,
        enabled INTEGER NOT NULL, on_run_completed TEXT NOT NULL, user TEXT NOT NULL, firing TEXT)
        WITHOUT ROWID
    """,
    "CREATE INDEX IF NOT EXISTS server_cron_next ON server_cron (next) WHERE next IS NOT NULL",
)


OLDER = Part("server", 2, TABLES, sign="server_run")


def older_tables(path: Path) -> SqliteTables:
    """The tables of version 2."""
    return SqliteTables(path, OLDER)
