"""Group commit: what waits together is stored together, and fails alone."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from checkpoint import (
    DatabaseError,
    DatabaseUnwritableError,
    NotADatabaseError,
    SaverClosedError,
    SqliteSaver,
)
from checkpoint.committer import Committer
from checkpoint.locks import NoLocks
from checkpoint.schema import LOG_BYTES, prepare_file, set_up_writer
from checkpoint.testing_faults import FaultPlan

ROOT = Path(__file__).parents[2]


class Setup:
    """A committer on a file with one table, and the transactions it counted."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.transactions = 0
        self.committer = Committer(str(path), NoLocks(), self.set_up, self.count)

    def set_up(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE item (name UNIQUE)")

    def count(self) -> None:
        self.transactions += 1

    def items(self) -> list[str]:
        connection = sqlite3.connect(self.path)
        try:
            return [name for (name,) in connection.execute("SELECT name FROM item ORDER BY rowid")]
        finally:
            connection.close()


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[Setup]:
    setup = Setup(tmp_path / "items.db")
    yield setup
    setup.committer.close()


def add(*names: str) -> Any:
    def apply(connection: sqlite3.Connection) -> int:
        for name in names:
            connection.execute("INSERT INTO item VALUES (?)", (name,))
        return len(names)

    return apply


class Gate:
    """A unit that holds up the committer until it is opened."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.opened = threading.Event()

    def apply(self, connection: sqlite3.Connection) -> None:
        self.reached.set()
        assert self.opened.wait(10)


async def test_what_waits_while_a_transaction_runs_goes_into_the_next_one(setup: Setup) -> None:
    gate = Gate()
    first = setup.committer.submit(gate.apply, "unit")
    await asyncio.to_thread(gate.reached.wait)
    others = [setup.committer.submit(add(f"{n}"), "unit") for n in range(50)]
    gate.opened.set()
    await first
    assert await asyncio.gather(*others) == [1] * 50
    assert setup.transactions == 2
    assert setup.items() == [f"{n}" for n in range(50)]


async def test_a_unit_that_fails_is_undone_alone(setup: Setup) -> None:
    gate = Gate()
    first = setup.committer.submit(gate.apply, "unit")
    units = [
        setup.committer.submit(unit, "unit")
        for unit in (add("a"), add("b", "a"), add("c"), add(["no"]), add("d"))  # type: ignore[arg-type]
    ]
    gate.opened.set()
    await first
    results = await asyncio.gather(*units, return_exceptions=True)
    assert [isinstance(r, Exception) for r in results] == [False, True, False, True, False]
    assert setup.items() == ["a", "c", "d"]


async def test_a_lone_unit_that_fails_is_undone_with_its_transaction(setup: Setup) -> None:
    assert await setup.committer.submit(add("a"), "unit") == 1
    with pytest.raises(DatabaseError):
        await setup.committer.submit(add("b", "a"), "unit")
    assert setup.transactions == 1
    assert await setup.committer.submit(add("c"), "unit") == 1
    assert setup.items() == ["a", "c"]


async def test_cancelling_one_caller_takes_nothing_from_the_others(setup: Setup) -> None:
    gate = Gate()
    first = setup.committer.submit(gate.apply, "unit")
    futures = [setup.committer.submit(add(name), "unit") for name in "abc"]
    futures[1].cancel()
    gate.opened.set()
    assert await asyncio.gather(first, futures[0], futures[2]) == [None, 1, 1]
    assert setup.items() == ["a", "b", "c"]


class EndOfThread(BaseException):
    """Ends a thread that does not catch it."""


@pytest.mark.parametrize("error", [ZeroDivisionError, EndOfThread])
@pytest.mark.parametrize("door", ["submit", "submit_alone"])
async def test_errors_of_user_code_reach_the_caller_as_they_are(
    setup: Setup, door: str, error: type[BaseException]
) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        raise error

    with pytest.raises(error):
        await getattr(setup.committer, door)(fail, "unit")
    assert await setup.committer.submit(add("a"), "unit") == 1


async def test_a_group_that_the_disk_refuses_fails_as_one_and_the_next_one_works(
    setup: Setup,
) -> None:
    def no_room(connection: sqlite3.Connection) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages}")

    def room(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA max_page_count=100000")

    await setup.committer.submit(no_room, "unit")
    with pytest.raises(DatabaseUnwritableError, match="full"):
        await setup.committer.submit(add("x" * 50_000), "unit")
    await setup.committer.submit(room, "unit")
    assert await setup.committer.submit(add("a"), "unit") == 1
    assert setup.items() == ["a"]


async def test_what_only_the_commit_refuses_is_told_and_undone(setup: Setup) -> None:
    def strict(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA foreign_keys=ON")
        refers = "REFERENCES item (name) DEFERRABLE INITIALLY DEFERRED"
        connection.execute(f"CREATE TABLE part (item {refers})")

    def orphan(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO part VALUES ('nobody')")

    await setup.committer.submit_alone(strict, "unit")
    with pytest.raises(DatabaseError, match="FOREIGN KEY"):
        await setup.committer.submit(orphan, "unit")
    assert await setup.committer.submit(add("a"), "unit") == 1
    assert setup.items() == ["a"]


def test_a_plain_thread_waits_for_its_unit_and_gets_its_result_or_error(setup: Setup) -> None:
    def add(connection: sqlite3.Connection) -> str:
        connection.execute("INSERT INTO item VALUES ('a')")
        return "added"

    assert setup.committer.run(add, "unit") == "added"
    assert setup.items() == ["a"]
    with pytest.raises(DatabaseError, match="UNIQUE"):
        setup.committer.run(add, "unit")
    setup.committer.close()
    with pytest.raises(SaverClosedError):
        setup.committer.run(add, "unit")


async def test_another_process_that_keeps_the_file_locked_gives_a_typed_error(
    setup: Setup,
) -> None:
    def hurry(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA busy_timeout=1")

    await setup.committer.submit(hurry, "unit")
    other = sqlite3.connect(setup.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnwritableError, match="locked"):
        await setup.committer.submit(add("a"), "unit")
    other.execute("ROLLBACK")
    other.close()
    assert await setup.committer.submit(add("b"), "unit") == 1
    assert setup.items() == ["b"]


async def test_closing_commits_what_is_queued_and_refuses_the_rest(setup: Setup) -> None:
    gate = Gate()
    futures = [setup.committer.submit(gate.apply, "unit"), setup.committer.submit(add("a"), "unit")]
    closing = asyncio.create_task(asyncio.to_thread(setup.committer.close))
    gate.opened.set()
    await closing
    await asyncio.gather(*futures)
    with pytest.raises(SaverClosedError):
        setup.committer.submit(add("b"), "unit")
    assert setup.items() == ["a"]


async def test_who_settles_waits_for_all_that_was_submitted(setup: Setup) -> None:
    some = "WITH RECURSIVE some(n) AS (SELECT 1 UNION ALL SELECT n+1 FROM some LIMIT 100000)"
    unit = setup.committer.submit(
        lambda it: it.execute(f"INSERT INTO item {some} SELECT n FROM some"), "unit"
    )
    setup.committer.settle()
    assert len(setup.items()) == 100_000
    await unit


def test_a_database_that_cannot_be_opened_is_reported_where_it_was_asked_for(
    tmp_path: Path,
) -> None:
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        Setup(tmp_path / "no" / "items.db")
    (tmp_path / "text.db").write_text("no database " * 100)
    with pytest.raises(sqlite3.DatabaseError, match="not a database"):
        Setup(tmp_path / "text.db")


async def test_a_long_log_is_moved_into_the_file(tmp_path: Path) -> None:
    setup = Setup(tmp_path / "items.db")
    size = setup.path.stat().st_size
    for n in range(30):
        await setup.committer.submit(add(*(f"{n} {m} " + "x" * 500 for m in range(100))), "unit")
    await setup.committer.submit(add("last"), "unit")  # the log is moved after the answers are sent
    assert setup.path.stat().st_size > size + 500_000
    setup.committer.close()


def test_typed_errors_name_the_file(tmp_path: Path) -> None:
    from checkpoint.schema import typed_error

    error = sqlite3.DatabaseError("file is not a database")
    error.sqlite_errorcode = sqlite3.SQLITE_NOTADB
    typed = typed_error(error, "x.db")
    assert isinstance(typed, NotADatabaseError)
    assert "'x.db'" in str(typed)


async def test_nobody_waits_for_ever_when_the_writer_itself_breaks(tmp_path: Path) -> None:
    """What is queued behind it is answered, what comes later refused."""
    gate = Gate()

    def breaks(point: str) -> None:
        if point == "first answered":
            raise OSError("broken by hand")

    committer = Committer(
        str(tmp_path / "items.db"), NoLocks(), lambda _: None, lambda: None, breaks
    )
    first = committer.submit(gate.apply, "first")
    await asyncio.to_thread(gate.reached.wait)
    behind = committer.submit(add("a"), "behind")
    gate.opened.set()
    await first
    with pytest.raises(DatabaseUnwritableError, match="broken by hand"):
        await behind
    committer.close()
    with pytest.raises(SaverClosedError):
        committer.submit(add("b"), "later")


def test_the_log_of_large_values_is_moved_before_it_is_larger_than_a_few_of_them(
    tmp_path: Path,
) -> None:
    path, log = tmp_path / "f.db", tmp_path / "f.db-wal"
    prepare_file(path)
    committer = Committer(str(path), NoLocks(), set_up_writer, lambda: None, look_seconds=0)
    committer.log_size = lambda: log.stat().st_size
    committer.run(lambda connection: connection.execute("CREATE TABLE t (a)"), "t")
    sizes: list[int] = []
    for _ in range(30):
        committer.run(lambda at: at.execute("INSERT INTO t VALUES (zeroblob(4000000))"), "t")
        sizes.append(log.stat().st_size)
    committer.close()
    assert max(sizes) < 3 * LOG_BYTES
    assert path.stat().st_size > 30 * 4_000_000


TRIES = """
import sys
from pathlib import Path
from checkpoint import DatabaseUnwritableError
from checkpoint.locks import MARK, LockFile
try:
    with LockFile(Path(sys.argv[1]), bytes(MARK), patience=0).gate():
        print("open")
except DatabaseUnwritableError:
    print("held")
"""


async def test_no_other_process_writes_while_the_log_is_moved(path: Path) -> None:
    plan = FaultPlan()
    hold = plan.hold("moving")
    saver = await SqliteSaver(path, faults=plan).aopen()
    closing = asyncio.create_task(saver.aclose())
    assert await asyncio.to_thread(hold.wait)
    args = [sys.executable, "-c", TRIES, str(path.with_name(f"{path.name}-claims"))]
    tried = await asyncio.to_thread(
        subprocess.run, args, capture_output=True, text=True, cwd=ROOT, check=True
    )
    hold.let_go()
    await closing
    assert tried.stdout == "held\n"
