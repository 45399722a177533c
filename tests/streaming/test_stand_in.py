"""Who writes a run's events while sync code holds up the loop of its pump."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from checkpoint import MemorySaver
from streaming import (
    Custom,
    LogBackedUpError,
    LogFailedError,
    RunLog,
    Staged,
    hold_loop,
    let_loop_go,
)
from streaming.stand_in import StandIn
from streaming.testing import JsonCodec
from tests.streaming.holding import HoldingLog, held_up, stand_in_of
from tests.streaming.lib import publish, take
from tests.waiting import let_all_run, until


@asynccontextmanager
async def standing_in(log: RunLog, patience: float = 30.0) -> AsyncGenerator[None]:
    stand_in = stand_in_of(log, patience)
    working = asyncio.create_task(stand_in.work())
    yield
    stand_in.leave()
    await working


told = pytest.mark.parametrize("told", [True, False], ids=["told", "seen"])
"""Whether it is known that the loop is held up, or seen as it does not answer."""


@told
async def test_what_a_held_loop_has_sent_is_found_and_what_comes_is_sent(told: bool) -> None:
    async with held_up(after=True, told=told) as (log, _):
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


@told
async def test_what_a_held_loop_has_sent_and_does_not_come_is_told(told: bool) -> None:
    async with held_up(after=False, told=told) as (log, event_log):
        stand_in = stand_in_of(log, patience=0.0)
        assert stand_in.is_needed is told
        with pytest.raises(LogBackedUpError, match=r"1 events .* call the async twins"):
            await stand_in.work()
        assert await event_log.last("run") == 0


@told
@pytest.mark.parametrize("failures", [[], [OSError("no disk")]], ids=["not there", "unreadable"])
async def test_nobody_waits_for_what_does_not_come_until_it_is_there(
    told: bool, failures: list[Exception]
) -> None:
    async with held_up(after=False, told=told) as (log, event_log):
        stand_in = stand_in_of(log, patience=0.0)
        event_log.failures = [*failures]
        async with asyncio.timeout(10):
            outcomes = await asyncio.gather(
                log.settled(), log.flush(), stand_in.work(), log.settled(), return_exceptions=True
            )
        assert isinstance(outcomes.pop(2), OSError if failures else LogBackedUpError)
        for error in outcomes:
            assert isinstance(error, LogBackedUpError)
            assert "1 events of run 'run' are not in the event log" in str(error)
        with pytest.raises(LogBackedUpError):
            await log.settled()
        stand_in.leave()
        event_log.go_on.set()
        await log.settled()
        await log.flush()


async def test_on_other_loops_they_wait_on() -> None:
    async with held_up(after=False) as (log, event_log):
        stand_in = stand_in_of(log, patience=0.0)
        with pytest.raises(LogBackedUpError):
            await stand_in.work()
        waits = threading.Event()

        async def wait() -> int:
            waits.set()
            await log.settled()
            return log.visible

        elsewhere = asyncio.create_task(asyncio.to_thread(asyncio.run, wait()))
        await asyncio.to_thread(waits.wait, 10)
        with pytest.raises(LogBackedUpError):
            await log.settled()
        event_log.go_on.set()
        assert await elsewhere == 1


@asynccontextmanager
async def looking(event_log: HoldingLog, log: RunLog) -> AsyncGenerator[StandIn]:
    """A stand-in without patience, which fails after this look if the rows do not come."""
    event_log.says.clear()
    stand_in = stand_in_of(log, patience=0.0)
    working = asyncio.create_task(stand_in.work())
    await until(lambda: event_log.looks)
    yield stand_in
    event_log.says.set()
    await let_all_run()
    stand_in.leave()
    await working


async def test_what_comes_while_it_is_looked_for_has_come() -> None:
    async with held_up(after=False) as (log, event_log), looking(event_log, log):
        event_log.go_on.set()
        await until(lambda: log.visible)


async def test_who_leaves_while_looking_tells_nothing() -> None:
    async with held_up(after=False) as (log, event_log), looking(event_log, log) as stand_in:
        stand_in.leave()


async def test_a_loop_that_goes_on_while_its_rows_are_looked_for_is_waited_for() -> None:
    async with held_up(after=False, told=False) as (log, event_log):
        event_log.stores.clear()
        async with looking(event_log, log):
            event_log.go_on.set()
            assert event_log.loop is not None
            await asyncio.wrap_future(
                asyncio.run_coroutine_threadsafe(let_all_run(), event_log.loop)
            )
            await let_all_run()
        event_log.stores.set()
        await log.settled()


async def test_a_failure_to_look_is_forgotten_when_the_next_look_finds_nothing() -> None:
    async with held_up(after=False) as (log, event_log):
        event_log.failures = [OSError("not now")]
        stand_in = stand_in_of(log, patience=0.001)
        with pytest.raises(LogBackedUpError):
            await stand_in.work()
        assert event_log.looks == 2


async def test_a_look_that_fails_is_not_the_last_one() -> None:
    async with held_up(after=True) as (log, event_log):
        event_log.failures = [OSError("not now")]
        async with standing_in(log):
            await log.settled()
        assert event_log.looks == 2


async def test_what_a_loop_that_goes_on_has_sent_is_waited_for_as_long_as_it_takes() -> None:
    async with held_up(after=True) as (log, event_log):
        async with standing_in(log):
            await log.settled()
        looks = event_log.looks
        async with standing_in(log, patience=0.0):
            staged = log.stage([Custom(data=2)])
            publish(log, 3)
            await let_all_run()
            assert event_log.looks == looks
            await event_log.append("run", staged.rows)
            log.release(staged)
            assert await take(log.subscribe("custom"), 3) == [1, 2, 3]
        assert event_log.looks == looks


async def test_what_a_loop_has_sent_that_is_closed_does_not_come() -> None:
    log = RunLog("run", event_log=MemorySaver().events, codec=JsonCodec())

    async def leave() -> Staged:
        return log.stage([Custom(data=1)])

    staged = await asyncio.to_thread(asyncio.run, leave())
    stand_in = stand_in_of(log, patience=0.0)
    with pytest.raises(LogBackedUpError, match="did not come"):
        await stand_in.work()
    log.unstage(staged)
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
    stand_in = stand_in_of(log)
    publish(log, 2)
    settling = asyncio.create_task(log.settled())
    await let_all_run()
    log.close(OSError("the run is broken"))
    await stand_in.work()
    with pytest.raises(LogFailedError, match="2 events of run 'run' are not in its log"):
        await settling
    event_log.go_on.set()
    await pumping


def test_without_a_durable_log_nobody_stands_in() -> None:
    assert RunLog("run").stand_in() is None


async def test_whoever_has_sent_what_is_in_flight_may_be_the_one_that_is_held_up() -> None:
    log = RunLog("run", event_log=MemorySaver().events, codec=JsonCodec())
    stand_in = stand_in_of(log)
    staged = log.stage([Custom(data=1)])
    assert not stand_in.is_needed
    hold_loop(asyncio.get_running_loop())
    try:
        assert stand_in.is_needed
        log.unstage(staged)
        assert not stand_in.is_needed
    finally:
        let_loop_go(asyncio.get_running_loop())
    await log.flush()
