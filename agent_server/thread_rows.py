"""The rows of threads: units of SQL that run inside a transaction, also inside somebody else's."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from .errors import UndeletedError
from .jsontext import from_text, to_json
from .left_rows import drop_answers_on
from .records import Json, Thread, ThreadStatus, Ttl
from .sealed import find_row, has_row, sound_rows
from .tables import GONE, THREAD

Expired: TypeAlias = tuple[str, Ttl]

_EXPIRES = "?2 + 60 * ttl_minutes"
_MARK = THREAD.update(
    "id = ?1", updated="?2", expires=_EXPIRES, status="coalesce(?3, status)", metadata="?4"
)
_SETTLE = THREAD.update(
    "id = ?1",
    updated="?2",
    state_updated="?2",
    expires=_EXPIRES,
    status="?3",
    vals="?4",
    interrupts="?5",
    error="?6",
)
_LIMIT = THREAD.update("id = ?1", ttl_minutes="?2", ttl_strategy="?3", expires="?4")
_SPARE = THREAD.update("id = ?1", expires=_EXPIRES)
_EXPIRED = (
    f"SELECT {THREAD.select} FROM server_thread WHERE expires <= ? "  # noqa: S608 - all ours
    "AND status <> 'busy' ORDER BY expires"
)
_IS_BUSY = "SELECT 1 FROM server_thread WHERE id = ? AND status = 'busy'"
_OUTLIVED = "SELECT 1 FROM server_thread WHERE id = ? AND expires <= ?"
_IS_LEFT = "SELECT 1 FROM server_gone WHERE id = ?"
_LEFT = f"SELECT {GONE.select} FROM server_gone"  # noqa: S608 - all ours


def thread_of(row: Sequence[Any], *, with_values: bool = True) -> Thread:
    """The thread of a row."""
    (id_, created, updated, state_updated, status, metadata, config, values, *rest) = row
    interrupts, error, minutes, strategy, expires = rest
    return Thread(
        thread_id=id_,
        created_at=created,
        updated_at=updated,
        state_updated_at=state_updated,
        metadata=from_text(metadata),
        status=status,
        config=from_text(config),
        values=from_text(values) if with_values and values is not None else None,
        interrupts=from_text(interrupts),
        error=None if error is None else from_text(error),
        ttl=None if minutes is None else Ttl(minutes, strategy, expires),
    )


def find_thread(db: sqlite3.Connection, thread_id: str) -> Thread | None:
    """The thread, if there is one with this id.  Raises CorruptDataError."""
    row = find_row(db, THREAD, thread_id)
    return None if row is None else thread_of(row)


def thread_exists(db: sqlite3.Connection, thread_id: str) -> bool:
    """True if there is a thread with this id.  Raises CorruptDataError."""
    return has_row(db, THREAD, thread_id)


def is_shown_busy(db: sqlite3.Connection, thread_id: str) -> bool:
    """True if its row says so, whatever runs there are; also of a damaged row."""
    return db.execute(_IS_BUSY, (thread_id,)).fetchone() is not None


def add_thread(db: sqlite3.Connection, thread: Thread) -> None:
    """Store a new thread; `sqlite3.IntegrityError` if there is one with its id.

    Raises UndeletedError while checkpoints of an earlier one are there: they are none of its own.
    """
    if is_left(db, thread.thread_id):
        raise UndeletedError(
            f"Thread {thread.thread_id} was deleted, and its checkpoints are still there; send "
            "this again when they are gone (the server's log says what is in the way), or give "
            "another id"
        )
    ttl = thread.ttl
    db.execute(
        THREAD.insert,
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
) -> None:
    """Give a thread another status, and its time to live from now on; metadata is merged."""
    _mark(db, thread_id, status, now, metadata or {})


def merge_metadata(db: sqlite3.Connection, thread_id: str, metadata: Json, now: float) -> None:
    """Put keys into a thread's metadata; the others stay.  Its time to live begins anew."""
    _mark(db, thread_id, None, now, metadata)


def _mark(
    db: sqlite3.Connection, thread_id: str, status: ThreadStatus | None, now: float, more: Json
) -> None:
    found = db.execute("SELECT metadata FROM server_thread WHERE id = ?", (thread_id,))
    if (row := found.fetchone()) is not None:
        metadata = _text({**from_text(row[0]), **more}) if more else row[0]
        db.execute(_MARK, (thread_id, now, status, metadata))


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
        _SETTLE,
        (
            thread_id,
            now,
            status,
            None if values is None else _text(values),
            _text(interrupts),
            None if error is None else _text(error),
        ),
    )


def limit_thread(db: sqlite3.Connection, thread_id: str, ttl: Ttl) -> None:
    """Give a thread a time to live."""
    db.execute(_LIMIT, (thread_id, ttl.minutes, ttl.strategy, ttl.expires_at))


def expired_threads(db: sqlite3.Connection, now: float, limit: int) -> list[Expired]:
    """Threads whose time is over and on which nothing runs, the one that waits longest first."""
    expired: list[Expired] = []
    for row in sound_rows(THREAD, db.execute(_EXPIRED, (now,)), limit):
        thread = thread_of(row, with_values=False)
        if thread.ttl is not None:
            expired.append((thread.thread_id, thread.ttl))
    return expired


def has_outlived(db: sqlite3.Connection, thread_id: str, now: float) -> bool:
    """True if a thread's time to live is over."""
    return db.execute(_OUTLIVED, (thread_id, now)).fetchone() is not None


def spare_thread(db: sqlite3.Connection, thread_id: str, now: float) -> None:
    """What was to go of it has gone; its time begins anew, though nothing was changed."""
    db.execute(_SPARE, (thread_id, now))


def erase_thread(db: sqlite3.Connection, thread_id: str) -> None:
    """Forget a thread, its runs and its crons; its checkpoints are the saver's, and go in the same
    transaction."""
    drop_answers_on(db, thread_id)
    db.execute("DELETE FROM server_run WHERE thread = ?", (thread_id,))
    db.execute("DELETE FROM server_cron WHERE thread = ?", (thread_id,))
    db.execute("DELETE FROM server_thread WHERE id = ?", (thread_id,))


def is_left(db: sqlite3.Connection, thread_id: str) -> bool:
    """True if there may be checkpoints of a thread without a row."""
    return db.execute(_IS_LEFT, (thread_id,)).fetchone() is not None


def left_checkpoints(db: sqlite3.Connection) -> list[str]:
    """Threads of which there may be checkpoints that are to be deleted."""
    return [id_ for (id_,) in sound_rows(GONE, db.execute(_LEFT))]


def forget_left(db: sqlite3.Connection, thread_id: str) -> None:
    """Nothing is left of it."""
    db.execute("DELETE FROM server_gone WHERE id = ?", (thread_id,))


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
