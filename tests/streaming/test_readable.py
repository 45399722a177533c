"""Keeping step with the owner: `caught_up` and `drained`."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import Any

import pytest

from streaming import OwnerPresentError, RunLog, SubscriberLagged, View
from streaming.testing import JsonCodec
from tests.streaming.lib import GatedEventLog, data_of, publish, say, take
from tests.waiting import let_all_run, until


async def blocked(waiting: asyncio.Task[Any]) -> bool:
    await let_all_run()
    return not waiting.done()


def caught_up(log: RunLog) -> asyncio.Task[None]:
    return asyncio.create_task(log.caught_up())


class TestCaughtUp:
    async def test_without_an_owner_no_one_is_waited_for(self) -> None:
        log = RunLog("run")
        log.subscribe("custom")
        publish(log, 1)
        await log.caught_up()

    async def test_owners_of_several_logs_may_share_a_view_and_nothing_else(self) -> None:
        view, logs = View(("custom",)), [RunLog("a", keep=False), RunLog("b", keep=False)]
        owners = [log.own_as(view) for log in logs]
        for at, log in enumerate(logs):
            publish(log, at)
        for at, (log, owner) in enumerate(zip(logs, owners, strict=True)):
            assert await take(owner, 1) == [at]
            with pytest.raises(OwnerPresentError):
                log.own_as(view)

    async def test_the_run_waits_until_the_owner_has_taken_all_and_asks_for_more(self) -> None:
        log = RunLog("run", keep=False)
        owner = log.own("custom")
        publish(log, 1, 2)
        step = caught_up(log)
        assert await blocked(step)
        assert await take(owner, 2) == [1, 2]
        assert await blocked(step)
        asks = asyncio.create_task(anext(owner))
        await step
        publish(log, 3)
        step = caught_up(log)
        assert (await asks).data == 3
        assert await blocked(step)
        await owner.aclose()
        await step

    async def test_an_owner_that_never_asked_is_waited_for(self) -> None:
        log = RunLog("run", keep=False)
        owner = log.own("custom")
        step = caught_up(log)
        assert await blocked(step)
        await owner.aclose()
        await step

    async def test_an_owner_that_has_not_run_since_it_was_woken_is_waited_for(self) -> None:
        log = RunLog("run", keep=False)
        owner = log.own("custom")
        asks = asyncio.create_task(anext(owner))
        await let_all_run()
        publish(log, 1)
        step = caught_up(log)
        await asks
        assert await blocked(step)
        owner.close()
        await step

    async def test_events_the_owner_does_not_see_are_passed_over(self) -> None:
        log = RunLog("run")
        owner = log.own("updates")
        asks = asyncio.create_task(anext(owner))
        publish(log, 1, 2)
        await log.caught_up()
        owner.close()
        with pytest.raises(StopAsyncIteration):
            await asks

    async def test_an_owner_that_is_forgotten_holds_no_one_up(self) -> None:
        log = RunLog("run", keep=False)
        owner = log.own("custom")
        publish(log, 1)
        step = caught_up(log)
        assert await blocked(step)
        del owner
        gc.collect()
        await step

    async def test_an_owner_whose_wait_is_cancelled_asks_for_nothing(self) -> None:
        log = RunLog("run", keep=False)
        owner = log.own("custom")
        asks = asyncio.create_task(anext(owner))
        await let_all_run()
        asks.cancel()
        await asyncio.wait({asks})
        step = caught_up(log)
        assert await blocked(step)
        owner.close()
        await step

    async def test_a_cancelled_step_leaves_the_others_waiting(self) -> None:
        log = RunLog("run", keep=False)
        owner = log.own("custom")
        first, second = caught_up(log), caught_up(log)
        await let_all_run()
        first.cancel()
        assert await blocked(second)
        owner.close()
        await second

    async def test_the_owner_may_read_in_another_loop(self) -> None:
        log = RunLog("run", keep=False)
        owner = log.own("custom")
        reading = asyncio.create_task(asyncio.to_thread(asyncio.run, data_of(owner)))
        for step in range(100):
            await log.caught_up()
            assert log.stats().lag == 0
            publish(log, step)
        log.close()
        assert await reading == list(range(100))

    async def test_nobody_waits_for_readers_that_are_not_the_owner(self) -> None:
        log = RunLog("run", keep=False)
        owner, joiner = log.own("custom"), log.subscribe("custom")
        publish(log, 1)
        assert await take(owner, 1) == [1]
        asks = asyncio.create_task(anext(owner))
        step = caught_up(log)
        await let_all_run()
        held_up, _ = not step.done(), joiner.close()
        await step
        assert not held_up
        log.close()
        await asyncio.wait({asks})
        assert isinstance(asks.exception(), StopAsyncIteration)

    async def test_there_is_one_owner_at_a_time(self) -> None:
        log = RunLog("run")
        owner = log.own("custom")
        with pytest.raises(OwnerPresentError, match="use `subscribe`"):
            log.own("custom")
        assert log.stats().subscribers == 1
        owner.close()
        log.own("custom").close()

    async def test_an_owner_that_falls_off_the_ring_is_told_how_to_keep_up(self) -> None:
        log = RunLog("run", keep=False, max_events=4)
        owner = log.own("custom")
        say(log, *range(1, 11))
        handed = await take(owner, 4)
        with pytest.raises(SubscriberLagged, match=r"await writer\.drain\(\)") as caught:
            await anext(owner)
        assert (handed, caught.value.lost) == ([1, 2, 3, 4], 2)
        assert await take(owner, 4) == [7, 8, 9, 10]

    async def test_the_owner_of_a_durable_log_loses_nothing(self) -> None:
        event_log = GatedEventLog()
        event_log.open()
        log = RunLog("run", max_events=4, event_log=event_log, codec=JsonCodec())
        owner = log.own("custom")
        publish(log, 0)
        await log.flush()
        assert await take(owner, 1) == [0]
        for number in range(1, 20):
            publish(log, number)
            await log.flush()
        log.close()
        assert await data_of(owner) == list(range(1, 20))


class TestDrained:
    def log(self, **options: Any) -> RunLog:
        return RunLog("run", keep=False, high_water=8, low_water=2, **options)

    async def test_the_backlog_counts_what_the_owner_has_not_taken(self) -> None:
        log = self.log()
        assert log.backlog() == 0
        owner = log.own("custom")
        publish(log, *range(10))
        assert log.backlog() == 10
        await take(owner, 3)
        assert log.backlog() == 7

    async def test_a_writer_goes_on_at_the_low_water_mark(self) -> None:
        log = self.log()
        owner = log.own("custom")
        publish(log, *range(300))
        waiting = asyncio.create_task(log.drained(lambda: False))
        await take(owner, 299)
        asks = asyncio.create_task(take(owner, 2))
        await waiting
        publish(log, 300)
        assert await asks == [299, 300]

    @pytest.mark.parametrize("how", ["owner", "log", "fence"])
    async def test_a_writer_goes_on_when_there_is_nothing_to_wait_for(self, how: str) -> None:
        log = self.log()
        owner = log.own("custom")
        publish(log, *range(10))
        gives_up: list[bool] = []
        waiting = asyncio.create_task(log.drained(lambda: bool(gives_up)))
        assert await blocked(waiting)
        if how == "owner":
            owner.close()
        elif how == "log":
            log.close()
        else:
            gives_up.append(True)
            publish(log, 1)
            await take(owner, 1)
            owner.close()
        await waiting

    async def test_rows_that_wait_for_the_durable_log_count_too(self) -> None:
        event_log = GatedEventLog()
        log = self.log(event_log=event_log, codec=JsonCodec())
        publish(log, *range(10))
        assert log.backlog() == 10
        waiting = asyncio.create_task(log.drained(lambda: False))
        assert await blocked(waiting)
        event_log.open()
        await log.flush()
        await waiting

    async def test_a_thread_waits_without_the_loop(self) -> None:
        log = self.log()
        owner = log.own("custom")
        publish(log, *range(10))
        waiting = asyncio.create_task(asyncio.to_thread(log.block_until_drained, lambda: False))
        await until(lambda: len(log._room.waiters) == 1)
        assert await blocked(waiting)
        await take(owner, 10)
        asks = asyncio.create_task(anext(owner))
        await waiting
        publish(log, 1)
        await asks

    async def test_the_owners_own_thread_never_waits_for_itself(self) -> None:
        log = self.log()
        owner = log.own("custom")
        done = threading.Event()

        def reads_and_writes() -> None:
            with asyncio.Runner() as runner:
                publish(log, 0)
                runner.run(take(owner, 1))
                publish(log, *range(20))
                log.block_until_drained(lambda: False)
                done.set()

        await asyncio.to_thread(reads_and_writes)
        assert done.is_set()
