from __future__ import annotations

import asyncio
import gc
from contextlib import closing
from typing import Any

import pytest

from streaming import (
    SKIP,
    CheckpointSaved,
    Chunk,
    CursorError,
    Custom,
    Event,
    EventsMissingError,
    Fence,
    Gap,
    LogFailedError,
    OverflowPolicyError,
    RunLog,
    StepCommitted,
    StreamWriter,
    SubscriberBusyError,
    SubscriberDisconnectedError,
    SubscriberLagged,
    TaskFinished,
    TaskStarted,
    UnknownStreamModeError,
    ValuesMissingError,
    Withdrawn,
    bare,
    chunk_id,
)
from streaming.testing import JsonCodec, MemoryEventLog
from tests.streaming.lib import data_of, publish, say, take
from tests.waiting import let_all_run

SAVED = CheckpointSaved(config={}, parent_config=None, metadata={}, next=[], tasks=[])


def finished(name: str = "n", ns: tuple[str, ...] = ()) -> TaskFinished:
    return TaskFinished(ns=ns, task_id="t", name=name, update={"a": 1}, result={"a": 1})


async def durable_log(**options: Any) -> tuple[RunLog, MemoryEventLog]:
    event_log = MemoryEventLog()
    log = RunLog("run", event_log=event_log, codec=JsonCodec(), **options)
    return log, event_log


class TestReading:
    async def test_a_waiting_reader_is_woken_once_for_all_that_comes(self) -> None:
        log = RunLog("run")
        reader = log.subscribe("custom")
        first = asyncio.create_task(anext(reader))
        await let_all_run()
        publish(log, 1, 2, 3)
        assert (await first).data == 1  # type: ignore[union-attr]
        assert await take(reader, 2) == [2, 3]

    async def test_one_event_gives_its_modes_in_their_order(self) -> None:
        log = RunLog("run")
        log.publish(finished())
        log.close()
        chunks = [c async for c in log.subscribe(["debug", "tasks", "updates", "values"])]
        assert [c.mode for c in chunks if isinstance(c, Chunk)] == ["updates", "tasks", "debug"]
        assert [c.id for c in chunks] == [9, 13, 14]

    async def test_a_reader_comes_back_in_the_middle_of_an_event_and_with_other_modes(
        self,
    ) -> None:
        log = RunLog("run")
        log.publish(finished())
        log.publish(finished())
        log.close()

        async def ids(modes: list[str], after: int) -> list[int]:
            return [c.id async for c in log.subscribe(modes, after=after)]

        updates, tasks = chunk_id(1, "updates"), chunk_id(1, "tasks")
        assert await ids(["updates", "tasks"], updates) == [tasks, updates + 8, tasks + 8]
        assert await ids(["updates"], updates) == [updates + 8]
        assert await ids(["tasks"], updates) == [tasks, tasks + 8]
        assert await ids(["updates", "tasks"], tasks + 8) == []
        assert await ids(["updates"], 0) == [updates, updates + 8]

    @pytest.mark.parametrize("after", [-1, 24, 999])
    async def test_a_position_that_the_log_does_not_have_is_refused(self, after: int) -> None:
        log = RunLog("run")
        publish(log, 1, 2)
        with pytest.raises(CursorError, match="give the id of a chunk"):
            log.subscribe("custom", after=after)
        assert log.stats().subscribers == 0

    async def test_a_position_as_a_text_is_refused_with_what_to_make_of_it(self) -> None:
        log = RunLog("run")
        publish(log, 1, 2)
        wrong: Any = "9"
        with pytest.raises(CursorError, match=r"'9' is no id.*give int\(last_event_id\)"):
            log.subscribe("custom", after=wrong)
        assert log.stats().subscribers == 0

    async def test_without_a_position_a_log_that_is_not_kept_is_read_from_now_on(self) -> None:
        log = RunLog("run", keep=False)
        publish(log, "before")
        reader = log.subscribe("custom")
        publish(log, "after")
        log.close()
        assert await data_of(reader) == ["after"]

    async def test_subgraphs_are_left_out_unless_asked_for(self) -> None:
        log = RunLog("run")
        log.publish(finished("child", ns=("n:1",)))
        log.publish(finished("root"))
        log.close()
        assert await data_of(log.subscribe("updates")) == [{"root": {"a": 1}}]
        both = [c async for c in log.subscribe("updates", subgraphs=True)]
        assert [c.ns for c in both if isinstance(c, Chunk)] == [("n:1",), ()]

    async def test_a_filter_and_output_keys_choose_what_is_seen(self) -> None:
        log = RunLog("run")
        log.publish(finished("a"))
        log.publish(finished("b"))
        log.publish(StepCommitted(values={"a": 1, "b": 2}, wrote=True, changed={"b"}))
        log.close()
        only_b = log.subscribe("updates", where=lambda event: getattr(event, "name", "") == "b")
        assert await data_of(only_b) == [{"b": {"a": 1}}]
        assert await data_of(log.subscribe("values", output_keys="b")) == [2]
        assert await data_of(log.subscribe("values", output_keys=["a"])) == []

    async def test_a_filter_that_raises_is_asked_again(self) -> None:
        log = RunLog("run")
        publish(log, 1)
        answers = [ValueError("x"), True]

        def where(event: Event) -> bool:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        reader = log.subscribe("custom", where=where)
        with pytest.raises(ValueError, match="x"):
            await anext(reader)
        assert await take(reader, 1) == [1]

    async def test_unknown_modes_and_policies_are_refused(self) -> None:
        log = RunLog("run")
        with pytest.raises(UnknownStreamModeError):
            log.subscribe("nope")
        with pytest.raises(OverflowPolicyError, match="gap, spill, disconnect"):
            log.subscribe("custom", overflow="drop")  # type: ignore[arg-type]
        with pytest.raises(OverflowPolicyError, match="has no durable log"):
            log.subscribe("custom", overflow="spill")
        assert log.stats().subscribers == 0

    async def test_one_reader_at_a_time(self) -> None:
        log = RunLog("run")
        reader = log.subscribe("custom")
        first = asyncio.create_task(anext(reader))
        await let_all_run()
        with pytest.raises(SubscriberBusyError, match="of its own"):
            await anext(reader)
        publish(log, 1)
        assert (await first).data == 1  # type: ignore[union-attr]

    async def test_readers_of_other_loops_are_woken_too(self) -> None:
        log = RunLog("run")
        readers = [
            asyncio.create_task(asyncio.to_thread(asyncio.run, data_of(log.subscribe("custom"))))
            for _ in range(3)
        ]
        for number in range(1, 50):
            publish(log, number)
            await let_all_run(2)
        log.close()
        assert await asyncio.gather(*readers) == [list(range(1, 50))] * 3


