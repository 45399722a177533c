"""Readers that fall behind the ring read on from the file, and from the ring again."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from checkpoint import SqliteSaver
from streaming import (
    Chunk,
    Custom,
    Event,
    EventLog,
    EventsMissingError,
    Row,
    RunLog,
    Subscriber,
    chunk_id,
)
from streaming.testing import JsonCodec
from tests.faults.memory import blocks_in_use
from tests.faults.scale import WHOLE

ROOT = Path(__file__).parents[2]
RING = 16
ROUNDS = 400 if WHOLE else 80
READERS = 1_000 if WHOLE else 200


class Counted:
    """A durable log that knows how often it was read."""

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self.reads = 0

    async def append(self, run_id: str, rows: Sequence[Row]) -> None:
        await self._events.append(run_id, rows)

    async def read(self, run_id: str, after: int, limit: int) -> Sequence[Row]:
        self.reads += 1
        return await self._events.read(run_id, after, limit)

    async def last(self, run_id: str) -> int:
        return await self._events.last(run_id)


class Reader:
    """A subscriber, what it got, and how often it changed between the file and the ring."""

    def __init__(self, subscriber: Subscriber, events: Counted) -> None:
        self._subscriber = subscriber
        self._events = events
        self.got: list[Any] = []
        self.changes = 0
        self._from_file = False

    async def take(self, most: int, upto: int) -> None:
        """At most so many chunks, and none beyond one that will not come yet."""
        while most > 0 and (not self.got or self.got[-1] < upto):
            before = self._events.reads
            ready = bool(self._subscriber.made)
            chunk = await anext(self._subscriber)
            assert isinstance(chunk, Chunk), f"{chunk} after {self.got[-3:]}"
            self.got.append(chunk.data)
            if not ready and (self._events.reads > before) is not self._from_file:
                self._from_file = not self._from_file
                self.changes += 1
            most -= 1


def log_on(events: EventLog, **options: Any) -> RunLog:
    return RunLog("run", event_log=events, codec=JsonCodec(), max_events=RING, **options)


async def publish(log: RunLog, numbers: range) -> None:
    for number in numbers:
        log.publish(Custom(data=number))
        if number % (RING // 2) == 0:
            await log.flush()
    await log.flush()


@pytest.mark.parametrize("every", [1, 7])
@pytest.mark.parametrize("max_bytes", [1 << 20, 1_000])
async def test_a_reader_that_falls_behind_again_and_again_gets_everything_once(
    tmp_path: Path, every: int, max_bytes: int, record_property: Callable[[str, object], None]
) -> None:
    """`every`: the reader's filter lets one in so many through."""
    chance = random.Random(every)

    def wanted(event: Event) -> bool:
        return isinstance(event, Custom) and event.data % every == 0

    async with SqliteSaver(tmp_path / "threads.db") as saver:
        events = Counted(saver.events)
        log = log_on(events, max_bytes=max_bytes)
        reader = Reader(log.subscribe("custom", overflow="spill", where=wanted), events)
        end = 0
        for _ in range(ROUNDS):
            begin, end = end, end + chance.choice((1, 2, 5, 3 * RING))
            await publish(log, range(begin, end))
            upto = (end - 1) // every * every
            await reader.take(chance.choice((0, 3, end)), upto)
        await reader.take(end, (end - 1) // every * every)
        assert reader.got == list(range(0, end, every))
        assert reader.changes > ROUNDS / 20
    record_property("changes of readers between the ring and the file", reader.changes)


async def test_a_reader_whose_events_are_gone_is_told_so_and_one_in_the_ring_reads_on(
    tmp_path: Path,
) -> None:
    async with SqliteSaver(tmp_path / "threads.db") as saver:
        events = Counted(saver.events)
        log = log_on(events)
        behind, close = (log.subscribe("custom", overflow="spill") for _ in range(2))
        await publish(log, range(3 * RING))
        near = Reader(close, events)
        await near.take(3 * RING, 3 * RING - 1)
        await saver.events.forget(["run"])
        with pytest.raises(EventsMissingError, match="run"):
            await anext(behind)
        log.publish(Custom(data="refused"))
        log.close()
        assert near.got == list(range(3 * RING))


DIES = """
import asyncio, os, signal, sys
from checkpoint import SqliteSaver
from streaming import Custom, RunLog
from streaming.testing import JsonCodec

async def run():
    async with SqliteSaver(sys.argv[1]) as saver:
        log = RunLog("run", event_log=saver.events, codec=JsonCodec(), max_events=16)
        reader = log.subscribe("custom", overflow="spill")
        for number in range(1000):
            log.publish(Custom(data=number))
            if number % 8 == 0:
                await log.flush()
            if number % 90 == 0:
                for _ in range(45):
                    if number:
                        chunk = await anext(reader)
                        print(chunk.id, chunk.data, flush=True)
            if number == 700:
                log.publish(Custom(data="never seen"))
                os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(run())
"""


async def test_a_reader_that_spilled_goes_on_after_a_crash_where_it_was(tmp_path: Path) -> None:
    path = tmp_path / "threads.db"
    died = subprocess.run(  # noqa: ASYNC221 - it ends by itself
        [sys.executable, "-c", DIES, str(path)], cwd=ROOT, capture_output=True, check=False
    )
    assert died.returncode == -signal.SIGKILL, died.stderr
    told = [line.split() for line in died.stdout.decode().splitlines()]
    seen = [int(data) for _, data in told]
    assert seen == list(range(315))
    async with SqliteSaver(path) as saver:
        events = Counted(saver.events)
        start = await events.last("run")
        log = log_on(events, start=start)
        reader = log.subscribe("custom", overflow="spill", after=int(told[-1][0]))
        again = Reader(reader, events)
        for number in range(start, start + 100):  # its ids begin with 1, its data with 0
            await publish(log, range(number, number + 1))
        await again.take(10_000, start + 99)
        assert seen + again.got == list(range(start + 100))
        assert start > 690
        assert again.changes >= 1


async def hold(path: Path, stalled: int, kilobytes: int) -> int:
    """Blocks of memory that are held when all readers but the stalled ones have everything."""
    async with SqliteSaver(path) as saver:
        log = RunLog("run", event_log=saver.events, codec=JsonCodec(), max_bytes=1 << 16)
        asleep = [log.subscribe("custom", overflow="spill") for _ in range(stalled)]
        awake = [log.subscribe("custom", overflow="spill") for _ in range(READERS - stalled)]
        log.publish(Custom(data=0))
        await log.flush()
        assert [(await anext(each)).id for each in asleep] == [chunk_id(1, "custom")] * stalled
        before = blocks_in_use()
        for number in range(1, kilobytes):
            log.publish(Custom(data=f"{number} {'x' * 1_000}"))
            if number % 8 == 0:
                await log.flush()
                await asyncio.gather(*map(drain, awake))
        await log.flush()
        await asyncio.gather(*map(drain, awake))
        held = blocks_in_use() - before
        log.close()
        for each in asleep:
            rest = [chunk.data async for chunk in each if isinstance(chunk, Chunk)]
            assert len(rest) == kilobytes - 1
            assert rest[-1].startswith(f"{kilobytes - 1} ")
        for each in awake:
            assert [chunk async for chunk in each] == [], "they had everything before"
        return held


async def drain(reader: Subscriber) -> None:
    """Take what there is."""
    while isinstance(reader.take_nowait(), Chunk):
        pass


async def test_readers_that_stopped_find_the_rest_in_the_file_and_hold_no_memory(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    await hold(tmp_path / "warm.db", 0, 10)
    quiet = await hold(tmp_path / "quiet.db", 0, 200)
    uneasy = await hold(tmp_path / "uneasy.db", READERS // 10, 200)
    assert uneasy - quiet < READERS // 10, "not even one block for each that stopped"
    record_property("readers of whom one in ten stopped and read on from the file", READERS)
