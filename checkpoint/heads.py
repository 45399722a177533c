"""What the committer knows of the threads it wrote last, so that a step asks the file for nothing.

Rows are known as long as nobody else can have changed them, and that is told by SQLite itself:

* what another connection committed, here or in another process, changes `PRAGMA data_version`;
* what this one changed counts in `total_changes`, which is noted after each unit that keeps what is
  known true; after any other unit the count is another one;
* what was undone was never there: a unit or a transaction that fails clears everything.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .places import ScopeRow, find_scope, find_thread

_VERSION = "PRAGMA data_version"

_MOST_THREADS = 1024
_MOST_SCOPES = 64
"""Of one thread: each call of a subgraph may have a namespace of its own."""


@dataclass(slots=True, eq=False)
class ThreadHead:
    """A thread's row, and those of its namespaces that were asked for."""

    number: int
    epoch: int
    scopes: dict[str, ScopeRow] = field(default_factory=dict[str, ScopeRow])

    def scope(self, connection: sqlite3.Connection, ns: str) -> ScopeRow | None:
        """A namespace; None when there is none.  Raises CorruptDataError."""
        scope = self.scopes.get(ns)
        if scope is None and (scope := find_scope(connection, self.number, ns)) is not None:
            self.keep(scope)
        return scope

    def keep(self, scope: ScopeRow) -> None:
        """Know a namespace from now on: it stays until the unit is over, which may change it."""
        self.scopes[scope.ns] = scope

    def trim(self) -> None:
        """Forget the namespaces known longest, if there are many; between units."""
        while len(self.scopes) > _MOST_SCOPES:
            del self.scopes[next(iter(self.scopes))]


class Heads:
    """The threads of one connection; used by its thread only."""

    __slots__ = ("_changes", "_open", "_threads", "_version")

    def __init__(self) -> None:
        self._threads: dict[str, ThreadHead] = {}
        self._changes = -1
        """The connection's `total_changes` when all this was true."""
        self._version: int = -1
        self._open = False
        """True: a transaction has begun, and nobody has said yet that it is committed."""

    def begin(self, connection: sqlite3.Connection) -> None:
        """A transaction has begun: from now on nobody else writes."""
        version: int = connection.execute(_VERSION).fetchone()[0]
        if self._open or version != self._version:
            self._threads.clear()
        self._version, self._open = version, True

    def committed(self) -> None:
        """The transaction is in the log."""
        self._open = False

    def clear(self) -> None:
        """Know nothing: something was undone."""
        self._threads.clear()

    def forget(self, name: str) -> None:
        """Ask the file for this thread when it is needed again."""
        self._threads.pop(name, None)

    def thread(self, connection: sqlite3.Connection, name: str) -> ThreadHead | None:
        """A thread; None when there is none.  Whoever changes it says so with `changed`."""
        if connection.total_changes != self._changes:
            self._threads.clear()
            self.changed(connection)
        known = self._threads.get(name)
        if known is not None:
            known.trim()
        else:
            row = find_thread(connection, name)
            if row is None:
                return None
            if len(self._threads) >= _MOST_THREADS:
                del self._threads[next(iter(self._threads))]
            known = self._threads[name] = ThreadHead(*row)
        return known

    def changed(self, connection: sqlite3.Connection) -> None:
        """What is known is what the file holds now, after a change of both."""
        self._changes = connection.total_changes

    def beside(
        self, apply: Callable[[sqlite3.Connection], Any], connection: sqlite3.Connection
    ) -> Any:
        """The result of a unit that changes no row that is known here."""
        true = connection.total_changes == self._changes
        result = apply(connection)
        if true:
            self.changed(connection)
        return result
