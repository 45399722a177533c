"""What the tables of a file are, sealed.

SQLite keeps that as text, without a checksum, and reads it anew at each opening: a letter that
turned over may name a column that is no longer the row's number, or a table without its key, and
the same rows then give other answers.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from .errors import CorruptDataError
from .packing import checksum

_MAKE = (
    "CREATE TABLE IF NOT EXISTS definition (name TEXT PRIMARY KEY, crc INTEGER NOT NULL)"
    " WITHOUT ROWID"
)
_ALL = "SELECT name, type, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL"
_SEALS = "SELECT name, crc FROM definition"
_SEAL = "INSERT OR REPLACE INTO definition (name, crc) VALUES (?, ?)"
_DROP = "DELETE FROM definition WHERE name=?"


def definitions(connection: sqlite3.Connection) -> dict[str, int]:
    """A checksum of what each table and index is, by name."""
    return {row[0]: checksum(b"", *row) for row in connection.execute(_ALL).fetchall()}


def seal_definitions(connection: sqlite3.Connection, before: dict[str, int]) -> None:
    """Remember what tables are that came, changed or went since `before`; tables that somebody
    else put into the file are left alone.  Part of a transaction."""
    connection.execute(_MAKE)
    today = definitions(connection)
    changed = {pair for pair in today.items() if pair not in before.items()}
    connection.executemany(_SEAL, sorted(changed))
    connection.executemany(_DROP, [(name,) for name in before.keys() - today.keys()])


def checked_definitions(connection: sqlite3.Connection, database: str) -> dict[str, int]:
    """What `definitions` gives.  Raises CorruptDataError if a table is not what it was when it was
    made."""
    today = definitions(connection)
    for what in _damaged(connection, today):
        raise CorruptDataError(f"{database} is damaged: {what}; restore the file from a backup")
    return today


def damaged_definitions(connection: sqlite3.Connection) -> Iterator[str]:
    """Names each table or index that is not what it was when it was made."""
    return _damaged(connection, definitions(connection))


def _damaged(connection: sqlite3.Connection, today: dict[str, int]) -> Iterator[str]:
    if "definition" not in today:
        yield "what its tables are is not known any more"
        return
    for name, crc in connection.execute(_SEALS).fetchall():
        if today.get(name) != crc:
            yield f"what {name!r} is does not match its checksum"
