"""Who writes a run's events while sync code holds up the loop of its pump."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from checkpoint import MemorySaver
from streaming import LogBackedUpError, RunLog
from streaming.testing import JsonCodec
from tests.streaming.holding import HoldingLog, held_up
from tests.streaming.lib import publish, take


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


@pytest.mark.parametrize("unreadable", [False, True])
async def test_nobody_waits_for_what_does_not_come_until_it_is_there(unreadable: bool) -> None:
    async with held_up(after=False) as (log, event_log):
        stand_in = log.stand_in(patience=0.0)
        assert stand_in is not None
        event_log.unreadable = unreadable
        async with asyncio.timeout(10):
            outcomes = await asyncio.gather(
                log.settled(), log.flush(), stand_in.work(), log.settled(), return_exceptions=True
            )
        assert isinstance(outcomes.pop(2), OSError if unreadable else LogBackedUpError)
        for error in outcomes:
            assert isinstance(error, LogBackedUpError)
            assert "1 events of run 'run' are not in the event log" in str(error)
        event_log.unreadable = False
        event_log.go_on.set()
        await log.subscribe("custom").__anext__()
        await log.settled()
        await log.flush()


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
