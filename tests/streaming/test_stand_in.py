"""Who writes a run's events while sync code holds up the loop of its pump."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from checkpoint import MemorySaver
from streaming import LogBackedUpError, Row, RunLog, hold_loop, let_loop_go
from streaming.testing import JsonCodec
from tests.streaming.lib import publish, take


class HoldingLog:
    """An event log in memory whose first append holds up its loop, before or after it."""

    def __init__(self, *, after: bool) -> None:
        self.rows = MemorySaver().events
        self.held, self.go_on = threading.Event(), threading.Event()
        self._after = after
        self._is_first = True

    async def append(self, run_id: str, rows: Sequence[Row]) -> None:
        """Store the rows."""
        is_first, self._is_first = self._is_first, False
        if is_first and not self._after:
            self._hold()
        await self.rows.append(run_id, rows)
        if is_first and self._after:
            self._hold()

    def _hold(self) -> None:
        loop = asyncio.get_running_loop()
        hold_loop(loop)
        self.held.set()
        assert self.go_on.wait(10)
        let_loop_go(loop)

    async def read(self, run_id: str, after: int, limit: int) -> Sequence[Row]:
        """Some rows."""
        return await self.rows.read(run_id, after, limit)

    async def last(self, run_id: str) -> int:
        """The highest id."""
        return await self.rows.last(run_id)


@asynccontextmanager
async def held_up(*, after: bool) -> AsyncGenerator[tuple[RunLog, HoldingLog]]:
    """A log with one event, whose pump is held up as it sends that."""
    event_log = HoldingLog(after=after)
    log = RunLog("run", event_log=event_log, codec=JsonCodec())
    publish(log, 1)
    pumping = asyncio.create_task(asyncio.to_thread(asyncio.run, log.pump()))
    try:
        assert await asyncio.to_thread(event_log.held.wait, 10)
        yield log, event_log
    finally:
        event_log.go_on.set()
        log.close()
        await pumping
    assert [number for number, _ in await event_log.read("run", 0, 10)] == [*range(1, log.last + 1)]
    assert (log.visible, log.stats().unsent) == (log.last, 0)


@asynccontextmanager
async def standing_in(log: RunLog) -> AsyncGenerator[None]:
    stand_in = log.stand_in()
    assert stand_in is not None
    working = asyncio.create_task(stand_in.work())
    yield
    stand_in.leave()
    await working


async def test_what_a_held_loop_has_sent_is_found_and_what_comes_is_sent() -> None:
    async with held_up(after=True) as (log, _):
        reader = log.subscribe("custom")
        assert log.visible == 0
        async with standing_in(log):
            assert await take(reader, 1) == [1]
            publish(log, 2, 3)
            assert await take(reader, 2) == [2, 3]
        assert log.stats().unsent == 0


async def test_who_leaves_gives_back_what_is_not_sent_to_the_pump() -> None:
    async with held_up(after=True) as (log, _):
        async with standing_in(log):
            await log.settled()
        publish(log, 2)
        assert log.visible == 1


async def test_what_a_held_loop_has_sent_and_does_not_come_is_told() -> None:
    async with held_up(after=False) as (log, event_log):
        stand_in = log.stand_in(patience=0.0)
        assert stand_in is not None
        with pytest.raises(LogBackedUpError, match=r"1 events .* call the async twins"):
            await stand_in.work()
        assert await event_log.last("run") == 0


async def test_who_leaves_waits_no_longer_for_what_does_not_come() -> None:
    async with held_up(after=False) as (log, _), standing_in(log):
        await asyncio.sleep(0)


async def test_a_log_that_is_closed_with_an_error_needs_nobody_any_more() -> None:
    event_log = HoldingLog(after=False)
    log = RunLog("run", event_log=event_log, codec=JsonCodec())
    pumping = asyncio.create_task(asyncio.to_thread(asyncio.run, log.pump()))
    publish(log, 1)
    assert await asyncio.to_thread(event_log.held.wait, 10)
    stand_in = log.stand_in()
    assert stand_in is not None
    publish(log, 2)
    log.close(OSError("the run is broken"))
    await stand_in.work()
    event_log.go_on.set()
    await pumping


@pytest.mark.parametrize("options", [{}, {"event_log": MemorySaver().events, "codec": JsonCodec()}])
async def test_nobody_stands_in_where_no_loop_is_held_up(options: dict[str, Any]) -> None:
    assert RunLog("run", **options).stand_in() is None
