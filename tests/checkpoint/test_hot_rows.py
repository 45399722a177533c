"""Rows that were read are not read again, and are what the file holds, whatever happened to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from checkpoint import (
    Batch,
    BlobRow,
    Decoder,
    EncryptedSerializer,
    MsgpackSerializer,
    SqliteSaver,
    TaskWrites,
)
from checkpoint.hot_rows import HotRows
from checkpoint.reads import LoadOne
from checkpoint.story import Story, values_of
from checkpoint.testing_rewind import point_of

SPOILT = "UPDATE blob SET data=x'c0'"


@pytest.fixture
def connection(path: Path, saver: SqliteSaver) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


def texts(count: int, word: str = "text") -> list[str]:
    return [f"{word} {n} ".ljust(60, ".") for n in range(count)]


async def said(saver: SqliteSaver, count: int, thread_id: str = "thread") -> Story:
    """A story whose list has grown to so many texts, one in each step."""
    story = await Story.begin(saver, thread_id)
    for n in range(1, count + 1):
        await story.step({"list": texts(n)})
    return story


def read(connection: sqlite3.Connection, hot: HotRows, thread_id: str = "thread") -> list[str]:
    """The list, as who reads the newest checkpoint finds it."""
    serializer = MsgpackSerializer()
    loaded = LoadOne(serializer, thread_id, "", None, hot).read(connection)
    assert loaded is not None
    return Decoder(serializer).values(loaded)["list"]


async def test_what_was_read_is_not_read_again(
    saver: SqliteSaver, connection: sqlite3.Connection
) -> None:
    story, hot = await said(saver, 30), HotRows()
    assert read(connection, hot) == texts(30)
    connection.execute(SPOILT)
    await story.step({"list": texts(31)})
    assert read(connection, hot) == texts(31)
    assert read(connection, hot) == texts(31)


async def test_a_value_that_was_read_is_known_with_the_list(
    saver: SqliteSaver, connection: sqlite3.Connection
) -> None:
    story, hot = await said(saver, 30), HotRows()
    await story.step({"whole": "long " * 50})
    serializer = MsgpackSerializer()
    for _ in range(2):
        loaded = LoadOne(serializer, "thread", "", None, hot).read(connection)
        assert loaded is not None
        assert Decoder(serializer).values(loaded) == {"list": texts(30), "whole": "long " * 50}


async def test_what_a_rewind_took_back_is_read_anew(
    saver: SqliteSaver, connection: sqlite3.Connection
) -> None:
    story, hot = await said(saver, 30), HotRows()
    story.end()
    again = await Story.begin(saver)
    point = await point_of(saver)
    for n in range(31, 40):
        await again.step({"list": texts(n)})
    assert read(connection, hot) == texts(39)
    await saver.rewind(again.claim, {"": point})
    again.end()
    last = await Story.begin(saver)
    for n in range(1, 21):
        await last.step({"list": [*texts(30), *texts(n, "other")]})
    assert read(connection, hot) == [*texts(30), *texts(20, "other")]


async def test_what_only_pending_writes_had_added_is_read_anew(
    saver: SqliteSaver, connection: sqlite3.Connection
) -> None:
    (await said(saver, 30)).end()
    story, hot = await Story.begin(saver), HotRows()
    point = await point_of(saver)
    longer = story.encoder.encode({"list": texts(33)}, 31)
    writes = story.encoder.encode_writes([("list", texts(33)[30:])], longer)
    assert story.head is not None
    task = TaskWrites("", story.head.id, "task", writes.writes)
    rows = (*longer.rows, *writes.rows)
    await saver.commit(Batch("thread", story.claim.epoch, (), rows, (task,)))
    assert read(connection, hot) == texts(30)
    await saver.rewind(story.claim, {"": point})
    story.end()
    again = await Story.begin(saver)
    await again.step({"list": [*texts(30), *texts(5, "other")]})
    assert read(connection, hot) == [*texts(30), *texts(5, "other")]


async def test_what_is_deleted_is_read_anew(
    saver: SqliteSaver, connection: sqlite3.Connection
) -> None:
    story, hot = await said(saver, 30), HotRows()
    assert read(connection, hot) == texts(30)
    story.end()
    await saver.adelete_thread("thread")
    await (await Story.begin(saver)).step({"list": texts(25, "other")})
    assert read(connection, hot) == texts(25, "other")


async def test_who_reads_an_older_view_reads_what_was_there(
    saver: SqliteSaver, connection: sqlite3.Connection, path: Path
) -> None:
    story, hot = await said(saver, 30), HotRows()
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM blob").fetchone()
    await story.step({"list": texts(31)})
    with closing(sqlite3.connect(path)) as newer:
        assert read(newer, hot) == texts(31)
    assert read(connection, hot) == texts(30)
    connection.execute("ROLLBACK")
    assert read(connection, hot) == texts(31)


@pytest.mark.parametrize("count", [30, 9000])
async def test_a_saver_reads_what_it_wrote(saver: SqliteSaver, count: int) -> None:
    first = await Story.begin(saver)
    await first.step({"list": texts(count)})
    first.end()
    for n in range(3):
        story = await Story.begin(saver)
        assert await values_of(saver) == {"list": texts(count + n)}
        await story.step({"list": texts(count + n + 1)})
        story.end()


async def test_encrypted_rows_stay_apart(tmp_path: Path) -> None:
    serializer = EncryptedSerializer(key=b"k" * 32)
    async with SqliteSaver(tmp_path / "sealed.db", serializer=serializer) as saver:
        story = await said(saver, 30)
        for n in (30, 31):
            assert await values_of(saver) == {"list": texts(n)}
            await story.step({"list": texts(n + 1)})


async def test_who_has_no_key_leaves_encrypted_rows_apart(path: Path, saver: SqliteSaver) -> None:
    async with SqliteSaver(path, serializer=EncryptedSerializer(key=b"k" * 32)) as sealed:
        story = await said(sealed, 30)
        story.end()
        assert await saver.load("thread") is not None
        again = await Story.begin(sealed)
        await again.step({"list": texts(31)})
        assert await values_of(sealed) == {"list": texts(31)}


def rows(count: int, key: int = 0, size: int = 10) -> tuple[BlobRow, ...]:
    return tuple(BlobRow("", key, n, 1, b"." * size) for n in range(count))


class TestHotRows:
    def test_few_items_are_not_kept(self) -> None:
        hot = HotRows()
        hot.keep(1, b"head", {0: rows(3), 1: (BlobRow("", 1, 0, 0, b"whole"),)})
        assert hot.of(1) is None

    def test_what_was_kept_longest_ago_goes_first(self) -> None:
        hot = HotRows(most_bytes=500)
        for scope in (1, 2, 1, 3):
            hot.keep(scope, b"head", {0: rows(20)})
        assert [hot.of(scope) is not None for scope in (1, 2, 3)] == [True, False, True]

    def test_too_much_for_all_is_kept_of_none(self) -> None:
        hot = HotRows(most_bytes=500)
        hot.keep(1, b"head", {0: rows(20)})
        hot.keep(2, b"head", {0: rows(60)})
        hot.keep(1, b"next", {0: rows(60)})
        assert [hot.of(scope) for scope in (1, 2)] == [None, None]

    def test_what_is_kept_of_a_scope_replaces_what_was(self) -> None:
        hot = HotRows(most_bytes=500)
        for count in range(20, 50):
            hot.keep(1, bytes([count]), {0: rows(count)})
        kept = hot.of(1)
        assert kept is not None
        assert (kept.checkpoint, len(kept.blobs[0])) == (bytes([49]), 49)
