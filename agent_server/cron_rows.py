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

import orjson

from .filters import Condition, both, contains, equals
from .grants import Grant
from .jsontext import to_json
from .paging import Page
from .records import Cron, Json
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
_COLUMNS = (
    "id, assistant, thread, schedule, timezone, payload, metadata, created, updated, next, end, "
    "enabled, on_run_completed, user"
)
_ALL = f"SELECT {_COLUMNS} FROM server_cron"  # noqa: S608 - the columns above
_KEPT = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS.split(", ")[1:])
_PUT = (
    f"INSERT INTO server_cron ({_COLUMNS}) VALUES ({', '.join('?' * 14)}) "  # noqa: S608
    f"ON CONFLICT (id) DO UPDATE SET {_KEPT}"
)
_DUE = f"{_ALL} WHERE next <= ? AND enabled AND firing IS NULL ORDER BY next LIMIT ?"
_FIRING = f"SELECT {_COLUMNS}, firing FROM server_cron WHERE firing IS NOT NULL"  # noqa: S608


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
    """The cron, if there is one with this id."""
    row = db.execute(f"{_ALL} WHERE id = ?", (cron_id,)).fetchone()
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
            cron.timezone,
            to_json(cron.payload).decode(),
            to_json(cron.metadata).decode(),
            cron.created_at,
            cron.updated_at,
            cron.next_at,
            cron.end_at,
            cron.enabled,
            cron.on_run_completed,
            cron.user_id,
        ),
    )


def erase_cron(db: sqlite3.Connection, cron_id: str) -> bool:
    """Forget a cron; False if there was none."""
    return db.execute("DELETE FROM server_cron WHERE id = ?", (cron_id,)).rowcount > 0


def find_crons(db: sqlite3.Connection, query: CronQuery) -> Page[Cron]:
    """A page of the crons, and how many there are."""
    where, order = query.condition(), query.sort_order
    sql = (
        f"{_ALL} WHERE {where.sql} ORDER BY {_SORTED[query.sort_by]} {order}, id {order} "
        "LIMIT ? OFFSET ?"
    )
    found = db.execute(sql, (*where.values, query.limit, query.offset))
    return Page([_cron_of(row) for row in found], count_crons(db, query), query.offset)


def count_crons(db: sqlite3.Connection, query: CronQuery) -> int:
    """How many crons there are."""
    where = query.condition()
    sql = f"SELECT COUNT(*) FROM server_cron WHERE {where.sql}"  # noqa: S608 - all ours
    return db.execute(sql, where.values).fetchone()[0]


# --- firing ----------------------------------------------------------------------------------


def due_crons(db: sqlite3.Connection, now: float, limit: int) -> list[Cron]:
    """Those whose time has come, the one that waits longest first."""
    return [_cron_of(row) for row in db.execute(_DUE, (now, limit))]


def first_due(db: sqlite3.Connection) -> float | None:
    """When the next one fires; None if none does."""
    return db.execute("SELECT MIN(next) FROM server_cron WHERE enabled").fetchone()[0]


def begin_firing(db: sqlite3.Connection, cron: Cron, run_id: str, next_at: float | None) -> bool:
    """It starts a run, and fires again at another time; False if it has changed meanwhile."""
    changed = db.execute(
        "UPDATE server_cron SET firing = ?, next = ? "
        "WHERE id = ? AND next = ? AND enabled AND firing IS NULL",
        (run_id, next_at, cron.cron_id, cron.next_at),
    )
    return changed.rowcount > 0


def end_firing(db: sqlite3.Connection, run_id: str) -> None:
    """The run is stored, or never will be."""
    db.execute("UPDATE server_cron SET firing = NULL WHERE firing = ?", (run_id,))


def forget_fired(db: sqlite3.Connection) -> None:
    """Of runs that are stored, nobody needs to know any more that they were being started."""
    db.execute("UPDATE server_cron SET firing = NULL WHERE firing IN (SELECT id FROM server_run)")


def firings(db: sqlite3.Connection) -> list[Firing]:
    """The crons that are starting a run."""
    return [Firing(_cron_of(row[:-1]), row[-1]) for row in db.execute(_FIRING)]


def _cron_of(row: Sequence[Any]) -> Cron:
    id_, assistant, thread, schedule, timezone, payload, metadata, *rest = row
    created, updated, next_at, end_at, enabled, on_run_completed, user = rest
    return Cron(
        cron_id=id_,
        assistant_id=assistant,
        thread_id=thread,
        schedule=schedule,
        payload=orjson.loads(payload),
        created_at=created,
        updated_at=updated,
        next_at=next_at,
        timezone=timezone,
        end_at=end_at,
        enabled=bool(enabled),
        on_run_completed=on_run_completed,
        metadata=orjson.loads(metadata),
        user_id=user,
    )
