"""Reading rows of the server's that carry seals."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any, TypeAlias

from checkpoint import CorruptDataError, SealedTable

logger = logging.getLogger(__name__)

Row: TypeAlias = Sequence[Any]


def find_row(db: sqlite3.Connection, table: SealedTable, id_: str) -> Row | None:
    """The row with this id; None if there is none.

    Raises CorruptDataError for one that is damaged, or that an index has lost.
    """
    found = f"SELECT {table.select} FROM {table.name} WHERE id = ?"  # noqa: S608 - all ours
    row = db.execute(found, (id_,)).fetchone()
    if row is None:
        check_absent(db, table, id_)
        return None
    return asked_for(table.checked(row), id_)


def has_row(db: sqlite3.Connection, table: SealedTable, id_: str) -> bool:
    """True if there is a row with this id.  Raises CorruptDataError if an index has lost it."""
    found = f"SELECT 1 FROM {table.name} WHERE id = ?"  # noqa: S608 - all ours
    if db.execute(found, (id_,)).fetchone() is not None:
        return True
    check_absent(db, table, id_)
    return False


def check_absent(db: sqlite3.Connection, table: SealedTable, id_: str) -> None:
    """Raise CorruptDataError if the second index has an id that the first one does not know."""
    name = table.name
    again = f"SELECT 1 FROM {name} INDEXED BY {name}_id WHERE id = ?"  # noqa: S608 - all ours
    if db.execute(again, (id_,)).fetchone() is not None:
        raise CorruptDataError(
            f"the row of {id_!r} is in {name}, and an index has lost it; restore the database from "
            "a backup, or look at `understudy db repair`"
        )


def asked_for(row: Row, *wanted: object, at: int = 0) -> Row:
    """The row, whose columns from `at` on are what was asked for.

    Raises CorruptDataError if they are not: an index led to another one, and SQLite does not look.
    """
    found = tuple(row[at : at + len(wanted)])
    if found != wanted:
        raise CorruptDataError(
            f"{wanted!r} was asked for, and an index of the database leads to {found!r}; restore "
            "the file from a backup, or look at `understudy db repair`"
        )
    return row


def sound_rows(table: SealedTable, rows: Iterable[Row], limit: int | None = None) -> list[Row]:
    """Those that are as they were stored, for work that is to go on without the others: these are
    told of in the log, and in the answers to who asks for them.

    `limit`: the first so many; a limit of what is read would count the others, too.
    """
    sound = (row[:-1] for row in rows if _is_sound(table, row))
    return list(islice(sound, limit))


def _is_sound(table: SealedTable, row: Row) -> bool:
    try:
        table.checked(row)
    except CorruptDataError as error:
        logger.error("passed over: %s", error)  # noqa: TRY400 - what is wrong stands in it
        return False
    return True
