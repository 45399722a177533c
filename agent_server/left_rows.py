"""What runs leave for who comes later: answers, and what webhooks are still to be told; units of
SQL that run inside a transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from .sealed import find_row
from .tables import ANSWER, WEBHOOK

_KEEP_ANSWER = ANSWER.insert.replace("INSERT", "INSERT OR REPLACE", 1)
_KEEP_WEBHOOK = WEBHOOK.insert.replace("INSERT", "INSERT OR REPLACE", 1)
_ALL_WEBHOOKS = "SELECT id FROM server_webhook INDEXED BY server_webhook_id ORDER BY id"


def keep_answer(db: sqlite3.Connection, run_id: str, answer: bytes) -> None:
    """What who waits for the run was told, as JSON; kept as long as its events are."""
    db.execute(_KEEP_ANSWER, (run_id, answer))


def find_answer(db: sqlite3.Connection, run_id: str) -> bytes | None:
    """What who waited for the run was told.  Raises CorruptDataError."""
    row = find_row(db, ANSWER, run_id)
    return None if row is None else row[1]


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
    db.execute(_KEEP_WEBHOOK, (run_id, url, payload))


def kept_webhooks(db: sqlite3.Connection) -> list[str]:
    """Ids of the runs whose webhooks were not sent yet; all payloads at once might be too much."""
    return [row[0] for row in db.execute(_ALL_WEBHOOKS)]


def find_webhook(db: sqlite3.Connection, run_id: str) -> tuple[str, bytes] | None:
    """(URL, what is to be sent) of a run's webhook that was not sent yet.

    Raises CorruptDataError.
    """
    row = find_row(db, WEBHOOK, run_id)
    return None if row is None else (row[1], row[2])


def drop_webhook(db: sqlite3.Connection, run_id: str) -> None:
    """It was sent, or never will be."""
    db.execute("DELETE FROM server_webhook WHERE id = ?", (run_id,))
