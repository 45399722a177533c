from __future__ import annotations

import asyncio
import threading
from itertools import chain
from typing import Any

import pytest

from streaming import (
    Custom,
    Fence,
    Gap,
    LogClosedError,
    LogSetupError,
    RunLog,
    StagedError,
    TaskFinished,
)
from streaming.testing import JsonCodec, MemoryEventLog
from tests.streaming.lib import data_of, publish, take
from tests.waiting import let_all_run

THREADS, EACH = 4, 5_000


def test_ids_count_from_one_and_a_missing_time_is_filled_in() -> None:
    log = RunLog("run")
    first, second = Custom(data=1), Custom(data=2, time=5.0)
    assert [log.publish(first), log.publish(second)] == [first.id, second.id] == [1, 2]
    assert first.time > 1e9
    assert second.time == 5.0


def test_a_log_goes_on_where_the_durable_one_ends() -> None:
    log = RunLog("run", start=41, event_log=MemoryEventLog(), codec=JsonCodec())
    assert (log.visible, log.publish(Custom(data=1))) == (41, 42)


async def test_a_kept_log_is_always_watched_and_holds_for_late_joiners() -> None:
    log = RunLog("run")
    assert log.watched
    assert log.wants("messages")
    publish(log, "early")
    assert await take(log.subscribe("custom"), 1) == ["early"]


async def test_another_log_is_watched_by_its_subscribers_and_their_modes() -> None:
    log = RunLog("run", keep=False)
    assert not log.watched
    reader, other = log.subscribe(["custom", "values"]), log.subscribe("updates")
    assert log.watched
    assert [log.wants(mode) for mode in ("custom", "values", "updates", "tasks")] == [
        True, True, True, False,
    ]  # fmt: skip
    await reader.aclose()
    assert [log.wants("custom"), log.wants("updates")] == [False, True]
    await other.aclose()
    assert not log.watched


async def test_another_log_forgets_what_all_its_readers_have() -> None:
    log = RunLog("run", keep=False)
    publish(log, "seen by no one")
    assert log.held == (0, 0)
    fast, slow = log.subscribe("custom"), log.subscribe("custom")
    publish(log, 1, 2)
    assert await take(fast, 2) == [1, 2]
    assert log.held == (2, 0)
    assert await take(slow, 2) == [1, 2]
    waits = [asyncio.create_task(anext(fast)), asyncio.create_task(anext(slow))]
    await let_all_run()
    assert log.held == (0, 0)
    publish(log, 3)
    assert [(await wait).id for wait in waits] == [4 * 8 + 3] * 2


def test_nothing_is_published_after_the_end() -> None:
    log = RunLog("run")
    log.close()
    with pytest.raises(LogClosedError, match="publish before"):
        log.publish(Custom(data=1))
    with pytest.raises(LogClosedError):
        log.stage([Custom(data=1)])
    assert log.last == 0


def test_nothing_is_handed_to_the_owner_after_the_end() -> None:
    log = RunLog("run", keep=False)
    owner = log.own("custom")
    log.close()
    with pytest.raises(LogClosedError):
        log.publish(Custom(data=1))
    assert (log.last, list(owner.made)) == (0, [])


def test_what_a_fenced_task_publishes_is_refused_and_counted() -> None:
    log, fence = RunLog("run"), Fence()
    assert log.publish(Custom(data=1), fence) == 1
    log.fence(fence)
    assert log.publish(Custom(data=2), fence) == 0
    assert log.publish(Custom(data=3)) == 2
    log.close()
    assert log.publish(Custom(data=4), Fence()) == 0
    assert (log.stats().refused, log.stats().published) == (2, 2)


async def test_stats_count_what_was_published_dropped_and_not_yet_read() -> None:
    log = RunLog("run", max_events=4)
    reader = log.subscribe("custom")
    publish(log, *range(3))
    await take(reader, 1)
    publish(log, *range(5))
    stats = log.stats()
    assert (stats.published, stats.dropped, stats.subscribers, stats.lag) == (8, 4, 1, 5)


async def test_staged_events_show_when_they_are_released() -> None:
    log = RunLog("run")
    reader = log.subscribe(["custom", "updates"])
    staged = log.stage([TaskFinished(task_id="t", name="n", update=1, result={})])
    assert (bool(staged), len(staged), list(staged)) == (True, 0, [])
    publish(log, "meanwhile")
    log.release(staged)
    assert await take(reader, 2) == ["meanwhile", {"n": 1}]


