"""The database file: what it must look like, how it is made, and what its errors mean.

    thread      one row per thread; `epoch` is raised when another process takes the thread over
    scope       one row per (thread, ns), with its head (see `places.py`)
    checkpoint  append-only; `seq` is its place in the file, `parent` the parent's, `depth` how many
                rows up stands a full map of entries (0: here), and how many tasks had pending
                writes after the parent when it was made (`packing.pack_depth`)
    pending     pending writes of one task of the step after a checkpoint
    blob        a whole value, or `count` items of a run from `start`
    definition  what the tables are, sealed (see `definitions.py`)
    run, event  the log of run events; `event.id` is run << 32 | id, so a run's rows are neighbours

Every row has a checksum, `crc`, over its bytes and over the columns that say where they belong.

Checkpoints and blobs are rowid tables with an index rather than WITHOUT ROWID: new rows of all
threads go to the end of the table and fill its pages, while index b-trees split half empty.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from .definitions import checked_definitions, definitions, seal_definitions
from .errors import (
    CorruptDataError,
    DatabaseError,
    DatabaseUnwritableError,
    NotADatabaseError,
    RowTooLargeError,
)
from .packing import checksum
from .part_versions import seal_versions
from .row_seals import SEAL, row_seal
from .upgrades import FileSchema, check_not_newer, climb

T = TypeVar("T")

APPLICATION_ID = 0x55445359
"""Stamped into the file's header ("UDSY")."""
SCHEMA = FileSchema(3, {1: lambda _: None, 2: seal_versions})
"""Raise the version with every change of these tables that older files have to be told of, and add
the upgrade from the version before."""
_SEALED_FROM = 2
"""The first version of which all files say what their tables are."""

TABLES = (
    """
    CREATE TABLE thread (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, epoch INTEGER NOT NULL,
        mark INTEGER NOT NULL, crc INTEGER NOT NULL)
    """,
    "CREATE INDEX thread_mark ON thread (mark)",
    """
    CREATE TABLE scope (id INTEGER PRIMARY KEY, thread INTEGER NOT NULL, ns TEXT NOT NULL,
        mark INTEGER NOT NULL, seq INTEGER NOT NULL, head BLOB NOT NULL, depth INTEGER NOT NULL,
        count INTEGER NOT NULL, writes INTEGER NOT NULL, crc INTEGER NOT NULL, UNIQUE (thread, ns))
    """,
    "CREATE INDEX scope_mark ON scope (mark)",
    """
    CREATE TABLE checkpoint (seq INTEGER PRIMARY KEY, scope INTEGER NOT NULL, id BLOB NOT NULL,
        parent INTEGER, depth INTEGER NOT NULL, crc INTEGER NOT NULL, data BLOB NOT NULL,
        UNIQUE (scope, id))
    """,
    """
    CREATE TABLE pending (checkpoint INTEGER NOT NULL, task NOT NULL, crc INTEGER NOT NULL,
        data BLOB NOT NULL, PRIMARY KEY (checkpoint, task)) WITHOUT ROWID
    """,
    """
    CREATE TABLE blob (seq INTEGER PRIMARY KEY, scope INTEGER NOT NULL, key INTEGER NOT NULL,
        start INTEGER NOT NULL, count INTEGER NOT NULL, crc INTEGER NOT NULL, data BLOB NOT NULL,
        UNIQUE (scope, key, start))
    """,
    """
    CREATE TABLE run (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, last INTEGER NOT NULL,
        mark INTEGER NOT NULL, crc INTEGER NOT NULL)
    """,
    "CREATE INDEX run_mark ON run (mark)",
    "CREATE TABLE event (id INTEGER PRIMARY KEY, crc INTEGER NOT NULL, data BLOB NOT NULL)",
)

PAGE_SIZE = 2048
"""Half of SQLite's default: a step dirties some six pages for about one page of data."""
_EFFECTIVE = os.access in os.supports_effective_ids

LOG_BYTES = 16 * 1024 * 1024
"""By how much the log may grow before it is moved into the file, however few rows it has; what was
moved is cut off down to this size when the log is begun anew."""
LOOK_SECONDS = 0.1
"""How long a look at the files serves: each one is a system call."""
BUSY_SECONDS = 30.0
"""How long a statement waits for another process's lock."""
_TRY_SECONDS = 0.05
"""How long one try to have a file alone waits, with locks that others may be waiting for."""


