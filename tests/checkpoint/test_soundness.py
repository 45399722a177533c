"""Damage is found, named, and left as it is."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from checkpoint import (
    BlobRow,
    Composed,
    CorruptDataError,
    Entry,
    Inline,
    MsgpackSerializer,
    Span,
    Spanned,
    SqliteSaver,
    TaskWrites,
    TypeRegistry,
    Verification,
    Whole,
    register_type,
)
from checkpoint.contents import ScopeContents
from checkpoint.soundness import ScopeCheck
from checkpoint.story import LONG, Story
from checkpoint.tales import told
from tests.checkpoint.forest import record

serializer = MsgpackSerializer()


@register_type
@dataclass
class Known:
    """A class of an application that is registered in its process only."""

    n: int


def found(rows: list[BlobRow], contents: ScopeContents | None = None) -> list[str]:
    check = ScopeCheck(serializer, "thread", "")
    check.blobs(rows)
    if contents:
        check.contents(contents)
    return [damage.what for damage in check.result().damage]


def holding(**entries: Entry) -> ScopeContents:
    task = TaskWrites("", "01", "task", tuple(entries.items()))
    return ScopeContents("", (record("01", None, entries=entries),), {"01": (task,)}, ())


def items(start: int, *values: object) -> BlobRow:
    return BlobRow("", 0, start, len(values), b"".join(serializer.pack_items(values)))


def test_sound_rows_and_checkpoints_are_counted() -> None:
    check = ScopeCheck(serializer, "thread", "")
    check.blobs([items(0, 1, 2), BlobRow("", 1, 0, 0, serializer.dumps(LONG))])
    spans = Spanned(1, (Span(0, 0, 2),))
    check.contents(holding(a=Inline(1, serializer.dumps(1)), b=Whole(1, 1), c=spans))
    assert check.result() == Verification(0, 1, 2, ())


def test_bytes_that_are_no_value_are_damage() -> None:
    assert "blob 1:0 cannot be decoded" in found([BlobRow("", 1, 0, 0, b"\xc1")])[0]
    assert "channel 'a' cannot be decoded" in found([], holding(a=Inline(1, b"\xc1")))[0]


def test_a_row_with_another_number_of_items_is_damage() -> None:
    short = BlobRow("", 0, 0, 3, items(0, 1, 2).data)
    assert found([short]) == ["blob 0:0 holds 2 items, not 3"]


def test_what_is_missing_is_damage_and_named_once() -> None:
    contents = holding(a=Whole(1, 7), b=Spanned(1, (Span(0, 0, 2), Span(0, 3, 5))))
    assert (
        found([items(0, 1, 2, 3), items(4, 5)], contents)
        == [
            "channel 'a' needs blob 7, which is missing",
            "channel 'b' needs items that are missing: Span(key=0, start=3, stop=5)",
        ]
        or len(found([items(0, 1, 2, 3), items(4, 5)], contents)) == 2
    )


def test_what_a_dict_points_to_must_be_there_and_the_rest_of_it_be_a_value() -> None:
    lists = (("said", (Span(0, 0, 2),)),)
    whole = Composed(1, serializer.dumps({"said": None}), lists)
    assert found([items(0, 1, 2)], holding(a=whole)) == []
    assert found([items(0, 1)], holding(a=whole))[0] == (
        "channel 'a' needs items that are missing: Span(key=0, start=0, stop=2)"
    )
    assert "channel 'a' cannot be decoded" in found([], holding(a=Composed(1, b"\xc1", lists)))[0]
    other = Composed(1, serializer.dumps([1]), lists)
    assert "channel 'a' cannot be decoded" in found([items(0, 1, 2)], holding(a=other))[0]


def test_a_class_that_is_not_registered_here_is_no_damage() -> None:
    data = serializer.dumps(Known(1))
    check = ScopeCheck(MsgpackSerializer(TypeRegistry()), "thread", "")
    check.blobs([BlobRow("", 0, 0, 0, data), BlobRow("", 1, 0, 1, data)])
    check.contents(holding(a=Inline(1, data)))
    assert check.result().damage == ()


# ------------------------------------------------------------------------------------- the file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database with a thread of 20 checkpoints, pending writes, an event, and another thread."""

    async def write() -> None:
        async with SqliteSaver(tmp_path / "threads.db") as saver:
            await told(saver, 20)
            story = await Story.begin(saver)
            await story.write("task", [("n", LONG)])
            story.end()
            await told(saver, 3, "other")
            await saver.events.append("run", [(1, b"one"), (2, b"two")])
            await saver.events.append("", [(1, b"void")])

    asyncio.run(write())
    return tmp_path / "threads.db"


def verified(path: Path, thread_id: str | None = None) -> Verification:
    with SqliteSaver(path) as saver:
        return saver.verify(thread_id)


