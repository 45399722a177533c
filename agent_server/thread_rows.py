"""The rows of threads: units of SQL that run inside a transaction, also inside somebody else's."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import orjson

from .jsontext import to_json
from .left_rows import drop_answers_on
from .records import Json, Thread, ThreadStatus, Ttl

Expired: TypeAlias = tuple[str, Ttl]

COLUMNS = (
    "id, created, updated, state_updated, status, metadata, config, vals, interrupts, error, "
    "ttl_minutes, ttl_strategy, expires"
)
_BY_ID = f"SELECT {COLUMNS} FROM server_thread WHERE id = ?"  # noqa: S608 - all ours
_ADD = f"INSERT INTO server_thread ({COLUMNS}) VALUES ({', '.join('?' * 13)})"  # noqa: S608 - same


def thread_of(row: Sequence[Any]) -> Thread:
    """The thread of a row with these columns."""
    (id_, created, updated, state_updated, status, metadata, config, values, *rest) = row
    interrupts, error, minutes, strategy, expires = rest
    return Thread(
        thread_id=id_,
        created_at=created,
        updated_at=updated,
        state_updated_at=state_updated,
        metadata=orjson.loads(metadata),
        status=status,
        config=orjson.loads(config),
        values=None if values is None else orjson.loads(values),
        interrupts=orjson.loads(interrupts),
        error=None if error is None else orjson.loads(error),
        ttl=None if minutes is None else Ttl(minutes, strategy, expires),
    )


def find_thread(db: sqlite3.Connection, thread_id: str) -> Thread | None:
    """The thread, if there is one with this id."""
    row = db.execute(_BY_ID, (thread_id,)).fetchone()
    return None if row is None else thread_of(row)


def thread_exists(db: sqlite3.Connection, thread_id: str) -> bool:
    """True if there is a thread with this id."""
    found = db.execute("SELECT 1 FROM server_thread WHERE id = ?", (thread_id,))
    return found.fetchone() is not None


def add_thread(db: sqlite3.Connection, thread: Thread) -> None:
    """Store a new thread; `sqlite3.IntegrityError` if there is one with its id."""
    ttl = thread.ttl
    db.execute(
        _ADD,
        (
            thread.thread_id,
            thread.created_at,
            thread.updated_at,
            thread.state_updated_at,
            thread.status,
            _text(thread.metadata),
            _text(thread.config),
            None if thread.values is None else _text(thread.values),
            _text(thread.interrupts),
            None if thread.error is None else _text(thread.error),
            *((None, None, None) if ttl is None else (ttl.minutes, ttl.strategy, ttl.expires_at)),
        ),
    )


def mark_thread(
    db: sqlite3.Connection,
    thread_id: str,
    *,
    status: ThreadStatus,
    now: float,
    metadata: Json | None = None,
    config: Json | None = None,
) -> None:
    """Give a thread another status, and its time to live from now on; metadata is merged."""
    db.execute("UPDATE server_thread SET status = ? WHERE id = ?", (status, thread_id))
    touch_thread(db, thread_id, now)
    if metadata:
        merge_metadata(db, thread_id, metadata)
    if config is not None:
        db.execute("UPDATE server_thread SET config = ? WHERE id = ?", (_text(config), thread_id))


def merge_metadata(db: sqlite3.Connection, thread_id: str, metadata: Json) -> None:
    """Put keys into a thread's metadata; the others stay."""
    found = db.execute("SELECT metadata FROM server_thread WHERE id = ?", (thread_id,))
    if (row := found.fetchone()) is not None:
        merged = _text({**orjson.loads(row[0]), **metadata})
        db.execute("UPDATE server_thread SET metadata = ? WHERE id = ?", (merged, thread_id))


def settle_thread(
    db: sqlite3.Connection,
    thread_id: str,
    *,
    status: ThreadStatus,
    values: Any,
    interrupts: Mapping[str, Sequence[Any]],
    error: Json | None,
    now: float,
) -> None:
    """What a thread is after a run or an update: a copy of its newest values, what it asks."""
    db.execute(
        "UPDATE server_thread SET status = ?, vals = ?, interrupts = ?, error = ?, updated = ?, "
        "state_updated = ?, expires = ? + 60 * ttl_minutes WHERE id = ?",
        (
            status,
            None if values is None else _text(values),
            _text(interrupts),
            None if error is None else _text(error),
            now,
            now,
            now,
            thread_id,
        ),
    )


def touch_thread(db: sqlite3.Connection, thread_id: str, now: float) -> None:
    """A thread was changed: its time to live begins anew."""
    db.execute(
        "UPDATE server_thread SET updated = ?, expires = ? + 60 * ttl_minutes WHERE id = ?",
        (now, now, thread_id),
    )


def limit_thread(db: sqlite3.Connection, thread_id: str, ttl: Ttl) -> None:
    """Give a thread a time to live."""
    db.execute(
        "UPDATE server_thread SET ttl_minutes = ?, ttl_strategy = ?, expires = ? WHERE id = ?",
        (ttl.minutes, ttl.strategy, ttl.expires_at, thread_id),
    )


def expired_threads(db: sqlite3.Connection, now: float, limit: int) -> list[Expired]:
    """Threads whose time is over and on which nothing runs, the one that waits longest first."""
    found = db.execute(
        "SELECT id, ttl_strategy, ttl_minutes, expires FROM server_thread WHERE expires <= ? "
        "AND status <> 'busy' ORDER BY expires LIMIT ?",
        (now, limit),
    )
    return [(id_, Ttl(minutes, strategy, expires)) for id_, strategy, minutes, expires in found]


def spare_thread(db: sqlite3.Connection, thread_id: str, now: float) -> None:
    """What was to go of it has gone; its time begins anew, though nothing was changed."""
    db.execute(
        "UPDATE server_thread SET expires = ? + 60 * ttl_minutes WHERE id = ?", (now, thread_id)
    )


def erase_thread(db: sqlite3.Connection, thread_id: str) -> None:
    """Forget a thread, its runs and its crons; its checkpoints are the saver's."""
    drop_answers_on(db, thread_id)
    db.execute("DELETE FROM server_run WHERE thread = ?", (thread_id,))
    db.execute("DELETE FROM server_cron WHERE thread = ?", (thread_id,))
    db.execute("DELETE FROM server_thread WHERE id = ?", (thread_id,))


def open_runs(db: sqlite3.Connection, thread_id: str) -> list[str]:
    """Ids of a thread's runs that wait or run, the oldest first."""
    found = db.execute(
        "SELECT id FROM server_run WHERE thread = ? AND status IN ('pending', 'running') "
        "ORDER BY id",
        (thread_id,),
    )
    return [row[0] for row in found]


def _text(value: Any) -> str:
    return to_json(value).decode()