class TestEnding:
    async def test_a_reader_ends_when_it_has_read_all(self) -> None:
        log = RunLog("run")
        reader = log.subscribe("custom")
        publish(log, 1)
        log.close()
        assert await data_of(reader) == [1]
        with pytest.raises(StopAsyncIteration):
            await anext(reader)
        assert log.stats().subscribers == 0

    async def test_closing_from_another_task_ends_the_wait(self) -> None:
        log = RunLog("run")
        reader = log.subscribe("custom")
        waiting = asyncio.create_task(data_of(reader))
        await let_all_run()
        await reader.aclose()
        assert await waiting == []
        assert log.stats().subscribers == 0

    async def test_closing_from_another_thread_ends_the_wait(self) -> None:
        log = RunLog("run")
        reader = log.subscribe("custom")
        waiting = asyncio.create_task(data_of(reader))
        await let_all_run()
        await asyncio.to_thread(reader.close)
        assert await waiting == []

    async def test_a_closed_reader_gives_nothing_more(self) -> None:
        log = RunLog("run")
        publish(log, 1, 2)
        async with log.subscribe("custom") as reader:
            assert await take(reader, 1) == [1]
        assert await data_of(reader) == []
        await reader.aclose()

    async def test_a_reader_that_is_forgotten_leaves(self) -> None:
        log = RunLog("run", keep=False)
        reader = log.subscribe("custom")
        assert log.watched
        del reader
        gc.collect()
        assert not log.watched

    async def test_a_broken_log_gives_what_is_visible_and_then_its_error(self) -> None:
        log = RunLog("run")
        reader, waits = log.subscribe("custom"), log.subscribe("custom")
        waiting = asyncio.create_task(data_of(waits))
        await let_all_run()
        publish(log, 1)
        log.close(OSError("disk"))
        assert await take(reader, 1) == [1]
        with pytest.raises(LogFailedError) as caught:
            await anext(reader)
        assert isinstance(caught.value.__cause__, OSError)
        with pytest.raises(StopAsyncIteration):
            await anext(reader)
        with pytest.raises(LogFailedError):
            await waiting