async def test_without_a_durable_log_a_failed_transaction_is_staged_again_or_forgotten() -> None:
    log = RunLog("run")
    staged = log.stage([Custom(data=1)])
    log.unstage(staged)
    again = log.stage([Custom(data=2)])
    log.release(again)
    await log.withdraw(log.stage([Custom(data=3)]))
    log.close()
    assert await data_of(log.subscribe("custom")) == [1, 2]


async def test_staged_events_are_settled_once() -> None:
    log = RunLog("run")
    staged = log.stage([Custom(data=1)])
    log.release(staged)
    for settle in (log.release, log.unstage):
        with pytest.raises(StagedError, match="exactly once"):
            settle(staged)
    with pytest.raises(StagedError):
        await log.withdraw(staged)
    assert log.last == 1


def test_closing_again_is_harmless() -> None:
    closed: list[RunLog] = []
    log = RunLog("run", closed.append)
    log.close()
    log.close()
    assert closed == [log]


@pytest.mark.parametrize(
    "options",
    [
        {"max_events": 0},
        {"max_bytes": 0},
        {"start": -1},
        {"low_water": 5, "high_water": 4},
        {"event_log": MemoryEventLog()},
        {"codec": JsonCodec()},
    ],
)
def test_options_that_do_not_fit_are_refused(options: Any) -> None:
    with pytest.raises(LogSetupError):
        RunLog("run", **options)


async def test_threads_publish_in_one_order_for_all_readers() -> None:
    log = RunLog("run", max_events=THREADS * EACH)
    start = threading.Barrier(THREADS)
    given: list[list[int]] = [[] for _ in range(THREADS)]

    def writes(at: int) -> None:
        start.wait()
        given[at] = [log.publish(Custom(data=(at, n))) for n in range(EACH)]

    readers = [asyncio.create_task(data_of(log.subscribe("custom"))) for _ in range(2)]
    elsewhere = [
        asyncio.create_task(asyncio.to_thread(asyncio.run, data_of(log.subscribe("custom"))))
        for _ in range(2)
    ]
    await let_all_run()
    await asyncio.gather(*(asyncio.to_thread(writes, at) for at in range(THREADS)))
    log.close()
    seen = await asyncio.gather(*readers, *elsewhere)
    assert sorted(chain.from_iterable(given)) == list(range(1, THREADS * EACH + 1))
    assert all(other == seen[0] for other in seen)
    assert len(seen[0]) == THREADS * EACH
    for at in range(THREADS):
        assert [n for thread, n in seen[0] if thread == at] == list(range(EACH))
        assert given[at] == sorted(given[at])


async def test_a_reader_whose_loop_is_gone_does_not_disturb_the_publisher() -> None:
    log = RunLog("run")
    reader = log.subscribe("custom")
    loop = asyncio.new_event_loop()
    waiting = loop.create_task(anext(reader))
    await asyncio.to_thread(loop.run_until_complete, asyncio.sleep(0))
    loop.close()
    assert publish(log, 1, 2) == [1, 2]
    assert not waiting.done()
    waiting.get_coro().close()  # type: ignore[union-attr]
    waiting._log_destroy_pending = False  # type: ignore[attr-defined]
    assert await take(reader, 2) == [1, 2]


# --- the bound in bytes --------------------------------------------------------------------------


async def test_without_a_durable_log_about_what_events_take_is_bounded() -> None:
    log = RunLog("run", max_bytes=100_000)
    reader = log.subscribe("custom")
    for number in range(100):
        log.publish(Custom(data=f"{number}" + "x" * 10_000))
        assert log.held[1] <= 100_000
    log.close()
    chunks = [chunk async for chunk in reader]
    assert isinstance(chunks[0], Gap)
    assert chunks[0].lost == 100 - log.held[0]
    assert [chunk.data[:2] for chunk in chunks[1:]] == [str(n) for n in range(91, 100)]
    assert [event.id for event in log.held_events()] == list(range(92, 101))


def test_a_log_that_nobody_may_join_counts_events_only() -> None:
    log = RunLog("run", keep=False, max_bytes=100_000)
    reader = log.subscribe("custom")
    for _ in range(100):
        log.publish(Custom(data="x" * 10_000))
    assert log.held == (100, 0)
    reader.close()


def test_an_empty_log_holds_no_events() -> None:
    assert list(RunLog("run", start=7).held_events()) == []
