from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence

import pytest

from streaming import (
    CursorError,
    Custom,
    Event,
    EventReader,
    EventsMissingError,
    Gap,
    LogFailedError,
    Row,
    RunLog,
    SubscriberBusyError,
    TaskStarted,
)
from streaming.testing import JsonCodec, MemoryEventLog
from tests.streaming.lib import publish
from tests.waiting import let_all_run


async def stored(count: int) -> RunLog:
    """A log whose ring holds the last of its events only, and whose durable log holds them all."""
    log = RunLog("run", event_log=MemoryEventLog(), codec=JsonCodec(), max_events=1)
    for number in range(count):
        publish(log, number)
        await log.flush()
    return log


def ids(batch: list[Event] | Gap) -> list[int]:
    assert not isinstance(batch, Gap)
    return [event.id for event in batch]


async def rest(reader: EventReader) -> list[int]:
    found: list[int] = []
    while batch := await reader.batch():
        found += ids(batch)
    return found


class TestBatches:
    async def test_all_that_lies_there_comes_at_once_whatever_graph_it_is_from(self) -> None:
        log = RunLog("run")
        publish(log, "a")
        log.publish(TaskStarted(ns=("sub:1",), task_id="t", name="n", input=1, triggers=[]))
        async with log.read() as reader:
            first = await reader.batch()
        assert ids(first) == [1, 2]
        assert isinstance(first, list)
        assert [type(event) for event in first] == [Custom, TaskStarted]

    async def test_every_reader_gets_the_same_event_objects(self) -> None:
        log = RunLog("run")
        publish(log, "a", "b")
        one, two = await log.read().batch(), await log.read().batch()
        assert isinstance(one, list)
        assert isinstance(two, list)
        assert all(a is b for a, b in zip(one, two, strict=True))

    async def test_a_waiting_reader_is_woken_once_for_all_that_comes(self) -> None:
        log = RunLog("run")
        reader = log.read()
        waiting = asyncio.ensure_future(reader.batch())
        await let_all_run()
        publish(log, 1, 2, 3)
        assert ids(await waiting) == [1, 2, 3]

    async def test_it_goes_on_after_a_given_event(self) -> None:
        log = RunLog("run")
        publish(log, 1, 2, 3)
        assert ids(await log.read(after=2).batch()) == [3]

    async def test_a_position_that_the_log_does_not_have_is_refused(self) -> None:
        log = RunLog("run")
        publish(log, 1)
        with pytest.raises(CursorError, match="not in the log"):
            log.read(after=2)

    async def test_a_cancelled_wait_loses_nothing(self) -> None:
        log = RunLog("run")
        reader = log.read()
        waiting = asyncio.ensure_future(reader.batch())
        await let_all_run()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        publish(log, 1, 2)
        assert ids(await reader.batch()) == [1, 2]

    async def test_two_tasks_cannot_read_from_one_reader(self) -> None:
        reader = RunLog("run").read()
        waiting = asyncio.ensure_future(reader.batch())
        await let_all_run()
        with pytest.raises(SubscriberBusyError, match="reader of its own"):
            await reader.batch()
        reader.close()
        assert await waiting == []


class TestTheEnd:
    async def test_a_closed_log_is_read_to_its_end(self) -> None:
        log = RunLog("run")
        publish(log, 1)
        log.close()
        assert await rest(log.read()) == [1]

    async def test_closing_the_reader_ends_the_wait(self) -> None:
        log = RunLog("run")
        reader = log.read()
        waiting = asyncio.ensure_future(reader.batch())
        await let_all_run()
        reader.close()
        assert await waiting == []
        assert log.stats().subscribers == 0

    async def test_a_broken_log_is_told(self) -> None:
        log = RunLog("run")
        publish(log, 1)
        log.close(OSError("disk full"))
        reader = log.read()
        assert ids(await reader.batch()) == [1]
        with pytest.raises(LogFailedError, match="disk full"):
            await reader.batch()

    async def test_a_forgotten_reader_leaves_its_log(self) -> None:
        log = RunLog("run")
        reader = log.read()
        assert log.stats().subscribers == 1
        del reader
        gc.collect()
        assert log.stats().subscribers == 0


class TestFallingBehind:
    async def test_without_a_durable_log_it_gets_a_gap_and_goes_on(self) -> None:
        log = RunLog("run", max_events=3)
        reader = log.read()
        publish(log, 1, 2, 3, 4, 5)
        assert await reader.batch() == Gap(id=23, lost=2)
        assert ids(await reader.batch()) == [3, 4, 5]

    async def test_the_loss_of_a_single_event_is_told_too(self) -> None:
        log = RunLog("run", max_events=3)
        reader = log.read()
        publish(log, 1, 2, 3, 4)
        assert await reader.batch() == Gap(id=15, lost=1)
        assert ids(await reader.batch()) == [2, 3, 4]

    async def test_with_one_it_reads_on_from_there(self) -> None:
        log = await stored(10)
        reader = log.read()
        log.close()
        assert await rest(reader) == list(range(1, 11))

    async def test_no_more_events_than_the_limit_are_read_at_once(self) -> None:
        log = await stored(10)
        reader = log.read()
        reader.limit = 4
        assert ids(await reader.batch()) == [1, 2, 3, 4]
        reader.limit = 2
        assert ids(await reader.batch()) == [5, 6]

    async def test_rows_that_are_gone_are_told(self) -> None:
        log = RunLog("run", start=5, event_log=MemoryEventLog(), codec=JsonCodec())
        with pytest.raises(EventsMissingError, match="restore the log"):
            await log.read().batch()

    async def test_a_row_that_is_gone_from_the_middle_is_told(self) -> None:
        class Holey(MemoryEventLog):
            async def read(self, run_id: str, after: int, limit: int) -> Sequence[Row]:
                rows = await super().read(run_id, after, limit)
                return [row for row in rows if row[0] != 3]

        log = RunLog("run", event_log=Holey(), codec=JsonCodec(), max_events=1)
        for number in range(5):
            publish(log, number)
            await log.flush()
        reader = log.read()
        assert ids(await reader.batch()) == [1, 2]
        with pytest.raises(EventsMissingError, match="event 3"):
            await reader.batch()