class TestCancellation:
    async def test_a_cancelled_wait_loses_nothing(self) -> None:
        log = RunLog("run")
        reader = log.subscribe("custom")
        waiting = asyncio.create_task(anext(reader))
        await let_all_run()
        waiting.cancel()
        await asyncio.wait({waiting})
        publish(log, 1, 2)
        assert await take(reader, 2) == [1, 2]

    async def test_a_wait_cancelled_when_the_chunk_is_there_loses_nothing(self) -> None:
        log = RunLog("run")
        reader = log.subscribe("custom")
        waiting = asyncio.create_task(anext(reader))
        await let_all_run()
        publish(log, 1)
        waiting.cancel()
        await asyncio.wait({waiting})
        assert waiting.cancelled()
        assert await take(reader, 1) == [1]

    @pytest.mark.parametrize("after_turns", range(12))
    async def test_reading_back_is_cancelled_at_any_await(self, after_turns: int) -> None:
        log, _ = await durable_log(max_events=4, resolve=with_values)
        for number in range(20):
            log.publish(StepCommitted(step=number, values=None, wrote=True))
            await log.flush()
        log.close()
        reader = log.subscribe("values")
        seen: list[Any] = []
        waiting = asyncio.create_task(anext(reader))
        await let_all_run(after_turns)
        waiting.cancel()
        await asyncio.wait({waiting})
        if not waiting.cancelled():
            seen.append(waiting.result().data)  # type: ignore[union-attr]
        assert seen + await data_of(reader) == [{"step": number} for number in range(20)]


async def with_values(event: Event) -> Event:
    await asyncio.sleep(0)
    return StepCommitted(id=event.id, step=event.step, values={"step": event.step}, wrote=True)


async def with_states_gone(event: Event) -> RunLog:
    """A log read back from its rows: a step, whose state no one has any more, and more after it."""
    log, event_log = await durable_log()
    log.publish(event)
    publish(log, "after")
    await log.flush()
    log.close()

    async def gone(event: Event) -> Event:
        return Withdrawn(id=event.id, ns=event.ns, step=event.step, time=event.time)

    again = RunLog("run", start=2, event_log=event_log, codec=JsonCodec(), resolve=gone)
    again.close()
    return again


class TestFallingBehind:
    async def test_gap_marks_how_many_events_are_lost_and_goes_on(self) -> None:
        log = RunLog("run", max_events=4)
        reader = log.subscribe("custom")
        publish(log, *range(1, 11))
        first = await anext(reader)
        assert first == Gap(id=6 * 8 + 7, lost=6)
        assert await take(reader, 4) == [7, 8, 9, 10]
        publish(log, 11)
        assert await take(reader, 1) == [11]

    async def test_a_reader_comes_back_after_a_gap(self) -> None:
        log = RunLog("run", max_events=4)
        publish(log, *range(1, 11))
        gap = await anext(log.subscribe("custom"))
        assert await take(log.subscribe("custom", after=gap.id), 1) == [7]

    async def test_a_reader_of_bare_chunks_gets_the_loss_as_an_error_once(self) -> None:
        log = RunLog("run", max_events=4)
        reader = log.subscribe("custom").bare(single_mode=True)
        publish(log, *range(1, 11))
        log.close()
        with pytest.raises(SubscriberLagged, match="6 events were lost") as caught:
            await anext(reader)
        assert caught.value.lost == 6
        assert [data async for data in reader] == [7, 8, 9, 10]

    async def test_bare_chunks_have_the_shape_that_was_asked_for(self) -> None:
        log = RunLog("run")
        log.publish(finished())
        log.close()
        async with log.subscribe(["updates"]).bare(single_mode=False, subgraphs=True) as reader:
            assert [data async for data in reader] == [((), "updates", {"n": {"a": 1}})]
        await reader.aclose()

    async def test_disconnect_ends_the_reader_with_an_error(self) -> None:
        log = RunLog("run", max_events=4)
        reader = log.subscribe("custom", overflow="disconnect")
        publish(log, *range(1, 11))
        with pytest.raises(SubscriberDisconnectedError, match="subscribe again") as caught:
            await anext(reader)
        assert caught.value.lost == 6
        assert await data_of(reader) == []
        assert log.stats().subscribers == 0

    async def test_a_slow_reader_costs_the_others_nothing(self) -> None:
        log = RunLog("run", max_events=4)
        slow, fast = log.subscribe("custom"), log.subscribe("custom")
        seen: list[Any] = []
        for number in range(1, 11):
            publish(log, number)
            seen += await take(fast, 1)
        assert seen == list(range(1, 11))
        assert await take(slow, 1) == [("gap", 6)]


