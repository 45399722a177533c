"""Tables of one's own in the database file of the checkpoints."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from .errors import CorruptDataError
from .handle import DatabaseHandle
from .upgrades import Part

if TYPE_CHECKING:
    import sqlite3

    from .rate import Rate

T = TypeVar("T")


class SqliteTables(DatabaseHandle):
    """A use of the file that a SqliteSaver writes, for rows that belong with its threads.

    `statements` make the tables when the file is opened (CREATE TABLE IF NOT EXISTS …); give a
    `Part` instead for tables that have a version and can be upgraded.  What is written goes through
    the file's one writer, in the same group commits as checkpoints::

        async with SqliteTables("app.db", ["CREATE TABLE IF NOT EXISTS note (text)"]) as notes:
            await notes.write(lambda db: db.execute("INSERT INTO note VALUES (?)", ("hello",)))
            rows = await notes.read(lambda db: db.execute("SELECT text FROM note").fetchall())

    A unit runs in a thread of the file's, gets its `sqlite3.Connection`, and must neither commit
    nor keep it.  Opening raises as a SqliteSaver does, using it unopened SaverClosedError.
    """

    noun: ClassVar[str] = "tables"

    def __init__(self, path: str | os.PathLike[str], statements: Sequence[str] | Part) -> None:
        super().__init__(path)
        self._statements: tuple[str, ...] = ()
        if isinstance(statements, Part):
            self.part = statements
        else:
            self._statements = tuple(statements)

    def _prepare(self, connection: sqlite3.Connection) -> None:
        super()._prepare(connection)
        for statement in self._statements:
            connection.execute(statement)

    async def write(self, unit: Callable[[sqlite3.Connection], T]) -> T:
        """What the unit returns, once what it wrote is committed.

        A unit that raises is undone alone, and its error is raised here; one of SQLite's as
        DatabaseError.  A caller that is cancelled leaves the unit to happen.
        """
        return await self.lease.write(unit)

    async def read(self, unit: Callable[[sqlite3.Connection], T]) -> T:
        """What the unit returns, from one moment's view of the file; it never waits for writers."""
        return await self.lease.read(unit)

    @property
    def commits(self) -> Rate:
        """How often this process commits to the file, and how often it has: `commits.total`,
        `commits.per_second(time.monotonic())`."""
        return self.lease.commits()

    async def synced(self) -> None:
        """Return when everything committed before is flushed to the disk."""
        await self.lease.synced()


class SealedTable:
    """The SQL of a table whose last column, `row_seal`, is a checksum over the others.

    Its rows are written by these statements alone, and looked at by `checked`; `verify` and a
    repair know them by that column::

        NOTE = SealedTable("note", ("id", "text"))
        NOTES = Part("notes", 1, ("CREATE TABLE IF NOT EXISTS note (id TEXT PRIMARY KEY, "
                                  "text TEXT NOT NULL, row_seal INTEGER NOT NULL)",))
        await tables.write(lambda db: db.execute(NOTE.insert, ("1", "hello")))
        await tables.write(lambda db: db.execute(NOTE.update("id=?1", text="?2"), ("1", "hi")))

    `columns` are all but that one, in the order in which they are declared; values of the column's
    own type go into them.
    """

    __slots__ = ("columns", "insert", "name", "select")

    def __init__(self, name: str, columns: tuple[str, ...]) -> None:
        self.name = name
        self.columns = columns
        self.select = ", ".join((*columns, "row_seal"))
        """What to select: all columns."""
        marks = [f"?{number}" for number in range(1, len(columns) + 1)]
        seal = self._seal(dict(zip(columns, marks, strict=True)))
        self.insert = (
            f"INSERT INTO {name} ({self.select}) "  # noqa: S608 - names of the programmer's
            f"VALUES ({', '.join(marks)}, {seal})"
        )
        """Adds a row; its parameters are the columns."""

    def update(self, where: str, **changes: str) -> str:
        """Changes columns, each to an SQL expression, in the rows that a condition holds for."""
        return f"UPDATE {self.name} SET {self.changes(**changes)} WHERE {where}"  # noqa: S608 - same

    def changes(self, **changes: str) -> str:
        """The part behind SET.  A row that is damaged stays so: nobody would notice it again."""
        sets = ", ".join(f"{column} = {value}" for column, value in changes.items())
        sound = f"{self.name}.row_seal = {self._seal({})}"
        return f"{sets}, row_seal = iif({sound}, {self._seal(changes)}, {self.name}.row_seal)"

    def checked(self, row: Sequence[Any]) -> Sequence[Any]:
        """The columns of a row that was read as `select` says, without the seal.

        Raises CorruptDataError for a row that is not what was stored.
        """
        from .row_seals import is_sealed_row  # with what packs: only for who uses a database

        if not is_sealed_row(self.name, row):
            raise CorruptDataError(
                f"a row of {self.name}, {row[:2]!r}, does not match its checksum; restore the "
                "database from a backup, or look at `understudy db repair`"
            )
        return row[:-1]

    def _seal(self, changes: dict[str, str]) -> str:
        values = (changes.get(each, f"{self.name}.{each}") for each in self.columns)
        return f"row_seal('{self.name}', {', '.join(values)})"
