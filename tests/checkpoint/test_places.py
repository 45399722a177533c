"""Rows found by name: damage to them, to their indexes and to a head is noticed."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checkpoint import CorruptDataError, EventRow, SqliteSaver, TaskWrites, new_id
from checkpoint.record import Batch
from checkpoint.story import Story, values_of
from checkpoint.tales import branch


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """Two threads, one with two namespaces; the other with events and pending writes."""
    path = tmp_path / "db"
    async with SqliteSaver(path) as saver:
        for thread, ns in (("one", ""), ("one", "sub:1"), ("two", "")):
            story = await Story.begin(saver, thread, ns)
            for number in range(3):
                await story.step({"n": number})
            story.end()
        story = await Story.begin(saver, "two")
        events = tuple(EventRow("run", number, b"%d" % number) for number in (1, 2, 3))
        await saver.commit(Batch("two", story.claim.epoch, events=events))
        await story.write("task", [("n", 3)])
        story.end()
    return path


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


async def newest(saver: SqliteSaver) -> Any:
    return await saver.load("one")


async def pending(saver: SqliteSaver) -> Any:
    return await saver.load("two")


async def history(saver: SqliteSaver) -> Any:
    return await saver.history("one")


async def threads(saver: SqliteSaver) -> Any:
    return await saver.athreads()


async def events(saver: SqliteSaver) -> Any:
    return await saver.events.read("run", 0, 10)


async def last_event(saver: SqliteSaver) -> Any:
    return await saver.events.last("run")


async def step(saver: SqliteSaver) -> None:
    story = await Story.begin(saver, "one")
    try:
        await story.step({"n": 7})
    finally:
        story.end()


HEAD = "(SELECT seq FROM checkpoint WHERE scope=1 ORDER BY id DESC LIMIT 1)"


@pytest.mark.parametrize(
    ("damage", "ask"),
    [
        (f"DELETE FROM checkpoint WHERE seq={HEAD}", newest),
        (f"DELETE FROM checkpoint WHERE seq={HEAD}", history),
        (f"DELETE FROM checkpoint WHERE seq={HEAD}", threads),
        ("DELETE FROM checkpoint WHERE scope=1 AND parent IS NULL", history),
        ("DELETE FROM checkpoint WHERE scope=1", history),
        (f"UPDATE checkpoint SET parent='' WHERE seq={HEAD}", newest),
        (f"UPDATE checkpoint SET parent='' WHERE seq={HEAD}", history),
        (f"UPDATE checkpoint SET parent=parent+0.5 WHERE seq={HEAD}", newest),
        (f"UPDATE checkpoint SET parent=seq WHERE seq={HEAD}", newest),
        (f"UPDATE checkpoint SET id='a' WHERE seq={HEAD}", history),
        ("UPDATE checkpoint SET id='a' WHERE scope=1 AND parent IS NULL", history),
        ("UPDATE checkpoint SET id=7 WHERE scope=1 AND parent IS NULL", history),
        ("UPDATE checkpoint SET depth='a'", newest),
        ("UPDATE checkpoint SET data='a'", newest),
        ("UPDATE checkpoint SET data=7", history),
        ("UPDATE pending SET task=7", pending),
        ("UPDATE pending SET data='a'", pending),
        ("UPDATE scope SET count='a' WHERE id=1", newest),
        ("UPDATE event SET data='a'", events),
        ("DELETE FROM pending", pending),
        (f"UPDATE checkpoint SET scope=2 WHERE seq={HEAD}", newest),
        ("UPDATE checkpoint SET depth=0 WHERE depth=2", newest),
        (f"UPDATE checkpoint SET parent=parent-1 WHERE seq={HEAD}", newest),
        ("UPDATE thread SET epoch=epoch+1", newest),
        ("UPDATE thread SET epoch=epoch+1", threads),
        ("UPDATE thread SET name='oxe' WHERE name='one'", threads),
        ("UPDATE scope SET ns='' || ns, count=count+1 WHERE id=1", newest),
        ("UPDATE scope SET head=x'00' WHERE id=1", newest),
        ("UPDATE scope SET thread=9 WHERE id=1", threads),
        ("DELETE FROM thread WHERE name='one'", threads),
        ("DELETE FROM event WHERE id & 7 = 3", events),
        ("DELETE FROM event WHERE id & 7 = 2", events),
        ("UPDATE event SET id=id+8 WHERE id & 7 = 3", events),
        ("UPDATE run SET last=2", events),
        ("UPDATE run SET last=2", last_event),
        ("UPDATE scope SET seq=1 WHERE id=1", step),
        ("UPDATE thread SET epoch=7 WHERE name='one'", step),
    ],
)
async def test_damage_to_a_row_or_the_loss_of_one_is_noticed(
    damage: str, ask: Callable[[SqliteSaver], Any], path: Path
) -> None:
    change(path, damage)
    async with SqliteSaver(path) as saver:
        with pytest.raises(CorruptDataError):
            await ask(saver)
        assert not (await saver.averify()).ok


async def test_a_table_that_is_not_what_it_was_is_noticed_at_opening_and_when_looked_for(
    path: Path,
) -> None:
    """As when a bit turns over in its definition, which SQLite reads as another one."""
    async with SqliteSaver(path) as saver:
        assert (await saver.averify()).ok
        change(
            path,
            "PRAGMA writable_schema=ON",
            "UPDATE sqlite_master SET sql=replace(sql, 'PRIMARY', 'PRIOARY') WHERE name='thread'",
        )
        (damage,) = (await saver.averify()).damage
        assert damage.what == "what 'thread' is does not match its checksum"
    with pytest.raises(CorruptDataError, match="what 'thread' is does not match its checksum"):
        await SqliteSaver(path).aopen()


async def test_tables_that_somebody_else_makes_and_changes_are_their_own(path: Path) -> None:
    change(path, "CREATE TABLE theirs (a)")
    async with SqliteSaver(path) as saver:
        assert (await saver.averify()).ok
    change(path, "ALTER TABLE theirs ADD COLUMN b")
    async with SqliteSaver(path) as saver:
        assert (await saver.averify()).ok


async def test_a_file_that_no_longer_says_what_its_tables_are_is_refused(path: Path) -> None:
    change(path, "DROP TABLE definition")
    with pytest.raises(CorruptDataError, match="is not known any more"):
        await SqliteSaver(path).aopen()


@pytest.mark.parametrize(
    ("table", "ask"), [("thread", newest), ("scope", newest), ("scope", step), ("run", events)]
)
async def test_what_one_index_has_lost_another_one_finds(
    table: str, ask: Callable[[SqliteSaver], Any], path: Path
) -> None:
    """As when a page of the index is damaged: its only page is made that of an empty index."""
    empty_index(path, f"sqlite_autoindex_{table}_1")
    async with SqliteSaver(path) as saver:
        with pytest.raises(CorruptDataError, match="index has lost it"):
            await ask(saver)


def empty_index(path: Path, name: str) -> None:
    data, page = index_page(path, name)
    data[page + 3 : page + 5] = b"\0\0"  # no cells
    path.write_bytes(data)


def index_page(path: Path, name: str) -> tuple[bytearray, int]:
    """The file, and where the first page of an index begins."""
    with closing(sqlite3.connect(path)) as connection:
        sql = "SELECT rootpage FROM sqlite_master WHERE name=?"
        (root,) = connection.execute(sql, (name,)).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    return bytearray(path.read_bytes()), (root - 1) * size


@pytest.mark.parametrize("table", ["thread", "scope", "checkpoint", "run"])
async def test_an_index_that_leads_elsewhere_is_noticed(table: str, path: Path) -> None:
    """As when a bit turns over in a key: a search that has seen the key stops beside it, and SQLite
    does not compare again."""
    async with SqliteSaver(path) as saver:
        story = await Story.begin(saver, "three")
        await story.step({"n": 0})
        story.end()
        for run_id in ("sun", "tun"):
            await saver.events.append(run_id, [(1, run_id.encode())])
        ids = {place: [each.record.id for each in await saver.history(*place)] for place in PLACES}
        before = await everything(saver, ids)
    turn_round(path, f"sqlite_autoindex_{table}_1")
    async with SqliteSaver(path) as saver:
        after = await everything(saver, ids)
    changed = {asked: answer for asked, answer in after.items() if answer != before[asked]}
    assert all(isinstance(answer, CorruptDataError) for answer in changed.values()), changed
    assert any("leads elsewhere" in str(answer) for answer in changed.values())


PLACES = [("one", ""), ("one", "sub:1"), ("two", ""), ("three", "")]


async def everything(
    saver: SqliteSaver, ids: Mapping[tuple[str, str], Sequence[str]]
) -> dict[tuple[str, ...], Any]:
    """Answers to all that is asked for by a name or an id, or errors."""
    found: dict[tuple[str, ...], Any] = {}
    for place in PLACES:
        found[place] = await answer_of(saver.load(*place))
        for key in ids[place]:
            found[(*place, key)] = await answer_of(saver.load(*place, key))
    for run_id in ("run", "sun", "tun"):
        found[run_id,] = await answer_of(saver.events.read(run_id, 0, 10))
    return found


async def answer_of(asked: Awaitable[Any]) -> Any:
    try:
        return await asked
    except CorruptDataError as error:
        return error


def turn_round(path: Path, name: str) -> None:
    """The cells of an index's only page come in the other order."""
    data, page = index_page(path, name)
    count = int.from_bytes(data[page + 3 : page + 5], "big")
    assert count > 1
    first, end = page + 8, page + 8 + 2 * count
    pointers = [data[at : at + 2] for at in range(first, end, 2)]
    data[first:end] = b"".join(reversed(pointers))
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["checkpoint", "sqlite_autoindex_blob_1", "scope_mark"])
async def test_a_table_that_seems_to_begin_elsewhere_is_refused(path: Path, name: str) -> None:
    """As when a bit turns over in the number of its first page."""
    other = "(SELECT rootpage FROM sqlite_master WHERE name='run')"
    move = f"UPDATE sqlite_master SET rootpage={other} WHERE name='{name}'"
    change(path, "PRAGMA writable_schema=ON", move)
    with pytest.raises(CorruptDataError, match="tables are not where they were"):
        await SqliteSaver(path).aopen()


