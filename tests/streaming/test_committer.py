"""The durable log: no id leaves before its row is committed, whatever fails."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from streaming import (
    Custom,
    LogBackedUpError,
    LogFailedError,
    RunLog,
    TaskFinished,
    Withdrawn,
    chunk_id,
)
from streaming.chunk import gap_after
from streaming.testing import JsonCodec
from tests.streaming.lib import GatedEventLog, data_of, publish, take
from tests.waiting import let_all_run


class SlowToSay(GatedEventLog):
    """One that says how far it goes when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.says = asyncio.Event()

    async def last(self, run_id: str) -> int:
        await self.says.wait()
        return await super().last(run_id)


def gated(**options: Any) -> tuple[RunLog, GatedEventLog]:
    event_log = GatedEventLog()
    return RunLog("run", event_log=event_log, codec=JsonCodec(), **options), event_log


async def stored(event_log: GatedEventLog) -> list[Any]:
    rows = await event_log.read("run", 0, 1_000)
    events = [JsonCodec().decode(data) for _, data in rows]
    assert [event_id for event_id, _ in rows] == list(range(1, len(rows) + 1))
    return [event.data if isinstance(event, Custom) else type(event) for event in events]


def finished() -> TaskFinished:
    return TaskFinished(task_id="t", name="n", update=1, result={})


