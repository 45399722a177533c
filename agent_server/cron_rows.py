"""The rows of crons: units of SQL that run inside a transaction.

`firing` is the id of the run that a cron is starting at this moment: it is written together with
the next time, before the run is, and taken away after it.  So a crash between the two neither
loses the run nor starts it twice.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from .filters import Condition, both, contains, equals
from .grants import Grant
from .jsontext import from_text, to_json
from .paging import Page
from .records import Cron, Json
from .sealed import find_row, sound_rows
from .tables import CRON
from .thread_search import SortOrder

CronSort: TypeAlias = Literal[
    "cron_id",
    "assistant_id",
    "thread_id",
    "next_run_date",
    "end_time",
    "created_at",
    "updated_at",
]

_SORTED: dict[CronSort, str] = {
    "cron_id": "id",
    "assistant_id": "assistant",
    "thread_id": "thread",
    "next_run_date": "next",
    "end_time": "end",
    "created_at": "created",
    "updated_at": "updated",
}
_ALL = f"SELECT {CRON.select} FROM server_cron"  # noqa: S608 - all ours
_GIVEN = {name: f"excluded.{name}" for name in CRON.columns if name not in ("id", "firing")}
_PUT = f"{CRON.insert} ON CONFLICT (id) DO UPDATE SET {CRON.changes(**_GIVEN)}"
_DUE = f"{_ALL} WHERE next <= ? AND enabled AND firing IS NULL ORDER BY next"
_FIRING = f"{_ALL} WHERE firing IS NOT NULL"
_BEGIN = CRON.update("id = ?1 AND next = ?2 AND enabled AND firing IS NULL", firing="?3", next="?4")
_END = CRON.update("firing = ?", firing="NULL")
_FIRED = CRON.update("firing IN (SELECT id FROM server_run)", firing="NULL")
_NEXT = "SELECT MIN(next) FROM server_cron WHERE enabled AND next > ?"


@dataclass(frozen=True, slots=True)
class CronQuery:
    """Which crons are wanted, and in which order; what is left out is no condition."""

    assistant_id: str | None = None
    thread_id: str | None = None
    enabled: bool | None = None
    metadata: Json = field(default_factory=dict[str, Any])
    limit: int = 10
    offset: int = 0
    sort_by: CronSort = "created_at"
    sort_order: SortOrder = "desc"
    allowed: Grant | None = None
    """What crons must be to be found at all."""

    def condition(self) -> Condition:
        """The crons that are wanted.  Raises InvalidError for a filter that is too large."""
        return both(
            [
                *([] if self.assistant_id is None else [equals("assistant", self.assistant_id)]),
                *([] if self.thread_id is None else [equals("thread", self.thread_id)]),
                *([] if self.enabled is None else [equals("enabled", self.enabled)]),
                contains("metadata", self.metadata),
                *([] if self.allowed is None else [self.allowed.condition("metadata")]),
            ]
        )


@dataclass(frozen=True, slots=True)
class Firing:
    """A cron that is starting a run."""

    cron: Cron
    run_id: str


def find_cron(db: sqlite3.Connection, cron_id: str) -> Cron | None:
    """The cron, if there is one with this id.  Raises CorruptDataError."""
    row = find_row(db, CRON, cron_id)
    return None if row is None else _cron_of(row)


def put_cron(db: sqlite3.Connection, cron: Cron) -> None:
    """Store a cron, in place of the one with its id."""
    db.execute(
        _PUT,
        (
            cron.cron_id,
            cron.assistant_id,
            cron.thread_id,
            cron.schedule,
            cron.timezone or "",
            to_json(cron.payload).decode(),
            to_json(cron.metadata).decode(),
            cron.created_at,
            cron.updated_at,
            cron.next_at,
            cron.end_at,
            cron.enabled,
            cron.on_run_completed,
            cron.user_id,
            None,
        ),
    )


def erase_cron(db: sqlite3.Connection, cron_id: str) -> bool:
    """Forget a cron; False if there was none."""
    return db.execute("DELETE FROM server_cron WHERE id = ?", (cron_id,)).rowcount > 0


def find_crons(db: sqlite3.Connection, query: CronQuery) -> Page[Cron]:
    """A page of the crons, and how many there are.  Raises CorruptDataError."""
    where, order = query.condition(), query.sort_order
    sql = (
        f"{_ALL} WHERE {where.sql} ORDER BY {_SORTED[query.sort_by]} {order}, id {order} "
        "LIMIT ? OFFSET ?"
    )
    found = db.execute(sql, (*where.values, query.limit, query.offset))
    crons = [_cron_of(CRON.checked(row)) for row in found]
    return Page(crons, count_crons(db, query), query.offset)


def count_crons(db: sqlite3.Connection, query: CronQuery) -> int:
    """How many crons there are."""
    where = query.condition()
    sql = f"SELECT COUNT(*) FROM server_cron WHERE {where.sql}"  # noqa: S608 - all ours
    return db.execute(sql, where.values).fetchone()[0]


# --- firing ----------------------------------------------------------------------------------


def due_crons(db: sqlite3.Connection, now: float, limit: int) -> list[Cron]:
    """Those whose time has come, the one that waits longest first."""
    return [_cron_of(row) for row in sound_rows(CRON, db.execute(_DUE, (now,)), limit)]


def first_due(db: sqlite3.Connection, now: float) -> float | None:
    """When the first one fires after this moment; None if none does."""
    return db.execute(_NEXT, (now,)).fetchone()[0]


def begin_firing(db: sqlite3.Connection, cron: Cron, run_id: str, next_at: float | None) -> bool:
    """It starts a run, and fires again at another time; False if it has changed meanwhile."""
    changed = db.execute(_BEGIN, (cron.cron_id, cron.next_at, run_id, next_at))
    return changed.rowcount > 0


def end_firing(db: sqlite3.Connection, run_id: str) -> None:
    """The run is stored, or never will be."""
    db.execute(_END, (run_id,))


def forget_fired(db: sqlite3.Connection) -> None:
    """Of runs that are stored, nobody needs to know any more that they were being started."""
    db.execute(_FIRED)


def firings(db: sqlite3.Connection) -> list[Firing]:
    """The crons that are starting a run."""
    return [Firing(_cron_of(row), row[-1]) for row in sound_rows(CRON, db.execute(_FIRING))]


def _cron_of(row: Sequence[Any]) -> Cron:
    id_, assistant, thread, schedule, timezone, payload, metadata, *rest = row
    created, updated, next_at, end_at, enabled, on_run_completed, user, _ = rest
    return Cron(
        cron_id=id_,
        assistant_id=assistant,
        thread_id=thread,
        schedule=schedule,
        payload=from_text(payload),
        created_at=created,
        updated_at=updated,
        next_at=next_at,
        timezone=timezone or None,
        end_at=end_at,
        enabled=bool(enabled),
        on_run_completed=on_run_completed,
        metadata=from_text(metadata),
        user_id=user,
    )