async def test_a_file_that_others_pack_is_sound(path: Path) -> None:
    """Tables begin elsewhere then; where they do now is known from the next opening on."""
    before = roots(path)
    change(path, "CREATE TABLE theirs (a)", "DROP INDEX thread_mark")
    change(path, "CREATE INDEX thread_mark ON thread (mark)", "DROP TABLE theirs", "VACUUM")
    async with SqliteSaver(path) as saver:
        assert await values_of(saver, "one") == {"n": 2}
        packed = roots(path)
        assert packed != before
        change(path, "DROP INDEX run_mark", "CREATE INDEX run_mark ON run (mark)")
        await saver.avacuum()
        assert (await saver.averify()).ok
        assert roots(path) != packed


def roots(path: Path) -> tuple[int, ...]:
    """The seal of where tables begin."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT crc FROM definition WHERE name=''").fetchone()


async def test_what_was_never_there_is_still_nothing(path: Path) -> None:
    async with SqliteSaver(path) as saver:
        assert await saver.load("nobody") is None
        assert await saver.load("one", "sub:2") is None
        assert await saver.events.read("no run", 0, 10) == []
        assert await values_of(saver, "one", "sub:1") == {"n": 2}


@pytest.fixture
async def older(tmp_path: Path) -> tuple[Path, list[str]]:
    """A thread of three checkpoints with pending writes of two tasks each; their ids."""
    path = tmp_path / "older"
    ids: list[str] = []
    async with SqliteSaver(path) as saver:
        story = await Story.begin(saver, "one")
        for number in range(3):
            ids.append((await story.step({"n": number})).id)
            for task in ("first", "second"):
                await story.write(task, [("n", number)])
        story.end()
    return path, ids


@pytest.mark.parametrize("number", [0, 1, 2])
async def test_lost_pending_writes_are_missed_of_any_checkpoint(
    number: int, older: tuple[Path, list[str]]
) -> None:
    path, ids = older
    change(path, f"DELETE FROM pending WHERE task='second' AND checkpoint={number + 1}")
    async with SqliteSaver(path) as saver:
        for other, checkpoint_id in enumerate(ids):
            if other != number:
                assert await saver.load("one", "", checkpoint_id)
        with pytest.raises(CorruptDataError, match="pending writes are missing: 1 of 2"):
            await saver.load("one", "", ids[number])
        with pytest.raises(CorruptDataError):
            await saver.history("one")
        assert not (await saver.averify()).ok


async def test_pending_writes_that_come_later_to_an_older_checkpoint_are_no_damage(
    older: tuple[Path, list[str]],
) -> None:
    path, ids = older
    async with SqliteSaver(path) as saver:
        claim = await saver.claim("one", "test", timeout=0)
        task = TaskWrites("", ids[0], "third", ())
        await saver.commit(Batch("one", claim.epoch, writes=(task,)))
        saver.release(claim)
        found = await saver.load("one", "", ids[0])
        assert found is not None
        assert len(found.writes) == 3
        assert (await saver.averify()).ok


async def test_pending_writes_that_come_with_the_next_checkpoint_are_counted(
    tmp_path: Path,
) -> None:
    async with SqliteSaver(tmp_path / "with") as saver:
        story = await Story.begin(saver, "one")
        first = await story.step({"n": 0})
        batch = story.batch({"n": 1})
        task = TaskWrites("", first.id, "task", ())
        await story.commit(replace(batch, writes=(task,)))
        story.end()
    change(tmp_path / "with", "DELETE FROM pending")
    async with SqliteSaver(tmp_path / "with") as saver:
        with pytest.raises(CorruptDataError, match="0 of 1"):
            await saver.load("one", "", first.id)


async def test_a_checkpoint_after_an_older_one_counts_the_pending_writes_of_that(
    older: tuple[Path, list[str]],
) -> None:
    path, ids = older
    async with SqliteSaver(path) as saver:
        for parent in (ids[0], ids[2]):  # the second one is not the newest any more
            found = await saver.load("one", "", parent)
            assert found is not None
            await branch(saver, found.record, {"n": 3})
    change(path, "DELETE FROM pending WHERE checkpoint=3")
    async with SqliteSaver(path) as saver:
        with pytest.raises(CorruptDataError, match="pending writes are missing: 0 of 2"):
            await saver.history("one")


async def test_an_older_checkpoint_that_is_lost_is_not_taken_for_one_that_never_was(
    older: tuple[Path, list[str]],
) -> None:
    path, ids = older
    change(path, "DELETE FROM checkpoint WHERE seq=2", "DELETE FROM pending WHERE checkpoint=2")
    async with SqliteSaver(path) as saver:
        with pytest.raises(CorruptDataError, match="2 of 3 checkpoints are there"):
            await saver.load("one", "", ids[1])


async def test_an_id_that_never_was_is_still_nothing(older: tuple[Path, list[str]]) -> None:
    path, _ = older
    async with SqliteSaver(path) as saver:
        assert await saver.load("one", "", new_id()) is None