class TestSpilling:
    async def test_spill_reads_on_from_the_durable_log_and_back_in_the_ring(self) -> None:
        log, _ = await durable_log(max_events=4)
        reader = log.subscribe("custom", overflow="spill")
        seen: list[Any] = []
        for start in range(0, 30, 3):
            for number in range(start, start + 3):
                publish(log, number)
                await log.flush()
            if start % 9 == 0:
                seen += await take(reader, 2)
        log.close()
        assert seen + await data_of(reader) == list(range(30))

    @pytest.mark.parametrize("overflow", ["gap", "disconnect", "spill"])
    async def test_whoever_comes_late_gets_what_the_durable_log_has(self, overflow: Any) -> None:
        log, _ = await durable_log(max_events=4)
        for number in range(300):
            publish(log, number)
            if number % 4 == 0:
                await log.flush()
        await log.flush()
        log.close()
        assert await data_of(log.subscribe("custom", overflow=overflow)) == list(range(300))
        after = chunk_id(100, "custom")
        late = log.subscribe("custom", overflow=overflow, after=after)
        assert await data_of(late) == list(range(100, 300))

    async def test_the_policy_counts_once_a_late_reader_has_caught_up(self) -> None:
        log, _ = await durable_log(max_events=4)
        reader = log.subscribe("custom", overflow="gap")
        publish(log, 0)
        await log.flush()
        assert await take(reader, 1) == [0]
        for number in range(1, 11):
            publish(log, number)
            await log.flush()
        assert await take(reader, 2) == [("gap", 6), 7]

    async def test_a_finished_run_is_read_from_its_durable_log_alone(self) -> None:
        log, event_log = await durable_log()
        publish(log, 1, 2, 3)
        await log.flush()
        last = await event_log.last("run")
        again = RunLog("run", start=last, event_log=event_log, codec=JsonCodec())
        again.close()
        assert await data_of(again.subscribe("custom")) == [1, 2, 3]

    async def test_values_that_a_checkpoint_holds_are_resolved(self) -> None:
        log, event_log = await durable_log(resolve=with_values)
        log.publish(StepCommitted(step=7, values={"live": True}, wrote=True))
        log.publish(StepCommitted(step=8, values={"live": True}, wrote=False))
        await log.flush()
        log.close()
        again = RunLog("run", start=2, event_log=event_log, codec=JsonCodec(), resolve=with_values)
        again.close()
        assert await data_of(log.subscribe("values")) == [{"live": True}]
        assert await data_of(again.subscribe("values")) == [{"step": 7}]

    @pytest.mark.parametrize("modes", [["values"], ["values", "checkpoints", "custom"]])
    async def test_a_state_that_is_gone_is_a_gap_in_its_place_and_reading_goes_on(
        self, modes: list[Any]
    ) -> None:
        log = await with_states_gone(StepCommitted(step=7, values={}, wrote=True))
        found = [item async for item in log.subscribe(modes)]
        assert found[0] == Gap(id=1 * 8 + 7, lost=1)
        assert [item.data for item in found[1:] if isinstance(item, Chunk)] == (
            ["after"] if "custom" in modes else []
        )
        assert len(found) == 1 + ("custom" in modes)
        assert await data_of(log.subscribe(modes, after=found[0].id)) == (
            ["after"] if "custom" in modes else []
        )

    @pytest.mark.parametrize(
        ("event", "look"),
        [
            (StepCommitted(values={}, wrote=False, checkpoint=SAVED), {}),
            (StepCommitted(values={}, wrote=True, ns=("sub:1",)), {}),
            (StepCommitted(values={}, wrote=True), {"after": 1 * 8}),
            (StepCommitted(values={}, wrote=True), {"where": lambda event: event.step == 9}),
        ],
        ids=["nothing written", "of a subgraph", "already read", "filtered out"],
    )
    async def test_a_state_that_would_not_be_shown_is_no_gap(
        self, event: Event, look: dict[str, Any]
    ) -> None:
        log = await with_states_gone(event)
        assert await data_of(log.subscribe("values", **look)) == []

    async def test_a_bare_reader_is_told_of_a_state_that_is_gone_and_reads_on(self) -> None:
        log = await with_states_gone(StepCommitted(values={}, wrote=True))
        reader = log.subscribe(["values", "custom"]).bare(single_mode=False)
        with pytest.raises(SubscriberLagged, match="checkpoint is gone") as caught:
            await anext(reader)
        assert caught.value.lost == 1
        assert [item async for item in reader] == [("custom", "after")]

    async def test_values_that_no_one_can_resolve_are_an_error_for_those_who_want_them(
        self,
    ) -> None:
        log, event_log = await durable_log()
        log.publish(StepCommitted(values={"a": 1}, wrote=True))
        publish(log, 1)
        await log.flush()
        again = RunLog("run", start=2, event_log=event_log, codec=JsonCodec())
        again.close()
        with pytest.raises(ValuesMissingError, match="resolve"):
            await data_of(again.subscribe(["custom", "values"]))
        assert await data_of(again.subscribe("custom")) == [1]

    async def test_rows_that_are_gone_are_an_error_and_no_silent_end(self) -> None:
        log = RunLog("run", start=5, event_log=MemoryEventLog(), codec=JsonCodec())
        log.close()
        with pytest.raises(EventsMissingError, match="event 1 of run 'run'"):
            await data_of(log.subscribe("custom"))

    async def test_a_reader_closed_while_it_reads_back_ends(self) -> None:
        log, _ = await durable_log()
        publish(log, 1)
        await log.flush()
        started, go_on = asyncio.Event(), asyncio.Event()

        async def resolve(event: Event) -> Event:
            started.set()
            await go_on.wait()
            return await with_values(event)

        log.resolve = resolve
        log.publish(StepCommitted(values=None, wrote=True))
        await log.flush()
        reader = log.subscribe("values")
        waiting = asyncio.create_task(data_of(reader))
        await started.wait()
        await reader.aclose()
        go_on.set()
        assert await waiting == []


