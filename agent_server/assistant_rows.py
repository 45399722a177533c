"""The rows of assistants: one for each, and one for each of its versions."""

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
from .records import Assistant, Json
from .thread_search import SortOrder

AssistantSort: TypeAlias = Literal["assistant_id", "created_at", "updated_at", "name", "graph_id"]

_SORTED: dict[AssistantSort, str] = {
    "assistant_id": "id",
    "created_at": "a.created",
    "updated_at": "a.updated",
    "name": "name",
    "graph_id": "graph",
}
_COLUMNS = (
    "id, graph, name, config, context, metadata, a.version, a.created, a.updated, description"
)
_LATEST = (
    "server_assistant a JOIN server_assistant_version v ON v.assistant = id "
    "AND v.version = a.version"
)
_BY_ID = f"SELECT {_COLUMNS} FROM {_LATEST} WHERE id = ?"  # noqa: S608 - all ours


@dataclass(frozen=True, slots=True)
class AssistantQuery:
    """Which assistants are wanted, and in which order; what is left out is no condition."""

    metadata: Json = field(default_factory=dict[str, Any])
    graph_id: str | None = None
    name: str | None = None
    """A part of the name, in any case."""
    limit: int = 10
    offset: int = 0
    sort_by: AssistantSort = "created_at"
    sort_order: SortOrder = "desc"
    allowed: Grant | None = None
    """What assistants must be to be found at all."""

    def condition(self) -> Condition:
        """The assistants that are wanted.  Raises InvalidError for a filter that is too large."""
        named = Condition("instr(lower(name), lower(?))", (self.name,))
        return both(
            [
                *([] if self.graph_id is None else [equals("graph", self.graph_id)]),
                *([] if self.name is None else [named]),
                contains("metadata", self.metadata),
                *([] if self.allowed is None else [self.allowed.condition("metadata")]),
            ]
        )


def find_assistant(db: sqlite3.Connection, assistant_id: str) -> Assistant | None:
    """The assistant as it is now."""
    row = db.execute(_BY_ID, (assistant_id,)).fetchone()
    return None if row is None else _assistant_of(row)


def find_version(db: sqlite3.Connection, assistant_id: str, version: int) -> bool:
    """True if the assistant has this version."""
    found = db.execute(
        "SELECT 1 FROM server_assistant_version WHERE assistant = ? AND version = ?",
        (assistant_id, version),
    )
    return found.fetchone() is not None


def newest_version(db: sqlite3.Connection, assistant_id: str) -> int:
    """The highest number of a version."""
    found = db.execute(
        "SELECT MAX(version) FROM server_assistant_version WHERE assistant = ?", (assistant_id,)
    )
    return found.fetchone()[0] or 0


def add_version(db: sqlite3.Connection, assistant: Assistant) -> None:
    """Store a version, and make it the one that counts."""
    db.execute(
        "INSERT INTO server_assistant (id, version, created, updated) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET version = excluded.version, updated = excluded.updated",
        (
            assistant.assistant_id,
            assistant.version,
            assistant.created_at,
            assistant.updated_at,
        ),
    )
    db.execute(
        "INSERT INTO server_assistant_version (assistant, version, graph, name, config, context, "
        "metadata, description, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            assistant.assistant_id,
            assistant.version,
            assistant.graph_id,
            assistant.name,
            to_json(assistant.config).decode(),
            to_json(assistant.context).decode(),
            to_json(assistant.metadata).decode(),
            assistant.description,
            assistant.updated_at,
        ),
    )


def choose_version(db: sqlite3.Connection, assistant_id: str, version: int, now: float) -> None:
    """Make another version the one that counts."""
    db.execute(
        "UPDATE server_assistant SET version = ?, updated = ? WHERE id = ?",
        (version, now, assistant_id),
    )


def erase_assistant(db: sqlite3.Connection, assistant_id: str) -> bool:
    """Forget an assistant, its versions and crons; False if there was none."""
    db.execute("DELETE FROM server_assistant_version WHERE assistant = ?", (assistant_id,))
    db.execute("DELETE FROM server_cron WHERE assistant = ?", (assistant_id,))
    gone = db.execute("DELETE FROM server_assistant WHERE id = ?", (assistant_id,))
    return gone.rowcount > 0


def find_assistants(db: sqlite3.Connection, query: AssistantQuery) -> Page[Assistant]:
    """A page of the assistants, and how many there are."""
    where, order = query.condition(), query.sort_order
    sql = (
        f"SELECT {_COLUMNS} FROM {_LATEST} WHERE {where.sql} "  # noqa: S608 - all ours
        f"ORDER BY {_SORTED[query.sort_by]} {order}, id {order} LIMIT ? OFFSET ?"
    )
    found = db.execute(sql, (*where.values, query.limit, query.offset))
    return Page([_assistant_of(row) for row in found], count_assistants(db, query), query.offset)


def count_assistants(db: sqlite3.Connection, query: AssistantQuery) -> int:
    """How many assistants there are."""
    where = query.condition()
    sql = f"SELECT COUNT(*) FROM {_LATEST} WHERE {where.sql}"  # noqa: S608 - all ours
    return db.execute(sql, where.values).fetchone()[0]


def versions_of(
    db: sqlite3.Connection, assistant_id: str, metadata: Json, limit: int, offset: int
) -> list[Assistant]:
    """An assistant's versions, the newest first; each as if it were the one that counts."""
    where = contains("metadata", metadata)
    sql = (
        "SELECT assistant, graph, name, config, context, metadata, version, created, created, "  # noqa: S608 - all ours
        "description FROM server_assistant_version WHERE assistant = ? "
        f"AND {where.sql or 1} ORDER BY version DESC LIMIT ? OFFSET ?"
    )
    found = db.execute(sql, (assistant_id, *where.values, limit, offset))
    return [_assistant_of(row) for row in found]


def _assistant_of(row: Sequence[Any]) -> Assistant:
    id_, graph, name, config, context, metadata, version, created, updated, description = row
    return Assistant(
        assistant_id=id_,
        graph_id=graph,
        name=name,
        config=orjson.loads(config),
        context=orjson.loads(context),
        metadata=orjson.loads(metadata),
        version=version,
        created_at=created,
        updated_at=updated,
        description=description,
    )
