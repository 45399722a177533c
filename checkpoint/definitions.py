"""What the tables of a file are, sealed.

SQLite keeps that as text, without a checksum, and reads it anew at each opening: a letter that
turned over may name a column that is no longer the row's number, or a table without its key, and
the same rows then give other answers.

Where a table or an index begins is sealed, too, with one checksum for all: one that seems to begin
at another page is empty, or holds what another one does.  They do move when somebody packs the file
with another program: then all pages are asked.
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
_ROOTS = (
    "SELECT name, rootpage FROM sqlite_master WHERE tbl_name IN (SELECT name FROM definition)"
    " ORDER BY name"
)
_SEAL_OF_ROOTS = "SELECT crc FROM definition WHERE name=''"
_NO_NAME = ""
"""Of no table: its seal is that of the places where tables begin."""


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
    roots = _roots(connection)
    if connection.execute(_SEAL_OF_ROOTS).fetchone() != (roots,):
        connection.execute(_SEAL, (_NO_NAME, roots))


def checked_definitions(connection: sqlite3.Connection, database: str) -> dict[str, int]:
    """What `definitions` gives.  Raises CorruptDataError if a table is not what it was when it was
    made, or does not begin where it begins."""
    today = definitions(connection)
    for what in _damaged(connection, today):
        raise CorruptDataError(f"{database} is damaged: {what}; restore the file from a backup")
    if today and connection.execute(_SEAL_OF_ROOTS).fetchone() != (_roots(connection),):
        (what,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if what != "ok":
            raise CorruptDataError(
                f"{database} is damaged: tables are not where they were, and {what}; restore the "
                "file from a backup"
            )
    return today


def damaged_definitions(connection: sqlite3.Connection) -> Iterator[str]:
    """Names each table or index that is not what it was when it was made."""
    return _damaged(connection, definitions(connection))


def _damaged(connection: sqlite3.Connection, today: dict[str, int]) -> Iterator[str]:
    if "definition" not in today:
        yield "what its tables are is not known any more"
        return
    for name, crc in connection.execute(_SEALS).fetchall():
        if name != _NO_NAME and today.get(name) != crc:
            yield f"what {name!r} is does not match its checksum"


def _roots(connection: sqlite3.Connection) -> int:
    """A checksum of where our tables and indexes begin."""
    return checksum(b"", *(part for row in connection.execute(_ROOTS).fetchall() for part in row))