def prepare_file(
    path: Path, schema: FileSchema = SCHEMA, *, patience: float = BUSY_SECONDS
) -> None:
    """Check the file; make and stamp it if it is new, upgrade it if it is older.

    `patience`: seconds to wait for others to leave a file that is to be upgraded.

    Raises NotADatabaseError, NewerSchemaError, SchemaUpgradeError or DatabaseUnwritableError; the
    file is as it was then.
    """
    _check_place(path)
    version = _version_of(path)
    if version is None:
        _make(path)
    else:
        check_not_newer(version, schema.version, repr(str(path)))
        if version < schema.version:
            try:
                _upgrade(path, schema, patience)
            except sqlite3.Error as error:
                raise typed_error(error, str(path)) from error


def _make(path: Path) -> None:
    with closing(sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)) as connection:
        # Made with a rollback journal and full syncs, so that the stamp is in the file itself
        # before anything else is; the folder is flushed so that the file's name survives too.
        connection.execute(f"PRAGMA page_size={PAGE_SIZE}")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("BEGIN IMMEDIATE")
        if _stamp(connection, path) is None:  # no other process was faster
            create_tables(connection)
        connection.execute("COMMIT")
    flush_folder(path)


def _upgrade(path: Path, schema: FileSchema, patience: float) -> None:
    """Take the file to today's version when others have left it, or one of them has done so.

    Several who wait each hold a lock that the others wait for: each lets go of its own, and tries
    again.
    """
    _until_free(lambda: _upgrade_alone(path, schema), patience)


def _upgrade_alone(path: Path, schema: FileSchema) -> None:
    """In one transaction, and as nobody else has the file open: programs of the older version would
    write on as they know it."""
    with closing(sqlite3.connect(path, timeout=_TRY_SECONDS, isolation_level=None)) as connection:
        connection.execute("PRAGMA locking_mode=EXCLUSIVE")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("BEGIN EXCLUSIVE")
        version = _stamp(connection, path) or 0
        # What tables are, and where they begin, is sealed anew below: it must be sound before.
        sealed = version >= _SEALED_FROM
        before = checked_definitions(connection, str(path)) if sealed else definitions(connection)
        climb(connection, version, schema.version, schema.upgrades, repr(str(path)))
        seal_definitions(connection, before)
        connection.execute(f"PRAGMA user_version={schema.version}")
        connection.execute("COMMIT")


def create_private(connection: sqlite3.Connection) -> None:
    """Make a database that no file holds."""
    _add_functions(connection)
    create_tables(connection)


def create_tables(connection: sqlite3.Connection) -> None:
    """Make the tables and stamp the database as ours."""
    for table in TABLES:
        connection.execute(table)
    seal_definitions(connection, {})
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={SCHEMA.version}")


def flush_folder(path: Path) -> None:
    """Flush the names of new files in the file's folder to the disk."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _check_place(path: Path) -> None:
    if path.is_dir():
        raise NotADatabaseError(f"{str(path)!r} is a folder; give the path of a database file")
    if not path.parent.is_dir():
        raise DatabaseUnwritableError(
            f"{str(path)!r} cannot be made: the folder {str(path.parent)!r} does not exist; "
            "make it first"
        )
    for place in (path.parent, path):
        if place.exists() and not os.access(place, os.W_OK, effective_ids=_EFFECTIVE):
            raise DatabaseUnwritableError(
                f"{str(place)!r} is read-only, and a saver must write there; change its "
                "permissions or give another path"
            )


def _version_of(path: Path) -> int | None:
    """The version that the file is stamped with; None if it is to be made; raises for a file that
    is not ours."""
    if not path.exists() or path.stat().st_size == 0:
        return None
    try:
        return _look(path, "ro")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_READONLY_ROLLBACK:
            raise
    # A process died while it wrote and left its journal: what it had half done is taken back by
    # the first connection that may write, before that reads anything.
    return _look(path, "rw")


def _look(path: Path, mode: str) -> int | None:
    """What `_stamp` finds over a connection of that mode."""
    address = f"{path.as_uri()}?mode={mode}"
    with closing(sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS)) as connection:
        return _stamp(connection, path)


def _stamp(connection: sqlite3.Connection, path: Path) -> int | None:
    """The version of a database that is ours, None for an empty one; raises when it is neither."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if application != APPLICATION_ID and (application or tables):
        raise NotADatabaseError(
            f"{str(path)!r} is an SQLite database of another program (application id "
            f"{application:#x}, {tables} tables); it was left untouched; give another path"
        )
    return version if application == APPLICATION_ID else None


