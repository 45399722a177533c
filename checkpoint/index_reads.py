"""Reads of indexes as questions read them, for who looks for damage.

SQLite's `integrity_check` compares the records of an index with the rows, and passes one that ends
too early where its values take no bytes.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator

from .gently import gently
from .schema import code_of

# Of tables of ours: what they are is sealed.  Values are read as bytes: SQLite keeps text that is
# none.  A column's place is -1 for the row's number, -2 for an expression.
_INDEXES = """
    SELECT indexes.name, own.sql, indexes.partial, printf('SELECT %s FROM "%w" INDEXED BY "%w"',
        (SELECT group_concat(CASE cid WHEN -1 THEN 'rowid' WHEN -2 THEN '1'
            ELSE printf('CAST("%w" AS BLOB)', name) END) FROM pragma_index_xinfo(indexes.name)),
        tables.name, indexes.name)
    FROM sqlite_master AS tables JOIN pragma_index_list(tables.name) AS indexes
        LEFT JOIN sqlite_master AS own ON own.name=indexes.name AND own.type='index'
    WHERE tables.type='table' AND tables.name IN (SELECT name FROM definition)
    ORDER BY indexes.name
"""
_SEALED = "SELECT 1 FROM sqlite_master WHERE type='table' AND name='definition'"
_TOKEN = re.compile(
    r"""--[^\n]*|/\*.*?(?:\*/|\Z)|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|\w+""",
    re.DOTALL,
)
"""Comments, texts, names and words: <https://www.sqlite.org/lang_keywords.html>."""


def unreadable_indexes(connection: sqlite3.Connection) -> Iterator[str]:
    """Names each index that cannot be read to its end."""
    if not connection.execute(_SEALED).fetchone():
        return
    for name, sql, is_partial, reads in connection.execute(_INDEXES).fetchall():
        try:
            for _ in gently(connection.execute(reads + (condition_of(sql) if is_partial else ""))):
                pass
        except sqlite3.DatabaseError as error:
            if code_of(error) == sqlite3.SQLITE_CORRUPT:
                yield f"index {name!r} cannot be read: {error}"
            elif code_of(error) != sqlite3.SQLITE_ERROR:  # that is of a question asked badly
                raise


def condition_of(sql: str) -> str:
    """Where the condition of a partial index begins in its definition, to the end; or nothing.

    assert condition_of("CREATE INDEX i ON t (a) WHERE b") == " WHERE b"
    """
    words = (found for found in _TOKEN.finditer(sql) if found[0].upper() == "WHERE")
    return next((" " + sql[found.start() :] for found in words), "")
