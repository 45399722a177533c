"""The rows of assistants: one for each, and one for each of its versions."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from checkpoint import CorruptDataError

from .filters import Condition, both, contains, equals
from .grants import Grant
from .jsontext import from_text, to_json
from .paging import Page
from .records import Assistant, Json
from .sealed import asked_for, find_row, has_row
from .tables import ASSISTANT, VERSION
from .thread_search import SortOrder

AssistantSort: TypeAlias = Literal["assistant_id", "created_at", "updated_at", "name", "graph_id"]

_SORTED: dict[AssistantSort, str] = {
    "assistant_id": "id",
    "created_at": "a.created",
    "updated_at": "a.updated",
    "name": "name",
    "graph_id": "graph",
}
_LATEST = (
    "server_assistant a JOIN server_assistant_version v ON v.assistant = id "
    "AND v.version = a.version"
)
_ALL = f"SELECT a.*, v.* FROM {_LATEST}"  # noqa: S608 - all ours
_WIDTH = len(ASSISTANT.columns) + 1
_VERSIONS = f"SELECT {VERSION.select} FROM server_assistant_version WHERE assistant = ?"  # noqa: S608
_VERSION = f"{_VERSIONS} AND version = ?"
_CHOOSE = ASSISTANT.update("id = ?1", version="?2", updated="?3")
_PUT = (
    f"{ASSISTANT.insert} ON CONFLICT (id) DO UPDATE SET "
    f"{ASSISTANT.changes(version='excluded.version', updated='excluded.updated')}"
)


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
    """The assistant as it is now.  Raises CorruptDataError."""
    row = find_row(db, ASSISTANT, assistant_id)
    if row is None:
        return None
    version = db.execute(_VERSION, row[:2]).fetchone()
    if version is None:
        raise CorruptDataError(
            f"assistant {assistant_id!r} is in the database, and its version {row[1]} is lost; "
            "restore the file from a backup, or look at `understudy db repair`"
        )
    return _with_version(row, version)


def has_assistant(db: sqlite3.Connection, assistant_id: str) -> bool:
    """True if there is an assistant with this id, damaged or not."""
    return has_row(db, ASSISTANT, assistant_id)


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
        _PUT,
        (
            assistant.assistant_id,
            assistant.version,
            assistant.created_at,
            assistant.updated_at,
        ),
    )
    db.execute(
        VERSION.insert,
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
    db.execute(_CHOOSE, (assistant_id, version, now))


def erase_assistant(db: sqlite3.Connection, assistant_id: str) -> bool:
    """Forget an assistant, its versions and crons; False if there was none."""
    db.execute("DELETE FROM server_assistant_version WHERE assistant = ?", (assistant_id,))
    db.execute("DELETE FROM server_cron WHERE assistant = ?", (assistant_id,))
    gone = db.execute("DELETE FROM server_assistant WHERE id = ?", (assistant_id,))
    return gone.rowcount > 0


def find_assistants(db: sqlite3.Connection, query: AssistantQuery) -> Page[Assistant]:
    """A page of the assistants, and how many there are.  Raises CorruptDataError."""
    where, order = query.condition(), query.sort_order
    sql = (
        f"{_ALL} WHERE {where.sql} "
        f"ORDER BY {_SORTED[query.sort_by]} {order}, id {order} LIMIT ? OFFSET ?"
    )
    rows = db.execute(sql, (*where.values, query.limit, query.offset))
    found = [_with_version(ASSISTANT.checked(row[:_WIDTH]), row[_WIDTH:]) for row in rows]
    return Page(found, count_assistants(db, query), query.offset)


def count_assistants(db: sqlite3.Connection, query: AssistantQuery) -> int:
    """How many assistants there are."""
    where = query.condition()
    sql = f"SELECT COUNT(*) FROM {_LATEST} WHERE {where.sql}"  # noqa: S608 - all ours
    return db.execute(sql, where.values).fetchone()[0]


def versions_of(
    db: sqlite3.Connection, assistant_id: str, metadata: Json, limit: int, offset: int
) -> list[Assistant]:
    """An assistant's versions, the newest first; each as if it were the one that counts.

    Raises CorruptDataError.
    """
    where = contains("metadata", metadata)
    sql = f"{_VERSIONS} AND {where.sql or 1} ORDER BY version DESC LIMIT ? OFFSET ?"
    versions = [
        asked_for(VERSION.checked(row), assistant_id)
        for row in db.execute(sql, (assistant_id, *where.values, limit, offset))
    ]
    return [_assistant_of((*row[:2], row[-1], row[-1]), row) for row in versions]


def _with_version(row: Sequence[Any], version: Sequence[Any]) -> Assistant:
    return _assistant_of(row, asked_for(VERSION.checked(version), *row[:2]))


def _assistant_of(row: Sequence[Any], newest: Sequence[Any]) -> Assistant:
    """Of its own row and of that of a version."""
    id_, version, created, updated = row
    _, _, graph, name, config, context, metadata, description, _ = newest
    return Assistant(
        assistant_id=id_,
        graph_id=graph,
        name=name,
        config=from_text(config),
        context=from_text(context),
        metadata=from_text(metadata),
        version=version,
        created_at=created,
        updated_at=updated,
        description=description,
    )
