"""Versions of tables in a database file, and the way from an older one to the one of today.

A *part* is tables that come and change together: those that every file has, those of a store, of
the server.  The file's own version stands in its header, those of other parts in the table `part`.
An upgrade is one transaction: whoever dies in the middle leaves the older file whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from .errors import CorruptDataError, NewerSchemaError, SchemaUpgradeError

if TYPE_CHECKING:
    import sqlite3

Upgrade: TypeAlias = "Callable[[sqlite3.Connection], object]"
"""Changes tables of one version into those of the next; it must neither begin nor commit."""

_ANY = "SELECT count(*) FROM sqlite_master WHERE type='table' AND name=?"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class FileSchema:
    """The version of the tables that every file has, and the ways to it from older ones."""

    version: int
    upgrades: Mapping[int, Upgrade] = field(default_factory=dict[int, Upgrade])


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Part:
    """Tables with a version of their own.

    `tables` make those of today (CREATE TABLE IF NOT EXISTS …); `upgrades` has for each older
    version what makes it the next one.  Raise `version` by one with every change that older tables
    have to be told of, and add its upgrade::

        NOTES = Part(
            "notes", 2,
            ("CREATE TABLE IF NOT EXISTS note (text, at REAL)",),
            {1: lambda db: db.execute("ALTER TABLE note ADD at REAL")},
        )
    """

    name: str
    version: int
    tables: tuple[str, ...]
    upgrades: Mapping[int, Upgrade] = field(default_factory=dict[int, Upgrade])
    sign: str = ""
    """A table that files had before their parts had versions; such a file is of version 1."""

    def prepare(self, connection: sqlite3.Connection, where: str) -> None:
        """Make or upgrade the tables, as part of a transaction.

        Raises NewerSchemaError, SchemaUpgradeError or CorruptDataError; the transaction is to be
        undone then.
        """
        # Here, as SQLite comes with it: only for who uses a database.
        from .definitions import checked_definitions, seal_definitions
        from .part_versions import VERSIONS, find_versions, stamp

        before = checked_definitions(connection, where)
        connection.execute(VERSIONS)
        found = find_versions(connection, where).get(self.name)
        if found is None and connection.execute(_ANY, (self.sign,)).fetchone()[0]:
            found = 1
        if found is not None:
            climb(connection, found, self.version, self.upgrades, f"{self.name} of {where}")
        for table in self.tables:
            connection.execute(table)
        if found != self.version:
            stamp(connection, self.name, self.version)
        seal_definitions(connection, before)


def climb(
    connection: sqlite3.Connection,
    version: int,
    goal: int,
    upgrades: Mapping[int, Upgrade],
    where: str,
) -> None:
    """Take tables from one version to another, inside the caller's transaction.

    Raises NewerSchemaError, CorruptDataError, or SchemaUpgradeError when there is no way or a step
    of it fails.
    """
    check_not_newer(version, goal, where)
    for step in range(version, goal):
        if step not in upgrades:
            raise SchemaUpgradeError(
                f"{where} has schema version {version}, and this program knows no way from "
                f"{step} to {step + 1}; it was left untouched; open it with a version of "
                "understudy that does"
            )
        try:
            upgrades[step](connection)
        except CorruptDataError:
            raise
        except Exception as error:
            raise SchemaUpgradeError(
                f"{where} could not be upgraded from schema version {step} to {step + 1}: "
                f"{type(error).__name__}: {error}; it was left as it was; mend the cause and "
                "open it again"
            ) from error


def check_not_newer(version: int, known: int, where: str) -> None:
    """Raise NewerSchemaError for a version that this program does not know yet."""
    if version > known:
        raise NewerSchemaError(
            f"{where} has schema version {version}, this program knows {known}; it was left "
            "untouched; upgrade understudy"
        )
