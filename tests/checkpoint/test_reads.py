"""Reading: by index at any size, and never a wrong answer from a damaged row."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from checkpoint import (
    Batch,
    CheckpointMetadata,
    CheckpointRecord,
    CorruptDataError,
    Decoder,
    Inline,
    SqliteSaver,
    new_id,
)
from checkpoint import commits as sql_of_commits
from checkpoint import forget as sql_of_forget
from checkpoint import places as sql_of_places
from checkpoint import reads as sql_of_reads
from checkpoint.story import LONG, Story, values_of


def statements() -> Iterator[str]:
    for module in (sql_of_reads, sql_of_commits, sql_of_forget, sql_of_places):
        for value in vars(module).values():
            if isinstance(value, str) and value.startswith(("SELECT", "DELETE")):
                yield value


async def test_no_statement_looks_at_every_row(path: Path, saver: SqliteSaver) -> None:
    found = list(statements())
    assert len(found) > 12
    with closing(sqlite3.connect(path)) as connection:
        for sql in found:
            plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}", (0,) * sql.count("?"))
            steps = [row[3] for row in plan]
            assert not [s for s in steps if "SCAN" in s or "TEMP B-TREE" in s], (sql, steps)


def line_of_checkpoints(count: int, first: CheckpointRecord) -> list[CheckpointRecord]:
    records, last = list[CheckpointRecord](), first
    for n in range(count):
        source = "input" if n % 1000 == 0 else "loop"
        last = replace(
            last,
            id=new_id(last.id),
            parent_id=last.id,
            metadata=CheckpointMetadata(source, n, extra={"n": n % 5000}),
            entries={**last.entries, "n": Inline(n + 2, b"\x01")},
            changed=frozenset({"n"}),
            version=n + 2,
        )
        records.append(last)
    return records


async def test_a_thread_of_a_hundred_thousand_checkpoints_is_read_in_no_time(
    saver: SqliteSaver,
) -> None:
    story = await Story.begin(saver)
    first = await story.step({"list": [f"{n} {LONG}" for n in range(100)], "n": 0})
    records = line_of_checkpoints(100_000, first)
    for at in range(0, len(records), 2000):
        part = tuple(records[at : at + 2000])
        await saver.commit(Batch("thread", story.claim.epoch, part))

    async def timed(name: str, times: int, call: object) -> None:
        began = time.perf_counter()
        for _ in range(times):
            await call()  # type: ignore[operator]
        print(f"{name} at 100,000: {(time.perf_counter() - began) / times * 1e6:.0f} µs")

    middle = records[50_000].id
    await timed("load newest", 50, lambda: saver.load("thread"))
    await timed("load by id", 50, lambda: saver.load("thread", "", middle))
    await timed("history of 100", 5, lambda: saver.history("thread"))
    await timed("history of 100 from the middle", 5, lambda: saver.history("thread", before=middle))
    await timed(
        "10 of 100 inputs", 1, lambda: saver.history("thread", limit=10, match={"source": "input"})
    )
    story.head = records[-1]
    await timed("commit", 50, lambda: story.step({"n": 1}))

    page = await saver.history("thread", before=middle)
    assert [h.record for h in page] == records[49_999:49_899:-1]
    assert len(Decoder(saver.serializer).values(page[-1])["list"]) == 100
    rare = await saver.history("thread", match={"n": 4999, "source": "loop"})
    assert [h.record.metadata.step for h in rare] == [*range(99_999, 0, -5000)]


async def test_readers_do_not_wait_for_the_writer(path: Path, saver: SqliteSaver) -> None:
    story = await Story.begin(saver)
    await story.step({"a": 1})
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        stuck = asyncio.create_task(saver.commit(story.batch({"a": 2})))
        for _ in range(10):
            assert await values_of(saver) == {"a": 1}
        assert not stuck.done()
        other.execute("ROLLBACK")
    await stuck
    assert await values_of(saver) == {"a": 2}


async def test_many_reads_at_once_are_all_answered(saver: SqliteSaver) -> None:
    story = await Story.begin(saver)
    await story.step({"a": LONG})
    found = await asyncio.gather(*(values_of(saver) for _ in range(200)))
    assert found == [{"a": LONG}] * 200


DAMAGE = {
    "checkpoint": "UPDATE checkpoint SET data = CAST(data || x'00' AS BLOB) WHERE seq=4",
    "a checkpoint above": "UPDATE checkpoint SET data = CAST(data || x'00' AS BLOB) WHERE seq=2",
    "a lost parent": "DELETE FROM checkpoint WHERE seq=2",
    "blob": "UPDATE blob SET data = zeroblob(length(data)) WHERE key=0",
    "a lost blob": "DELETE FROM blob WHERE key=1",
    "pending": "UPDATE pending SET data = x'90'",
}


@pytest.mark.parametrize("sql", DAMAGE.values(), ids=DAMAGE.keys())
async def test_a_damaged_row_is_noticed_when_it_is_read(path: Path, sql: str) -> None:
    async with SqliteSaver(path) as saver:
        story = await Story.begin(saver)
        await story.step({"a": LONG})
        for n in range(3):
            await story.step({"list": [LONG] * (n + 1)})
        await story.write("task", [("a", 1)])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(sql)
        connection.commit()
    async with SqliteSaver(path) as saver:
        with pytest.raises(CorruptDataError, match="backup"):
            await saver.load("thread")
        with pytest.raises(CorruptDataError, match="'thread'"):
            await saver.history("thread")


async def test_a_damaged_event_is_noticed(path: Path) -> None:
    async with SqliteSaver(path) as saver:
        await saver.events.append("run", [(1, b"one"), (2, b"two")])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE event SET data=x'00' WHERE data=?", (b"two",))
        connection.commit()
    async with SqliteSaver(path) as saver:
        with pytest.raises(CorruptDataError, match="event 2 of run 'run'"):
            await saver.events.read("run", 0, 10)
        assert await saver.events.read("run", 0, 1) == [(1, b"one")]


def test_a_damaged_page_is_noticed(path: Path) -> None:
    async def write(saver: SqliteSaver) -> None:
        story = await Story.begin(saver)
        for n in range(50):
            await story.step({"a": f"{n} {LONG}"})

    with SqliteSaver(path) as saver:
        asyncio.run(write(saver))
    content = bytearray(path.read_bytes())
    for at in range(4096, len(content), 2048):
        content[at : at + 64] = b"\xff" * 64
    path.write_bytes(content)
    with pytest.raises(CorruptDataError, match="damaged"), SqliteSaver(path) as saver:
        asyncio.run(saver.load("thread"))