def set_up_writer(connection: sqlite3.Connection) -> None:
    """Settings of the one connection that writes; it alone moves the log into the file."""
    mode = ask_for_log(connection, BUSY_SECONDS)
    if mode != "wal":
        raise DatabaseUnwritableError(
            f"the database's file system gives no write-ahead log (journal mode {mode!r}); "
            "put the file on a local disk"
        )
    _add_functions(connection)
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute(f"PRAGMA journal_size_limit={LOG_BYTES}")
    connection.execute("PRAGMA trusted_schema=OFF")
    # The log's file is made at the first access after the file was turned to it, and from then on
    # it stays the same one: what flushes it opens it by its name.
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()


def _add_functions(connection: sqlite3.Connection) -> None:
    """For rows that are changed where they are, without coming here."""
    connection.create_function("checksum", -1, checksum, deterministic=True)
    connection.create_function(SEAL, -1, row_seal, deterministic=True)


def ask_for_log(connection: sqlite3.Connection, patience: float) -> str:
    """Turn the file to a write-ahead log if it is not yet; gives the journal mode it is in then.

    This one statement needs the file for itself, and does not always wait as the connection's
    timeout says, so it is tried again for `patience` seconds.  Raises sqlite3.OperationalError
    after that.
    """
    ask = "PRAGMA journal_mode=WAL"
    (mode,) = _until_free(lambda: connection.execute(ask).fetchone(), patience)
    return mode


def _until_free(act: Callable[[], T], patience: float) -> T:
    """What `act` gives, tried again while other processes hold locks that it needs.

    SQLite tells nobody when a lock is let go of, so there is nothing to wait for but time; pauses
    are drawn, so that processes that are in each other's way do not try again together.
    """
    deadline = time.monotonic() + patience
    pause = 0.0002
    while True:
        try:
            return act()
        except sqlite3.OperationalError as error:
            if code_of(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(pause * random.uniform(1, 2))  # noqa: S311 - anything but together will do
        pause = min(pause * 2, 0.01)


def set_up_reader(connection: sqlite3.Connection) -> None:
    """Settings of a connection that only reads."""
    connection.execute("PRAGMA query_only=ON")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute("PRAGMA trusted_schema=OFF")


_UNWRITABLE = {
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk reports an error",
    sqlite3.SQLITE_CANTOPEN: "it, or a file beside it, cannot be opened",
    sqlite3.SQLITE_PERM: "access is denied",
    sqlite3.SQLITE_BUSY: "another process keeps it locked",
    sqlite3.SQLITE_NOMEM: "memory ran out",
}


def code_of(error: BaseException) -> int:
    """SQLite's primary code of an error; errors of Python's own module have none."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def typed_error(error: BaseException, database: str) -> BaseException:
    """What an error of SQLite or the operating system means for the caller; others as they are."""
    if not isinstance(error, sqlite3.Error | OSError):
        return error
    code = code_of(error)
    if isinstance(error, OSError) or code in _UNWRITABLE:
        reason = _UNWRITABLE.get(code, "the disk reports an error")
        return DatabaseUnwritableError(
            f"{database!r} cannot be used: {reason} ({error}); nothing of this call was stored; "
            "mend that and try again"
        )
    if code == sqlite3.SQLITE_TOOBIG:
        return RowTooLargeError(
            f"{database!r} cannot take a value of this size: {error} (SQLite's bound is 1 GB); "
            "nothing of this call was stored; keep large values elsewhere, and where they are here"
        )
    if code == sqlite3.SQLITE_NOTADB:
        return NotADatabaseError(
            f"{database!r} is no SQLite database; it was left untouched; give another path"
        )
    if code == sqlite3.SQLITE_CORRUPT:
        return CorruptDataError(
            f"{database!r} is damaged ({error}); restore the file from a backup"
        )
    return DatabaseError(f"{database!r} cannot do this: {error}; check the file with sqlite3")