@pytest.fixture
def damage(path: Path) -> Callable[[str], None]:
    def run(statement: str) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            assert connection.execute(statement).rowcount > 0

    return run


def test_a_sound_file_is_sound(path: Path) -> None:
    found = verified(path)
    assert (found.ok, found.threads, found.checkpoints) == (True, 2, 23)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE blob SET data=x'00' WHERE seq=1", "blob 0:0 does not match its checksum"),
        ("UPDATE pending SET data=x'00'", "pending writes of task 'task'"),
        ("UPDATE checkpoint SET data=x'00' WHERE seq=20", "checkpoint row 20"),
        ("UPDATE checkpoint SET data='text' WHERE seq=20", "checkpoint row 20"),
        ("UPDATE checkpoint SET crc='text' WHERE seq=20", "checkpoint row 20"),
        ("UPDATE checkpoint SET id=x'01' WHERE seq=20", r"b'\x01' is no id"),
        ("UPDATE checkpoint SET parent=seq WHERE seq=20", "row 20 is older than its parent"),
        ("UPDATE checkpoint SET parent=20 WHERE seq=18", "row 18 is older than its parent"),
        ("UPDATE blob SET data='text' WHERE seq=1", "blob 0:0 does not match its checksum"),
        ("UPDATE pending SET data='text'", "pending writes of task 'task'"),
        ("UPDATE event SET data='text' WHERE data=x'6f6e65'", "event 1 of run 'run'"),
        ("DELETE FROM blob WHERE seq=1", "missing"),
        ("DELETE FROM checkpoint WHERE seq=17", "parent of checkpoint row 18 is missing"),
        ("UPDATE event SET data=x'00' WHERE data=x'6f6e65'", "event 1 of run 'run'"),
        ("UPDATE event SET data=x'00' WHERE data=x'766f6964'", "of run '' does not match its"),
        ("DELETE FROM run", "event 1 of run None belongs to no run"),
        ("DELETE FROM scope WHERE id=1", "a checkpoint belongs to nothing, 20 times"),
        ("DELETE FROM thread WHERE name='other'", "a namespace belongs to nothing"),
    ],
)
def test_damage_is_told(
    statement: str, words: str, path: Path, damage: Callable[[str], None]
) -> None:
    damage(statement)
    before = path.read_bytes()
    whats = [each.what for each in verified(path).damage]
    assert any(words in what for what in whats), whats
    assert path.read_bytes() == before


def test_damage_of_a_row_that_others_lean_on_is_told_of_each(
    path: Path, damage: Callable[[str], None]
) -> None:
    damage("UPDATE checkpoint SET data=x'00' WHERE seq=1")  # 1 is full, 2 to 16 lean on it
    found = verified(path)
    assert len(found.damage) == 16
    assert {each.thread_id for each in found.damage} == {"thread"}
    assert len({each.checkpoint_id for each in found.damage}) == 16
    assert verified(path, "other").ok


def test_a_damaged_thread_can_be_deleted(path: Path, damage: Callable[[str], None]) -> None:
    damage("UPDATE checkpoint SET data=x'00' WHERE seq=1")
    with SqliteSaver(path) as saver:
        assert saver.delete_thread("thread").checkpoints == 20
        assert saver.verify().ok


@pytest.mark.parametrize(
    "change", ["data=x'00'", "data='text'", "data=substr(data, 1, 5)", "crc=0", "crc='text'"]
)
def test_administration_names_the_thread_that_is_damaged(
    change: str, path: Path, damage: Callable[[str], None]
) -> None:
    damage(f"UPDATE checkpoint SET {change} WHERE seq=20")
    with SqliteSaver(path) as saver:
        for ask in (
            saver.threads,
            lambda: saver.prune(["other", "thread"]),
            lambda: saver.copy_thread("thread", "copy"),
            lambda: asyncio.run(saver.load("thread")),
        ):
            with pytest.raises(CorruptDataError, match=r"thread 'thread'.* restore the database"):
                ask()
        assert saver.verify("other").checkpoints == 3
        saver.delete_thread("thread")
        assert [info.thread_id for info in saver.threads()] == ["other"]


@pytest.mark.parametrize("change", ["parent=seq", "parent=seq+1", "id=x'01'"])
def test_rows_that_lead_nowhere_or_round_in_a_circle_are_reported(
    change: str, path: Path, damage: Callable[[str], None]
) -> None:
    damage(f"UPDATE checkpoint SET {change} WHERE seq=15")
    with SqliteSaver(path) as saver:
        for ask in (
            lambda: asyncio.run(saver.history("thread")),
            lambda: saver.prune(["thread"]),
        ):
            with pytest.raises(CorruptDataError, match=r"thread 'thread'.*checkpoint row 1[56]"):
                ask()