class TestPump:
    async def test_nothing_is_visible_before_its_row_is_committed(self) -> None:
        log, event_log = gated()
        reader = log.subscribe("custom")
        waiting = asyncio.create_task(anext(reader))
        pump = asyncio.create_task(log.pump())
        assert publish(log, 1, 2) == [1, 2]
        await let_all_run()
        assert not waiting.done()
        assert (log.visible, log.last, log.stats().unsent) == (0, 2, 2)
        event_log.open()
        assert (await waiting).id == chunk_id(1, "custom")
        assert await take(reader, 1) == [2]
        log.close()
        await pump

    async def test_what_comes_while_rows_are_on_their_way_goes_along_together(self) -> None:
        log, event_log = gated()
        pump = asyncio.create_task(log.pump())
        publish(log, 1)
        await let_all_run()
        publish(log, 2, 3, 4)
        event_log.open()
        await log.flush()
        assert event_log.asked == [[1], [2, 3, 4]]
        log.close()
        await pump

    async def test_the_pump_ends_after_the_last_row(self) -> None:
        log, event_log = gated()
        reader = asyncio.create_task(data_of(log.subscribe("custom")))
        publish(log, 1)
        log.close()
        pump = asyncio.create_task(log.pump())
        await let_all_run()
        assert not pump.done()
        assert not reader.done()
        event_log.open()
        await pump
        assert await reader == [1]

    async def test_an_error_of_the_event_log_reaches_the_run_and_loses_no_row(self) -> None:
        log, event_log = gated()
        event_log.open()
        event_log.failures.append(OSError("disk full"))
        publish(log, 1)
        with pytest.raises(OSError, match="disk full"):
            await log.pump()
        publish(log, 2)
        assert log.visible == 0
        await log.flush()
        log.close()
        assert await stored(event_log) == await data_of(log.subscribe("custom")) == [1, 2]

    async def test_a_failure_that_was_none_stores_no_row_twice(self) -> None:
        log, event_log = gated()
        event_log.open()
        event_log.commits_before_failing = True
        event_log.failures.append(ConnectionError("lost the answer"))
        publish(log, 1, 2)
        with pytest.raises(ConnectionError):
            await log.flush()
        publish(log, 3)
        await log.flush()
        assert await stored(event_log) == [1, 2, 3]
        assert log.visible == 3

    @pytest.mark.parametrize("commits", [True, False])
    async def test_a_cancelled_append_is_looked_up_before_rows_are_sent_again(
        self, commits: bool
    ) -> None:
        log, event_log = gated()
        event_log.commits_before_failing = commits
        publish(log, 1, 2)
        flushing = asyncio.create_task(log.flush())
        await let_all_run()
        flushing.cancel()
        await asyncio.wait({flushing})
        assert log.visible == 0
        event_log.open()
        publish(log, 3)
        await log.settled()
        assert log.visible == (2 if commits else 0)
        await log.flush()
        assert (await stored(event_log), log.visible) == ([1, 2, 3], 3)

    async def test_flush_waits_for_the_pump_that_is_on_its_way(self) -> None:
        log, event_log = gated()
        pump = asyncio.create_task(log.pump())
        publish(log, 1)
        await let_all_run()
        flushing = asyncio.create_task(log.flush())
        await let_all_run()
        assert not flushing.done()
        event_log.open()
        await flushing
        assert event_log.asked == [[1]]
        log.close()
        await pump

    async def test_a_log_closed_with_an_error_ends_pump_flush_and_readers(self) -> None:
        log, _ = gated()
        staged = log.stage([Custom(data=1)])
        publish(log, 2)
        reader = asyncio.create_task(data_of(log.subscribe("custom")))
        pump, flush = asyncio.create_task(log.pump()), asyncio.create_task(log.flush())
        await let_all_run()
        log.close()
        await let_all_run()
        assert not pump.done()
        log.close(OSError("gone"))
        await pump
        for waiting in (reader, flush):
            with pytest.raises(LogFailedError):
                await waiting
        log.unstage(staged)
        with pytest.raises(LogFailedError, match="event 2 of run 'run'"):
            await log.flush()

    async def test_a_log_closed_with_an_error_sends_nothing_more(self) -> None:
        log, event_log = gated()
        event_log.open()
        publish(log, 1)
        log.close(OSError("gone"))
        await log.pump()
        assert (event_log.asked, log.visible) == ([], 0)

    async def test_a_reader_that_is_to_finish_gets_what_waits_for_its_commit(self) -> None:
        log, event_log = gated()
        reader = log.subscribe("custom")
        publish(log, 1, 2)
        reader.finish()
        publish(log, 3)
        event_log.open()
        await log.flush()
        assert await data_of(reader) == [1, 2]

    async def test_rows_of_a_durable_log_bound_the_ring_by_their_bytes(self) -> None:
        log, event_log = gated(max_bytes=2_000)
        event_log.open()
        for _ in range(50):
            publish(log, "x" * 100)
            await log.flush()
        events, size = log.held
        assert 5 < events < 20
        assert size <= 2_000
        assert log.stats().dropped == 50 - events

    @pytest.mark.parametrize("bound", [{"max_events": 3}, {"max_bytes": 400}])
    async def test_more_than_the_bound_does_not_wait_for_the_event_log(self, bound: Any) -> None:
        log, event_log = gated(**bound)
        publish(log, *range(3))
        with pytest.raises(LogBackedUpError, match="does not keep up"):
            publish(log, *range(3, 30))
        last = log.last
        with pytest.raises(LogBackedUpError):
            log.stage([Custom(data="x" * 400) for _ in range(3)])
        event_log.open()
        await log.flush()
        assert publish(log, "more") == [last + 1]
        await log.flush()
        assert await stored(event_log) == [*range(last), "more"]

    async def test_an_event_that_cannot_be_encoded_takes_no_id(self) -> None:
        log, _ = gated()
        with pytest.raises(TypeError):
            publish(log, object())
        with pytest.raises(TypeError):
            log.stage([Custom(data=1), Custom(data=object())])
        assert publish(log, 1) == [1]

    async def test_threads_publish_in_one_order_into_the_event_log(self) -> None:
        log, event_log = gated()
        event_log.open()
        start = threading.Barrier(4)

        def writes(at: int) -> None:
            start.wait()
            publish(log, *([at, n] for n in range(200)))

        pump = asyncio.create_task(log.pump())
        reader = asyncio.create_task(data_of(log.subscribe("custom")))
        await asyncio.gather(*(asyncio.to_thread(writes, at) for at in range(4)))
        log.close()
        await pump
        assert await stored(event_log) == await reader
        assert sorted(await reader) == [[at, n] for at in range(4) for n in range(200)]

    async def test_a_parked_reader_gets_what_waited_for_its_commit(self) -> None:
        log, event_log = gated(keep=False)
        reader = log.subscribe("custom")
        publish(log, 1)
        waiting = asyncio.create_task(anext(reader))
        await let_all_run()
        event_log.open()
        await log.flush()
        assert (await waiting).id == chunk_id(1, "custom")


