"""A write-ahead log read without SQLite: what it does to the file, as far as it is whole."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from checkpoint.log_pages import LogPages, read_log

PAGE = 1024
FRAME = 24 + PAGE


@pytest.fixture
def logged(tmp_path: Path) -> Iterator[tuple[bytes, bytes]]:
    """A file, and its log of five transactions."""
    path = tmp_path / "some.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA page_size={PAGE}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        connection.execute("CREATE TABLE t (a)")
        for number in range(4):
            connection.execute("INSERT INTO t VALUES (?)", (b"%d" % number * 900,))
        yield path.read_bytes(), path.with_name("some.db-wal").read_bytes()


def applied(file: bytes, log: bytes, pages: LogPages) -> bytes:
    data = bytearray(file.ljust(pages.length * PAGE, b"\0"))
    for number, at in pages.places.items():
        data[(number - 1) * PAGE : number * PAGE] = log[at : at + PAGE]
    return bytes(data[: pages.length * PAGE])


def rows_of(tmp_path: Path, file: bytes, log: bytes | None = None) -> list[tuple[bytes]]:
    path = tmp_path / "copy.db"
    for left in tmp_path.glob("copy.db*"):
        left.unlink()
    path.write_bytes(file)
    if log is not None:
        path.with_name("copy.db-wal").write_bytes(log)
    with closing(sqlite3.connect(path)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master").fetchall():
            return []
        return connection.execute("SELECT a FROM t").fetchall()


def test_a_file_with_its_log_moved_into_it_is_as_sqlite_sees_both(
    logged: tuple[bytes, bytes], tmp_path: Path
) -> None:
    file, log = logged
    pages = read_log(log)
    assert pages.size == PAGE
    assert len(rows_of(tmp_path, applied(file, log, pages))) == 4
    shutil.rmtree(tmp_path / "none", ignore_errors=True)


def test_a_log_ends_where_it_does_for_sqlite(logged: tuple[bytes, bytes], tmp_path: Path) -> None:
    file, log = logged
    for frame in range((len(log) - 32) // FRAME):
        for torn in (log[: 32 + frame * FRAME + 100], flipped(log, 32 + frame * FRAME + 99)):
            pages = read_log(torn)
            found = rows_of(tmp_path, applied(file, torn, pages)) if pages.length else []
            assert found == rows_of(tmp_path, file, torn)


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :]


@pytest.mark.parametrize("data", [b"", b"no log" * 20, bytes(100)])
def test_what_is_no_log_holds_nothing(data: bytes) -> None:
    assert read_log(data) == LogPages()


def test_a_head_that_is_damaged_ends_the_log_at_once(logged: tuple[bytes, bytes]) -> None:
    for at in (0, 9, 17, 25):
        assert read_log(flipped(logged[1], at)).length == 0
