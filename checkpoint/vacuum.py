"""Packing a database file: what was deleted leaves the file, and the file gets as small as it can.

SQLite writes the packed database into the log and moves it into the file from there.  A reader that
is in the middle of a read keeps the log as it is, so readers are waited for first: else the
database would take twice its place instead of less.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from .definitions import definitions, seal_definitions
from .errors import DatabaseBusyError
from .reports import Vacuumed
from .schema import BUSY_SECONDS
from .value import Value, slotted

_LONGEST = 2_000_000.0
"""SQLite counts milliseconds in 32 bits, and takes more of them for none."""


@slotted
class Vacuum(Value):
    """Packs the database; outside of transactions, with no other writer."""

    path: Path | None
    """None: in memory."""
    timeout: float
    """Seconds to wait for readers."""

    def apply(self, connection: sqlite3.Connection) -> Vacuumed:
        """The sizes before and after.  Raises DatabaseBusyError; the file is as it was then."""
        before = self._size(connection)
        wait_at_most(connection, self.timeout)
        try:
            self._empty_log(connection, "nothing was changed")
            connection.execute("VACUUM")
            seal_definitions(connection, definitions(connection))  # tables begin elsewhere now
            self._empty_log(connection, "it is packed, and its log is emptied later")
        finally:
            wait_at_most(connection, BUSY_SECONDS)
        return Vacuumed(before, self._size(connection))

    def _empty_log(self, connection: sqlite3.Connection, state: str) -> None:
        (busy, *_) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise DatabaseBusyError(
                f"{str(self.path)!r} cannot be packed: others were reading it for more than "
                f"{self.timeout:g} s; {state}; try again when they are done, or with a longer "
                "timeout"
            )

    def _size(self, connection: sqlite3.Connection) -> int:
        if self.path is None:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            (size,) = connection.execute("PRAGMA page_size").fetchone()
            return pages * size
        log = self.path.with_name(self.path.name + "-wal")
        return self.path.stat().st_size + (log.stat().st_size if log.exists() else 0)


def wait_at_most(connection: sqlite3.Connection, seconds: float) -> None:
    """Let a connection wait so long for locks that others hold."""
    milliseconds = round(min(seconds, _LONGEST) * 1000)
    connection.execute(f"PRAGMA busy_timeout={milliseconds}")
