"""A damaged file is told what mending it costs, and mended only if that is asked for."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checkpoint import (
    DatabaseBusyError,
    DatabaseError,
    EncryptedSerializer,
    EventRow,
    KeyRequiredError,
    NewerSchemaError,
    NotADatabaseError,
    SqliteCache,
    SqliteSaver,
    SqliteStore,
    SqliteTables,
    WrongKeyError,
    repair_database,
)
from checkpoint.alone import in_use
from checkpoint.lease import shut
from checkpoint.record import Batch
from checkpoint.repair_reports import Repair, RowLoss, RunLoss, ThreadLoss
from checkpoint.story import LONG, Story, values_of
from checkpoint.tales import picture_of, told
from tests.checkpoint.test_places import change, empty_index

KEY = EncryptedSerializer(bytes(16))
HEAD = "seq=(SELECT seq FROM scope WHERE id=1)"


async def fill(path: Path, **settings: Any) -> dict[str, Any]:
    """Two threads of 20 steps, one with a log of three events; gives what they hold."""
    async with SqliteSaver(path, **settings) as saver:
        for thread in ("one", "two"):
            story = await Story.begin(saver, thread)
            for number in range(20):
                values = {"n": number, "list": [f"{n} {LONG}" for n in range(number)]}
                await story.step(values, run_id=f"run {thread}")
            await story.write("task", [("n", 7)])
            story.end()
        story = await Story.begin(saver, "two")
        events = tuple(EventRow("run two", number, b"%d" % number) for number in (1, 2, 3))
        await saver.commit(Batch("two", story.claim.epoch, events=events))
        story.end()
        return {thread: await picture_of(saver, thread) for thread in ("one", "two")}


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    path = tmp_path / "threads.db"
    await fill(path)
    return path


@pytest.fixture
async def before(path: Path) -> dict[str, Any]:
    """What the threads hold before anything is damaged."""
    async with SqliteSaver(path) as saver:
        return {thread: await picture_of(saver, thread) for thread in ("one", "two")}


async def look(path: Path, **settings: Any) -> dict[str, Any]:
    """What the threads hold after a repair, which is sound, and can be gone on with."""
    async with SqliteSaver(path, **settings) as saver:
        assert (await saver.averify()).damage == ()
        found = {thread: await picture_of(saver, thread) for thread in ("one", "two")}
        for thread in ("one", "two"):
            await told(saver, 1, thread)
        assert (await saver.averify()).damage == ()
        return found


def content_of(path: Path | str | None) -> bytes:
    assert path is not None
    return Path(path).read_bytes()


def names(path: Path) -> list[str]:
    return sorted(each.name for each in path.parent.iterdir())


def test_a_file_that_is_sound_is_left_as_it_is(path: Path) -> None:
    content, there = content_of(path), names(path)
    assert repair_database(path, fall_back=True) == Repair()
    assert repair_database(path).ok
    assert content_of(path) == content
    assert names(path) == there


async def test_what_it_would_cost_is_told_and_nothing_is_changed(
    path: Path, before: dict[str, Any]
) -> None:
    change(path, f"DELETE FROM checkpoint WHERE {HEAD}")
    content, there = content_of(path), names(path)
    found = repair_database(path)
    assert not found.ok
    assert "one" in {each.thread_id for each in found.damage}
    newest = sorted(checkpoint_id for _, checkpoint_id in before["one"])[-2]
    assert found.threads == (ThreadLoss("one", newest, 1, 0),)
    assert found.backup is None
    assert content_of(path) == content
    assert names(path) == there


async def test_a_thread_goes_back_to_what_is_intact_and_others_are_untouched(
    path: Path, before: dict[str, Any]
) -> None:
    change(path, f"DELETE FROM checkpoint WHERE {HEAD}")
    content = content_of(path)
    told_before = repair_database(path)
    done = repair_database(path, fall_back=True)
    assert replace(done, backup=None) == told_before
    assert done.backup == str(path) + ".damaged"
    assert content_of(done.backup) == content
    assert "threads.db-repair" not in names(path)
    after = await look(path)
    assert after["two"] == before["two"]
    last = max(before["one"])
    assert after["one"] == {place: each for place, each in before["one"].items() if place != last}


def test_the_mended_file_has_the_rights_of_the_damaged_one(path: Path) -> None:
    change(path, f"DELETE FROM checkpoint WHERE {HEAD}")
    path.chmod(0o640)
    repair_database(path, fall_back=True)
    assert path.stat().st_mode & 0o777 == 0o640


async def test_a_value_that_is_lost_costs_the_steps_that_have_it(
    path: Path, before: dict[str, Any]
) -> None:
    change(path, "DELETE FROM blob WHERE scope=1 AND seq=(SELECT max(seq) FROM blob WHERE scope=1)")
    found = repair_database(path, fall_back=True)
    assert [(each.thread_id, each.checkpoints) for each in found.threads] == [("one", 1)]
    after = await look(path)
    assert after["two"] == before["two"]
    assert after["one"].items() <= before["one"].items()


async def test_an_older_step_that_is_lost_leaves_the_newest_where_it_is(
    path: Path, before: dict[str, Any]
) -> None:
    change(path, "UPDATE checkpoint SET data=data || x'00' WHERE scope=1 AND depth%16=2 AND seq<9")
    found = repair_database(path, fall_back=True)
    newest = max(before["one"])
    assert found.threads[0].newest_id == newest[1]
    assert found.threads[0].checkpoints == 14, "up to the next one with a full map of entries"
    after = await look(path)
    assert after["one"][newest] == before["one"][newest]
    assert after["one"].items() <= before["one"].items()


async def test_pending_writes_that_are_lost_are_told_of(path: Path) -> None:
    change(path, "DELETE FROM pending WHERE checkpoint IN (SELECT seq FROM scope WHERE id=1)")
    found = repair_database(path, fall_back=True)
    assert [(each.checkpoints, each.writes) for each in found.threads] == [(0, 1)]
    await look(path)


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM thread WHERE name='one'",
        "UPDATE thread SET name='oxe' WHERE name='one'",
        "UPDATE thread SET epoch=7 WHERE name='one'",
        "UPDATE thread SET mark=7 WHERE name='one'",
    ],
)
async def test_a_name_that_is_lost_is_found_in_the_indexes(
    damage: str, path: Path, before: dict[str, Any]
) -> None:
    keeping_indexes(path, damage)
    repair_database(path, fall_back=True)
    assert await look(path) == before


@pytest.mark.parametrize(
    "damage", ["DELETE FROM scope WHERE id=1", "UPDATE scope SET head=x'00' WHERE id=1"]
)
async def test_a_namespace_that_is_lost_is_found_in_the_indexes(
    damage: str, path: Path, before: dict[str, Any]
) -> None:
    keeping_indexes(path, damage)
    repair_database(path, fall_back=True)
    assert await look(path) == before


async def test_a_run_that_is_lost_is_found_in_the_indexes(path: Path) -> None:
    keeping_indexes(path, "DELETE FROM run")
    repair_database(path, fall_back=True)
    async with SqliteSaver(path) as saver:
        assert await saver.events.read("run two", 0, 9) == [(1, b"1"), (2, b"2"), (3, b"3")]


def keeping_indexes(path: Path, damage: str) -> None:
    """Damage the rows of a table, and leave its indexes as they were: only its own pages change."""
    sound = path.read_bytes()
    copy = path.with_name("copy.db")
    shutil.copy(path, copy)
    change(copy, "PRAGMA journal_mode=DELETE", damage)
    changed, data = copy.read_bytes(), bytearray(sound)
    copy.unlink()
    with closing(sqlite3.connect(path)) as connection:
        roots = connection.execute("SELECT rootpage FROM sqlite_master WHERE type='table'")
        places = [(root - 1) * 2048 for (root,) in roots]
        connection.execute("SELECT 1")
    for at in places[:]:
        if sound[at] == 13:  # a table of one page
            data[at : at + 2048] = changed[at : at + 2048]
    path.write_bytes(data)


async def test_a_thread_whose_name_nothing_knows_gets_one(
    path: Path, before: dict[str, Any]
) -> None:
    change(path, "DELETE FROM thread WHERE name='one'")
    repair_database(path, fall_back=True)
    async with SqliteSaver(path) as saver:
        assert (await saver.averify()).damage == ()
        assert await picture_of(saver, "recovered thread 1") == before["one"]
        assert await picture_of(saver, "two") == before["two"]


async def test_of_a_namespace_that_nothing_knows_the_rows_go(
    path: Path, before: dict[str, Any]
) -> None:
    change(path, "DELETE FROM scope WHERE id=1")
    repair_database(path, fall_back=True)
    after = await look(path)
    assert after == {**before, "one": {}}


async def test_an_index_that_is_damaged_costs_nothing(path: Path, before: dict[str, Any]) -> None:
    for index in ("thread_mark", "sqlite_autoindex_scope_1", "sqlite_autoindex_thread_1"):
        empty_index(path, index)
    found = repair_database(path, fall_back=True)
    assert found.threads == ()
    assert await look(path) == before


@pytest.mark.parametrize(("damage", "last"), [("id & 7 = 2", 1), ("id & 7 = 1", 0)])
async def test_a_log_of_events_ends_before_the_first_that_is_lost(
    damage: str, last: int, path: Path
) -> None:
    change(path, f"DELETE FROM event WHERE {damage}")
    found = repair_database(path, fall_back=True)
    assert found.runs == (RunLoss("run two", last, 3 - last),)
    async with SqliteSaver(path) as saver:
        assert (await saver.averify()).ok
        await saver.events.append("run two", [(last + 1, b"new")])
        assert await saver.events.last("run two") == last + 1


async def test_rows_of_the_store_and_the_cache_are_saved_one_by_one(path: Path) -> None:
    async with SqliteStore(path) as store, SqliteCache(path) as cache:
        for number in range(5):
            await store.aput(("ns",), f"{number}", {"n": number})
            await cache.set({(("ns",), f"{number}"): (number, None)})
    change(
        path,
        "UPDATE store_item SET value='{}' WHERE key='2'",
        "UPDATE cache SET data=x'00' WHERE id=2",
    )
    found = repair_database(path, fall_back=True)
    assert found.rows == (RowLoss("cache", 1), RowLoss("store_item", 1))
    async with SqliteStore(path) as store, SqliteCache(path) as cache:
        assert sorted(each.key for each in await store.asearch(("ns",))) == ["0", "1", "3", "4"]
        keys = [(("ns",), f"{number}") for number in range(5)]
        assert sorted((await cache.get(keys)).values()) == [0, 2, 3, 4]
    async with SqliteSaver(path) as saver:
        assert (await saver.averify()).ok


async def test_an_applications_own_tables_come_along(path: Path) -> None:
    statements = (
        "CREATE TABLE IF NOT EXISTS plain (a, b REAL, c TEXT DEFAULT 'c')",
        "CREATE TABLE IF NOT EXISTS keyed (a, k TEXT PRIMARY KEY, n) WITHOUT ROWID",
        "CREATE TABLE IF NOT EXISTS counted (id INTEGER PRIMARY KEY AUTOINCREMENT, a UNIQUE)",
        "CREATE INDEX IF NOT EXISTS by_a ON plain (a)",
        "CREATE VIEW IF NOT EXISTS seen AS SELECT a FROM plain",
    )
    async with SqliteTables(path, statements) as tables:
        for sql, row in (
            ("INSERT INTO plain (a, b) VALUES (?, ?)", (b"x", 5.0)),
            ("INSERT INTO keyed VALUES (?, ?, ?)", (None, "k", 1 << 60)),
            ("INSERT INTO counted VALUES (?, ?)", (41, "text")),
        ):
            await tables.write(lambda db, sql=sql, row=row: db.execute(sql, row).rowcount)
    change(path, "ALTER TABLE keyed ADD COLUMN late DEFAULT 'late'")
    change(path, f"DELETE FROM checkpoint WHERE {HEAD}")
    repair_database(path, fall_back=True)
    async with SqliteTables(path, statements) as tables:
        for table, row in (
            ("plain", (b"x", 5.0, "c")),
            ("keyed", (None, "k", 1 << 60, "late")),
            ("counted", (41, "text")),
            ("seen", (b"x",)),
        ):
            sql = f"SELECT * FROM {table}"
            assert await tables.read(lambda db, sql=sql: db.execute(sql).fetchall()) == [row]
        add = "INSERT INTO counted (a) VALUES ('next') RETURNING id"
        assert await tables.write(lambda db: db.execute(add).fetchone()) == (42,)


async def test_what_is_in_the_log_is_not_lost(tmp_path: Path) -> None:
    """As after a crash: the log was not moved into the file."""
    origin, path = tmp_path / "origin.db", tmp_path / "threads.db"
    await fill(origin)
    async with SqliteSaver(origin) as saver:
        await told(saver, 3, "late")
        before = await picture_of(saver, "late")
        for suffix in ("", "-wal"):
            shutil.copy(f"{origin}{suffix}", f"{path}{suffix}")
    empty_page(path)
    content, log = content_of(path), content_of(f"{path}-wal")
    found = repair_database(path, fall_back=True)
    assert found.backup is not None
    assert content_of(found.backup) == content
    assert content_of(found.backup + "-wal") == log
    assert "threads.db-wal" not in names(path)
    async with SqliteSaver(path) as saver:
        assert (await saver.averify()).ok
        assert await picture_of(saver, "late") == before


def empty_page(path: Path) -> None:
    """Overwrite a page in the middle of the file."""
    data = bytearray(path.read_bytes())
    at = len(data) // 4096 * 2048
    data[at : at + 2048] = bytes(2048)
    path.write_bytes(data)


async def test_an_encrypted_file_needs_its_key(tmp_path: Path) -> None:
    path = tmp_path / "threads.db"
    before = await fill(path, serializer=KEY)
    change(path, f"DELETE FROM checkpoint WHERE {HEAD}")
    with pytest.raises(KeyRequiredError):
        repair_database(path, fall_back=True)
    with pytest.raises(WrongKeyError):
        repair_database(path, fall_back=True, serializer=EncryptedSerializer(b"k" * 16))
    found = repair_database(path, fall_back=True, serializer=KEY)
    assert [each.checkpoints for each in found.threads] == [1]
    after = await look(path, serializer=KEY)
    assert after["two"] == before["two"]
    with pytest.raises(KeyRequiredError):
        await look(path)


async def test_a_mark_of_the_key_that_is_lost_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "threads.db"
    before = await fill(path, serializer=KEY)
    for damage in ("UPDATE seal SET mark=x'00'", "DELETE FROM seal"):
        change(path, damage)
        empty_index(path, "thread_mark")
        assert repair_database(path, fall_back=True, serializer=KEY).backup
        with pytest.raises(KeyRequiredError):
            await look(path)
    assert await look(path, serializer=KEY) == before


async def test_a_plain_file_is_not_marked_because_a_key_was_given(path: Path) -> None:
    change(path, f"DELETE FROM checkpoint WHERE {HEAD}")
    repair_database(path, fall_back=True, serializer=KEY)
    await look(path)


def test_a_file_that_is_open_is_refused(path: Path) -> None:
    change(path, f"DELETE FROM checkpoint WHERE {HEAD}")
    with (
        SqliteSaver(path),
        pytest.raises(DatabaseBusyError, match=r"is open.*nothing was changed; close it"),
    ):
        repair_database(path, fall_back=True)
    program = (
        "import sys; from checkpoint import SqliteSaver\n"
        "with SqliteSaver(sys.argv[1]): print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        with pytest.raises(DatabaseBusyError, match="or in another one"):
            repair_database(path, fall_back=True)
        other.communicate()
    assert repair_database(path, fall_back=True).backup is not None


def test_what_cannot_be_repaired_is_left_alone(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE t (a)")
    (tmp_path / "text").write_text("no database at all " * 500)
    (tmp_path / "empty").touch()
    for wrong in (other, tmp_path / "text", tmp_path / "empty", tmp_path / "none", tmp_path):
        with pytest.raises(NotADatabaseError):
            repair_database(wrong, fall_back=True)
    change(path, "PRAGMA user_version=99")
    with pytest.raises(NewerSchemaError):
        repair_database(path, fall_back=True)
    change(path, "PRAGMA user_version=1")
    path.with_name("threads.db-journal").write_bytes(b"x")
    with pytest.raises(DatabaseError, match="rollback journal"):
        repair_database(path, fall_back=True)


def test_each_damaged_file_is_kept(path: Path) -> None:
    path.with_name("threads.db-repair").mkdir()
    path.with_name("threads.db-repair").joinpath("of one that died").touch()
    backups: list[str | None] = []
    for scope in (1, 2):
        change(path, f"DELETE FROM checkpoint WHERE seq=(SELECT seq FROM scope WHERE id={scope})")
        backups.append(repair_database(path, fall_back=True).backup)
    assert backups == [f"{path}.damaged", f"{path}.damaged-2"]
    assert "threads.db-repair" not in names(path)


async def test_values_of_a_thread_that_lost_everything_are_gone(path: Path) -> None:
    change(path, "UPDATE checkpoint SET crc=crc+1 WHERE scope=1")
    found = repair_database(path, fall_back=True)
    assert found.threads == (ThreadLoss("one", None, 20, 0),)
    async with SqliteSaver(path) as saver:
        assert (await saver.averify()).ok
        assert await values_of(saver, "one") is None
        assert [each.thread_id for each in await saver.athreads()] == ["two"]
        await told(saver, 2, "one")


def test_nobody_in_this_process_opens_a_file_that_is_being_repaired(path: Path) -> None:
    with shut(path, in_use):
        with pytest.raises(DatabaseBusyError, match="is being repaired"), SqliteSaver(path):
            pass
        with pytest.raises(DatabaseBusyError, match="cannot be repaired"):
            repair_database(path)
    with SqliteSaver(path):
        pass


def test_losses_are_told_in_a_line_each() -> None:
    thread, run, rows = ThreadLoss("t", "id", 2, 1), RunLoss("r", 3, 4), RowLoss("cache", 5)
    assert list(
        Repair((), (thread, replace(thread, newest_id=None)), (run,), (rows,)).losses()
    ) == [
        "thread t: loses 2 checkpoints and the pending writes of 1 tasks; goes on from id",
        "thread t: loses 2 checkpoints and the pending writes of 1 tasks; nothing is left",
        "run r: loses 4 events; 3 stay",
        "table cache: loses 5 rows",
    ]
