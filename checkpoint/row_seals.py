"""Rows that carry a checksum over their table's name and all of their columns, in their last one.

Such a table says so itself, as its last column is called `row_seal`: whoever looks for damage needs
to know no more of it.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import msgpack  # pyright: ignore[reportMissingTypeStubs]

if TYPE_CHECKING:
    import sqlite3

Row: TypeAlias = Sequence[Any]

SEAL = "row_seal"
"""The column, and the function that writers of a file have in their SQL."""
_pack: Callable[[Any], bytes] = cast(Any, msgpack).packb
_TABLES = (
    "SELECT m.name FROM sqlite_master AS m JOIN pragma_table_info(m.name) AS i WHERE m.type='table'"
    " GROUP BY m.name HAVING max(i.cid)=max(iif(i.name=?, i.cid, -1)) ORDER BY m.name"
)


def row_seal(table: str, *columns: object) -> int:
    """The checksum of a row; a number counts for what it is, whichever way SQLite keeps it."""
    plain = [_whole(each) if type(each) is float else each for each in columns]
    return zlib.crc32(_pack([table, *plain])) - 0x80000000  # fits four bytes with a sign


def _whole(number: float) -> float:
    return int(number) if number.is_integer() and abs(number) <= 1 << 53 else number


def is_sealed_row(table: str, row: Row) -> bool:
    """True if the row is as it was stored in this table."""
    try:
        return row_seal(table, *row[:-1]) == row[-1]
    except (TypeError, ValueError, OverflowError):  # of values that no column has
        return False


def sealed_tables(connection: sqlite3.Connection) -> list[str]:
    """The tables of a database whose rows are sealed."""
    return [name for (name,) in connection.execute(_TABLES, (SEAL,)).fetchall()]