class TestThreadsAndReaders:
    async def test_a_reader_waits_again_and_again_for_a_publisher_in_a_thread(self) -> None:
        log = RunLog("run", keep=False)
        reader = log.subscribe("custom")
        seen: list[Any] = []

        async def publishes() -> None:
            for number in range(200):
                await asyncio.to_thread(publish, log, number)

        publishing = asyncio.create_task(publishes())
        while len(seen) < 200:
            seen += await take(reader, 1)
        await publishing
        assert seen == list(range(200))

    async def test_task_events_of_a_log_without_watchers_cost_nothing_to_keep(self) -> None:
        log = RunLog("run", keep=False)
        for _ in range(100):
            log.publish(TaskStarted(task_id="t", name="n", input=0, triggers=()))
        assert log.held == (0, 0)
        assert log.last == 100
        assert Custom(data=1).id == 0


async def test_a_reader_that_is_to_finish_reads_what_was_published_and_ends() -> None:
    log = RunLog("r", keep=True)
    log.publish(Custom(data=1))
    reader = log.subscribe("custom")
    log.publish(Custom(data=2))

    reader.finish()
    log.publish(Custom(data=3))

    assert [chunk.data async for chunk in reader if isinstance(chunk, Chunk)] == [1, 2]


async def test_a_reader_that_is_to_finish_spills_no_further() -> None:
    log, _ = await durable_log(max_events=4)
    reader = log.subscribe("custom", overflow="spill")
    for number in range(40):
        if number == 10:
            reader.finish()
        publish(log, number)
        await log.flush()

    assert await data_of(reader) == list(range(10))


async def test_a_reader_that_is_to_finish_misses_nothing_that_came_later() -> None:
    log = RunLog("r", max_events=4)
    reader = log.subscribe("custom")
    publish(log, *range(10))
    reader.finish()
    publish(log, *range(10, 40))

    assert await take(reader, 1) == [("gap", 10)]
    assert await data_of(reader) == []


