"""Searching threads: what is asked, and the units of SQL that answer it."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from .filters import Condition, both, contains, equals, one_of
from .grants import Grant
from .paging import Page
from .records import Json, Thread, ThreadStatus
from .tables import THREAD
from .thread_rows import thread_of

ThreadSort: TypeAlias = Literal[
    "thread_id", "status", "created_at", "updated_at", "state_updated_at"
]
SortOrder: TypeAlias = Literal["asc", "desc"]

_SORTED: dict[ThreadSort, str] = {
    "thread_id": "id",
    "status": "status",
    "created_at": "created",
    "updated_at": "updated",
    "state_updated_at": "state_updated",
}


@dataclass(frozen=True, slots=True)
class ThreadQuery:
    """Which threads are wanted, and in which order; a part that is left out is no condition."""

    ids: Sequence[str] | None = None
    metadata: Json = field(default_factory=dict[str, Any])
    values: Json = field(default_factory=dict[str, Any])
    status: ThreadStatus | None = None
    limit: int = 10
    offset: int = 0
    sort_by: ThreadSort = "updated_at"
    sort_order: SortOrder = "desc"
    allowed: Grant | None = None
    """What threads must be to be found at all."""
    with_values: bool = True
    """False: threads come without their values, which may be large: they are checked, not read."""

    def condition(self) -> Condition:
        """The threads that are wanted.  Raises InvalidError for a filter that is too large."""
        return both(
            [
                *([] if self.ids is None else [one_of("id", self.ids)]),
                *([] if self.status is None else [equals("status", self.status)]),
                contains("metadata", self.metadata),
                contains("vals", self.values),
                *([] if self.allowed is None else [self.allowed.condition("metadata")]),
            ]
        )


def find_threads(db: sqlite3.Connection, query: ThreadQuery) -> Page[Thread]:
    """A page of the threads, and how many there are.  Raises CorruptDataError."""
    where, order = query.condition(), query.sort_order
    sql = (
        f"SELECT {THREAD.select} FROM server_thread WHERE {where.sql} "  # noqa: S608 - all ours
        f"ORDER BY {_SORTED[query.sort_by]} {order}, id {order} LIMIT ? OFFSET ?"
    )
    found = db.execute(sql, (*where.values, query.limit, query.offset))
    threads = [thread_of(THREAD.checked(row), with_values=query.with_values) for row in found]
    return Page(threads, count_threads(db, query), query.offset)


def count_threads(db: sqlite3.Connection, query: ThreadQuery) -> int:
    """How many threads there are."""
    where = query.condition()
    sql = f"SELECT COUNT(*) FROM server_thread WHERE {where.sql}"  # noqa: S608 - all ours
    return db.execute(sql, where.values).fetchone()[0]