class TestStage:
    async def test_only_what_was_visible_counts_as_lost(self) -> None:
        log, event_log = gated(max_events=4)
        event_log.open()
        reader = log.subscribe("custom")
        waiting = asyncio.create_task(anext(reader))
        await let_all_run()
        publish(log, 1)
        await log.flush()
        staged = log.stage([Custom(data=number) for number in range(2, 12)])
        assert (await waiting).id == gap_after(1, 1).id
        await event_log.append("run", list(staged))
        log.release(staged)
        assert await take(reader, 5) == [("gap", 6), 8, 9, 10, 11]

    async def test_staged_rows_carry_those_unsent_before_them(self) -> None:
        log, event_log = gated()
        reader = log.subscribe(["custom", "updates"])
        publish(log, "before")
        staged = log.stage([finished()])
        publish(log, "after")
        assert [event_id for event_id, _ in staged] == [1, 2]
        assert (len(staged), bool(staged), log.visible) == (2, True, 0)
        event_log.open()
        await event_log.append("run", list(staged))
        log.release(staged)
        assert log.visible == 2
        await log.flush()
        assert await take(reader, 3) == ["before", {"n": 1}, "after"]

    async def test_the_pump_sends_nothing_past_staged_rows(self) -> None:
        log, event_log = gated()
        event_log.open()
        pump = asyncio.create_task(log.pump())
        staged = log.stage([finished()])
        publish(log, 2)
        await let_all_run()
        assert event_log.asked == []
        await event_log.append("run", list(staged))
        log.release(staged)
        await log.flush()
        assert event_log.asked == [[1], [2]]
        log.close()
        await pump

    async def test_transactions_that_end_out_of_turn_show_in_their_turn(self) -> None:
        log, event_log = gated()
        event_log.open()
        first, second = log.stage([Custom(data=1)]), log.stage([Custom(data=2)])
        await event_log.append("run", [*first, *second])
        log.release(second)
        assert log.visible == 0
        log.release(first)
        assert log.visible == 2

    async def test_settled_waits_for_the_append_on_its_way(self) -> None:
        log, event_log = gated()
        pump = asyncio.create_task(log.pump())
        publish(log, 1)
        await let_all_run()
        settled = asyncio.create_task(log.settled())
        await let_all_run()
        assert not settled.done()
        event_log.open()
        await settled
        assert log.visible == 1
        log.close()
        await pump

    async def test_who_stages_in_turn_waits_for_those_who_were_faster(self) -> None:
        event_log = SlowToSay()
        log = RunLog("run", event_log=event_log, codec=JsonCodec())
        publish(log, 1)
        sending = asyncio.create_task(log.flush())
        await let_all_run()
        sending.cancel()  # its commit is in doubt: who is next looks into the log
        await asyncio.wait({sending})
        staging = asyncio.create_task(log.stage_in_turn([Custom(data=3)]))
        await let_all_run()
        publish(log, 2)
        sending = asyncio.create_task(log.flush())
        await let_all_run()
        event_log.says.set()
        await let_all_run()
        assert not staging.done()
        event_log.open()
        staged = await staging
        assert (await stored(event_log), [number for number, _ in staged]) == ([1, 2], [3])
        log.release(staged)
        await sending

    async def test_a_failed_transaction_is_tried_again_with_the_same_rows(self) -> None:
        log, event_log = gated()
        event_log.open()
        staged = log.stage([Custom(data=1)])
        log.unstage(staged)
        publish(log, 2)
        await log.settled()
        again = log.stage([Custom(data=3)])
        assert list(again)[:1] == list(staged)
        await event_log.append("run", list(again))
        log.release(again)
        assert (await stored(event_log), log.visible) == ([1, 2, 3], 3)

    async def test_what_a_transaction_failed_to_commit_is_never_shown(self) -> None:
        log, event_log = gated()
        event_log.open()
        publish(log, "before")
        staged = log.stage([finished(), finished()])
        publish(log, "after")
        await log.withdraw(staged)
        await log.flush()
        log.close()
        assert await stored(event_log) == ["before", Withdrawn, Withdrawn, "after"]
        assert await data_of(log.subscribe(["updates", "custom"])) == ["before", "after"]
        again = RunLog("run", start=4, event_log=event_log, codec=JsonCodec())
        again.close()
        assert await data_of(again.subscribe(["updates", "custom"])) == ["before", "after"]

    async def test_a_transaction_that_committed_after_all_is_shown(self) -> None:
        log, event_log = gated()
        event_log.open()
        staged = log.stage([finished()])
        await event_log.append("run", list(staged))
        await log.withdraw(staged)
        log.close()
        assert log.visible == 1
        assert await data_of(log.subscribe("updates")) == [{"n": 1}]

    async def test_a_withdrawal_that_cannot_ask_the_log_keeps_the_rows(self) -> None:
        class Unreachable(GatedEventLog):
            async def last(self, run_id: str) -> int:
                raise OSError("unreachable")

        log = RunLog("run", event_log=Unreachable(), codec=JsonCodec())
        staged = log.stage([Custom(data=1)])
        with pytest.raises(OSError, match="unreachable"):
            await log.withdraw(staged)
        assert (log.visible, log.stats().unsent) == (0, 1)

    async def test_a_withdrawal_that_is_cancelled_keeps_the_rows(self) -> None:
        class Slow(GatedEventLog):
            async def last(self, run_id: str) -> int:
                await self.gate.wait()
                return await super().last(run_id)

        event_log = Slow()
        log = RunLog("run", event_log=event_log, codec=JsonCodec())
        withdrawing = asyncio.create_task(log.withdraw(log.stage([Custom(data=1)])))
        await let_all_run()
        withdrawing.cancel()
        await asyncio.wait({withdrawing})
        event_log.open()
        flushing = asyncio.create_task(log.flush())
        await let_all_run()
        assert flushing.done()
        assert await stored(event_log) == [1]