async def test_a_reader_that_waits_ends_when_it_is_to_finish() -> None:
    log = RunLog("r", keep=True)
    reader = log.subscribe("custom")
    asyncio.get_running_loop().call_soon(reader.finish)

    assert [chunk async for chunk in reader] == []


async def test_a_chunk_of_a_called_task_is_of_its_graph_and_names_the_tasks_it_runs_in() -> None:
    log = RunLog("run", keep=True)
    log.publish(Custom(ns=(), data=1, inside=("main:1",)))
    log.publish(Custom(ns=("child:2",), data=2, inside=("node:3",)))
    log.close()
    root = [(chunk.ns, chunk.data) async for chunk in log.subscribe("custom")]
    every = [(chunk.ns, chunk.data) async for chunk in log.subscribe("custom", subgraphs=True)]
    assert root == [(("main:1",), 1)]
    assert every == [*root, (("child:2", "node:3"), 2)]


async def test_a_bare_state_that_is_none_is_no_state_that_is_missing() -> None:
    log = RunLog("run", keep=True)
    log.publish(StepCommitted(values=None, wrote=True, bare=True))
    log.close()
    assert [chunk.data async for chunk in log.subscribe("values")] == [None]


async def test_what_lies_ready_in_the_log_can_be_taken_without_waiting() -> None:
    log = RunLog("run")
    reader = log.subscribe("custom")
    assert reader.take_nowait() is SKIP
    log.publish(TaskStarted(task_id="1", name="n", input=None, triggers=()))
    assert reader.take_nowait() is SKIP
    publish(log, "a", "b")
    first, second, nothing = (reader.take_nowait() for _ in range(3))
    assert isinstance(first, Chunk)
    assert isinstance(second, Chunk)
    assert (first.data, second.data, nothing) == ("a", "b", SKIP)


async def test_state_that_an_event_holds_is_taken_without_a_wait() -> None:
    log = RunLog("run")
    reader = log.subscribe("values")
    log.publish(StepCommitted(values={"n": 1}, wrote=True))
    log.publish(StepCommitted(values={"n": 2}, wrote=True))
    taken = [reader.take_nowait() for _ in range(3)]
    assert [getattr(chunk, "data", chunk) for chunk in taken] == [{"n": 1}, {"n": 2}, SKIP]


async def test_state_that_has_to_be_loaded_is_left_to_who_waits() -> None:
    log = RunLog("run", resolve=with_values)
    reader = log.subscribe("values")
    log.publish(StepCommitted(values={"n": 1}, wrote=True))
    log.publish(StepCommitted(values=None, wrote=True, step=2))
    assert (reader.take_nowait(), list(reader.made)) == (SKIP, [])
    await reader.ready()
    taken = [reader.take_nowait() for _ in range(3)]
    assert [getattr(chunk, "data", chunk) for chunk in taken] == [{"n": 1}, {"step": 2}, SKIP]


async def test_a_gap_is_made_by_who_waits_and_taken_like_a_chunk() -> None:
    log = RunLog("run", max_events=2)
    reader = log.subscribe("custom")
    publish(log, "a", "b", "c", "d")
    assert reader.take_nowait() is SKIP
    await reader.ready()
    taken = [reader.take_nowait() for _ in range(3)]
    assert [type(chunk) for chunk in taken] == [Gap, Chunk, Chunk]


async def test_a_reader_that_waits_is_told_of_the_end_when_it_is_ready_for_nothing() -> None:
    log = RunLog("run")
    reader = log.subscribe("custom")
    waits = asyncio.create_task(reader.ready())
    await let_all_run()
    log.close()
    with pytest.raises(StopAsyncIteration):
        await waits


