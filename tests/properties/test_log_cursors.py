"""Readers of a run log against a plain list: any order of publishing, reading and lagging."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from streaming import MODES, Chunk, Custom, Event, Gap, RunLog, Subscriber, TaskFinished, project
from streaming.modes import SKIP
from streaming.testing import JsonCodec, MemoryEventLog
from tests.waiting import let_all_run

MODE_SETS = st.sets(st.sampled_from(["custom", "updates", "tasks", "debug"]), min_size=1)


class Reader:
    """A subscriber and what a list says it should get."""

    def __init__(self, subscriber: Subscriber, modes: set[str], after: int) -> None:
        self.subscriber = subscriber
        self.modes = modes
        self.after = after

    def expects(self, events: list[Event]) -> list[tuple[int, Any]]:
        return [
            (event.id * 8 + ordinal, project(event, mode))
            for event in events
            for ordinal, mode in enumerate(MODES)
            if mode in self.modes
            and event.id * 8 + ordinal > self.after
            and project(event, mode) is not SKIP
        ]


class LogMachine(RuleBasedStateMachine):
    """`durable` logs show what is committed, and lose nothing for those who spill."""

    durable = False

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.events: list[Event] = []
        self.readers: list[Reader] = []

    @initialize(ring=st.integers(1, 6))
    def opens(self, ring: int) -> None:
        self.ring = ring
        options: dict[str, Any] = {}
        if self.durable:
            options = {"event_log": MemoryEventLog(), "codec": JsonCodec()}
        self.log = RunLog("run", max_events=ring, **options)

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(coroutine)

    @rule(finished=st.booleans())
    def publishes(self, finished: bool) -> None:
        number = len(self.events) + 1
        event: Event = Custom(data=number)
        if finished:
            event = TaskFinished(task_id="t", name="n", update=number, result={})
        if self.durable and self.log.stats().unsent >= self.ring:
            self.run(self.log.flush())
        assert self.log.publish(event) == number
        self.events.append(event)

    @precondition(lambda self: self.durable)
    @rule(how=st.sampled_from(["flush", "stage", "withdraw nothing", "fail and flush"]))
    def commits(self, how: str) -> None:
        if how == "flush":
            self.run(self.log.flush())
            return
        staged = self.log.stage([])
        if how == "stage":
            self.run(self.log.durable.append(staged.rows))  # type: ignore[union-attr]
            self.log.release(staged)
        elif how == "withdraw nothing":
            self.run(self.log.withdraw(staged))
        else:
            self.log.unstage(staged)
            self.run(self.log.flush())

    @rule(modes=MODE_SETS, data=st.data())
    def subscribes(self, modes: set[str], data: st.DataObject) -> None:
        after = data.draw(st.none() | st.integers(0, len(self.events) * 8 + 7))
        overflow = "spill" if self.durable else "gap"
        subscriber = self.log.subscribe(sorted(modes), after=after, overflow=overflow)  # type: ignore[arg-type]
        self.readers.append(Reader(subscriber, modes, after or 0))

    @precondition(lambda self: self.readers)
    @rule(data=st.data(), times=st.integers(1, 5))
    def reads(self, data: st.DataObject, times: int) -> None:
        reader = data.draw(st.sampled_from(self.readers))
        for _ in range(times):
            self.run(self._read(reader))

    @precondition(lambda self: self.readers)
    @rule(data=st.data())
    def leaves(self, data: st.DataObject) -> None:
        reader = data.draw(st.sampled_from(self.readers))
        self.readers.remove(reader)
        self.run(reader.subscriber.aclose())

    async def _read(self, reader: Reader) -> None:
        """One chunk if there is one; otherwise the wait is cancelled, and must lose nothing."""
        waiting = asyncio.create_task(anext(reader.subscriber))  # type: ignore[arg-type]
        await let_all_run()
        visible = self.events[: self.log.visible]
        expected = reader.expects(visible)
        if not waiting.done():
            waiting.cancel()
            await asyncio.wait({waiting})
            assert expected == []
            return
        self._check(reader, waiting.result(), expected)

    def _check(self, reader: Reader, item: Chunk | Gap, expected: list[tuple[int, Any]]) -> None:
        if isinstance(item, Gap):
            assert not self.durable
            assert item.lost > 0
            skipped = [at for at, _ in expected if at <= item.id]
            assert all(at // 8 <= len(self.events) - self.ring for at in skipped)
        else:
            assert (item.id, item.data) == expected[0]
        assert item.id > reader.after
        reader.after = item.id

    @invariant()
    def ids_are_gapless(self) -> None:
        assert [event.id for event in self.events] == list(range(1, len(self.events) + 1))
        if self.events:
            assert self.log.held[0] <= self.ring

    def teardown(self) -> None:
        for reader in self.readers:
            reader.subscriber.close()
        self.runner.close()


class DurableLogMachine(LogMachine):
    durable = True


TestLog = LogMachine.TestCase
TestDurableLog = DurableLogMachine.TestCase
TestLog.settings = TestDurableLog.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None
)
