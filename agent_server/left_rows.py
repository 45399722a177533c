"""What runs leave for who comes later: answers, and what webhooks are still to be told; units of
SQL that run inside a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable


def keep_answer(db: sqlite3.Connection, run_id: str, answer: bytes) -> None:
    """What who waits for the run was told, as JSON; kept as long as its events are."""
    db.execute("INSERT OR REPLACE INTO server_answer VALUES (?, ?)", (run_id, answer))


def find_answer(db: sqlite3.Connection, run_id: str) -> bytes | None:
    """What who waited for the run was told."""
    row = db.execute("SELECT answer FROM server_answer WHERE id = ?", (run_id,)).fetchone()
    return None if row is None else row[0]


def drop_answers(db: sqlite3.Connection, run_ids: Iterable[str]) -> None:
    """Nobody is told any more."""
    db.executemany("DELETE FROM server_answer WHERE id = ?", [(run_id,) for run_id in run_ids])


def drop_answers_on(db: sqlite3.Connection, thread_id: str) -> None:
    """The same for all runs of a thread, while their rows are still there."""
    db.execute(
        "DELETE FROM server_answer WHERE id IN (SELECT id FROM server_run WHERE thread = ?)",
        (thread_id,),
    )


def keep_webhook(db: sqlite3.Connection, run_id: str, url: str, payload: bytes) -> None:
    """What is to be sent now that the run has ended; it outlives the run's row."""
    db.execute("INSERT OR REPLACE INTO server_webhook VALUES (?, ?, ?)", (run_id, url, payload))


def kept_webhooks(db: sqlite3.Connection) -> list[str]:
    """Ids of the runs whose webhooks were not sent yet; all payloads at once might be too much."""
    return [row[0] for row in db.execute("SELECT id FROM server_webhook ORDER BY id")]


def find_webhook(db: sqlite3.Connection, run_id: str) -> tuple[str, bytes] | None:
    """(URL, what is to be sent) of a run's webhook that was not sent yet."""
    found = "SELECT url, payload FROM server_webhook WHERE id = ?"
    return db.execute(found, (run_id,)).fetchone()


def drop_webhook(db: sqlite3.Connection, run_id: str) -> None:
    """It was sent, or never will be."""
    db.execute("DELETE FROM server_webhook WHERE id = ?", (run_id,))