class TestHandedOver:
    """What an owner gets past the log, as it has read all before."""

    async def test_chunks_are_made_as_they_are_published(self) -> None:
        log = RunLog("run", keep=False)
        owner = log.own("custom")
        say(log, "a", "b")
        assert [chunk.data for chunk in owner.made] == ["a", "b"]
        assert (log.held, log.backlog()) == ((0, 0), 2)
        assert await take(owner, 2) == ["a", "b"]

    async def test_what_it_has_no_room_for_is_taken_in_its_turn(self) -> None:
        log = RunLog("run", keep=False, high_water=128, low_water=64)
        owner = log.own("custom")
        say(log, *range(500))
        assert 0 < len(owner.made) < 500
        assert log.held[0] == 500 - len(owner.made)
        assert await take(owner, 300) == list(range(300))
        say(log, *range(500, 600))
        assert await take(owner, 300) == list(range(300, 600))
        waits = asyncio.create_task(anext(owner))
        await let_all_run()
        assert log.held[0] == 0
        say(log, "handed")
        assert (log.held[0], (await waits).data) == (0, "handed")

    async def test_a_node_on_the_readers_own_thread_is_held_up_by_what_the_log_holds_only(
        self,
    ) -> None:
        log = RunLog("run", keep=False, high_water=10, low_water=5, max_events=100)
        owner = log.own("custom")
        waits = asyncio.create_task(anext(owner))
        await let_all_run()  # it reads here, and was handed nothing yet
        say(log, *range(100))
        assert (len(owner.made), log.held[0], log.backlog()) == (100, 0, 100)
        say(log, 100)
        assert (len(owner.made), log.held[0]) == (100, 1)
        assert [(await waits).data, *await take(owner, 100)] == list(range(101))

    async def test_a_node_on_another_thread_is_handed_no_more_than_the_reader_may_be_behind(
        self,
    ) -> None:
        log = RunLog("run", keep=False, high_water=10, low_water=5, max_events=100)
        owner, fence = log.own("custom"), Fence()
        say(log, "here")
        assert await take(owner, 1) == ["here"]

        def talk() -> list[bool]:
            return [log.hand((), "custom", at, fence) for at in range(30)]

        handed = await asyncio.to_thread(talk)
        assert handed == [True] * 10 + [False] * 20
        assert await take(owner, 10) == list(range(10))

    async def test_what_is_left_in_the_log_keeps_its_place_among_it(self) -> None:
        log = RunLog("run", keep=False)
        owner = log.own(["custom", "updates"])
        say(log, 1)
        with closing(log.subscribe("custom")):
            log.publish(TaskFinished(task_id="1", name="n", update={"x": 1}, result={}))
        say(log, 2)
        assert [chunk.data for chunk in owner.made] == [1]
        assert await take(owner, 3) == [1, {"n": {"x": 1}}, 2]

    async def test_an_event_is_handed_over_as_its_chunks(self) -> None:
        log = RunLog("run", keep=False)
        owner = log.own(["custom", "updates"])
        say(log, 1)
        log.publish(TaskFinished(task_id="1", name="n", update={"x": 1}, result={}))
        assert log.publish(Custom(data=2)) == 3
        assert ([chunk.data for chunk in owner.made], log.held[0]) == ([1, {"n": {"x": 1}}, 2], 0)

    async def test_an_event_of_a_fenced_task_is_refused(self) -> None:
        log, fence = RunLog("run", keep=False), Fence()
        owner = log.own("custom")
        log.fence(fence)
        assert log.publish(Custom(data=1), fence) == 0
        assert (list(owner.made), log.stats().refused, log.last) == ([], 1, 0)

    async def test_others_read_it_from_the_log(self) -> None:
        log = RunLog("run", keep=False)
        owner, other = log.own("custom"), log.subscribe("custom")
        say(log, 1, 2)
        assert await take(owner, 2) == await take(other, 2) == [1, 2]
        other.close()
        say(log, 3)
        late = log.subscribe("custom")
        say(log, 4)
        assert (await take(owner, 2), await take(late, 1)) == ([3, 4], [4])

    async def test_what_it_does_not_show_is_passed_over(self) -> None:
        log = RunLog("run", keep=False)
        owner, fence = log.own("messages"), Fence()
        assert log.hand((), "custom", "unseen", fence)
        assert log.hand(("sub:1",), "messages", "unseen", fence)
        assert not owner.made
        assert log.hand((), "messages", "seen", fence)
        assert [(chunk.id, chunk.data) for chunk in owner.made] == [
            (chunk_id(3, "messages"), "seen")
        ]

    async def test_what_it_does_not_show_does_not_wake_it(self) -> None:
        log = RunLog("run", keep=False)
        owner = log.own("messages")
        waits = asyncio.create_task(anext(owner))
        await let_all_run()
        assert log.hand((), "custom", "unseen", Fence())
        await let_all_run()
        assert (waits.done(), log.stats().lag) == (False, 0)
        await log.caught_up()
        assert log.hand((), "messages", "seen", Fence())
        assert (await waits).data == "seen"

    async def test_a_log_that_others_may_join_hands_nothing(self) -> None:
        kept, durable = RunLog("run"), RunLog("run", event_log=MemoryEventLog(), codec=JsonCodec())
        bare_log = RunLog("run", keep=False)
        for log in (kept, durable):
            log.own("custom")
            assert not log.hand((), "custom", 1, Fence())
        assert not bare_log.hand((), "custom", 1, Fence())

    async def test_a_fenced_task_hands_nothing_and_is_counted(self) -> None:
        log = RunLog("run", keep=False)
        owner, writer = log.own("custom"), StreamWriter(log)
        writer("in time")
        writer.fence()
        writer("too late")
        assert [chunk.data for chunk in owner.made] == ["in time"]
        assert (log.stats().published, log.stats().refused) == (1, 1)

    async def test_no_more_is_handed_than_a_writer_may_be_ahead(self) -> None:
        log = RunLog("run", keep=False, high_water=2, low_water=1)
        owner = log.own("custom")
        say(log, 1, 2, 3)
        assert ([chunk.data for chunk in owner.made], log.backlog()) == ([1, 2], 3)
        assert await take(owner, 3) == [1, 2, 3]

    async def test_a_reader_that_is_cancelled_as_it_is_handed_something_loses_nothing(self) -> None:
        log = RunLog("run", keep=False)
        owner = log.own("custom")
        waits = asyncio.create_task(anext(owner))
        await let_all_run()
        say(log, 1)
        waits.cancel()
        say(log, 2)
        with pytest.raises(asyncio.CancelledError):
            await waits
        say(log, 3)
        assert await take(owner, 3) == [1, 2, 3]

    async def test_one_that_was_cancelled_waits_no_more_and_may_wait_again(self) -> None:
        log = RunLog("run", keep=False)
        owner = log.own("custom")
        for number in range(3):
            waits = asyncio.create_task(anext(owner))
            await let_all_run()
            waits.cancel()
            await asyncio.wait([waits])
            say(log, number)
            assert await take(owner, 1) == [number]

    def test_a_reader_whose_loop_is_gone_does_not_stop_who_writes(self) -> None:
        log = RunLog("run", keep=False)
        owner, loop = log.own("custom"), asyncio.new_event_loop()
        waits = owner.__anext__()
        loop.call_soon(waits.send, None)
        loop.call_soon(loop.stop)
        loop.run_forever()
        loop.close()
        say(log, 1, 2)
        assert [chunk.data for chunk in owner.made] == [1, 2]
        waits.close()

    async def test_a_filter_is_asked_by_the_reader_and_not_by_who_publishes(self) -> None:
        log, asked = RunLog("run", keep=False), list[Event]()

        def keep(event: Event) -> bool:
            asked.append(event)
            return True

        owner = log.own("custom", where=keep)
        say(log, 1)
        assert not asked
        assert (await take(owner, 1), len(asked)) == ([1], 1)

    async def test_it_is_made_as_the_owner_wants_it_even_if_it_looks_like_a_gap(self) -> None:
        log = RunLog("run", keep=False)
        owner = log.own("custom", make=bare(single_mode=True, subgraphs=False))
        say(log, Gap(1, 2))
        assert await anext(owner) == Gap(1, 2)

    async def test_nothing_is_handed_after_finish_or_close(self) -> None:
        log = RunLog("run", keep=False)
        owner = log.own("custom")
        say(log, 1)
        owner.finish()
        say(log, 2)
        assert await data_of(owner) == [1]
        say(log, 3)
        assert not owner.made

    async def test_threads_that_write_at_once_are_read_in_the_order_of_their_ids(self) -> None:
        log = RunLog("run", keep=False)
        owner = log.own("custom", make=lambda number, *_: number)
        writers = [asyncio.to_thread(say, log, *range(2_000)) for _ in range(3)]
        written = asyncio.gather(*writers)
        ids = [await anext(owner) for _ in range(6_000)]
        await written
        assert ids == sorted(ids)
        assert len(set(ids)) == 6_000
