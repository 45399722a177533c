"""Tables of one's own in the database file of the checkpoints."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, TypeVar

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
