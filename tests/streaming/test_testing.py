from __future__ import annotations

import pytest

from streaming import (
    Attempt,
    CheckpointSaved,
    Custom,
    Event,
    RunFailed,
    RunFinished,
    RunLog,
    RunStarted,
    StepCommitted,
    TaskFailed,
    TaskFinished,
    TaskStarted,
    Token,
    Withdrawn,
)
from streaming.testing import EventLogSuite, JsonCodec, MemoryEventLog, RunLogSuite
from tests.streaming.lib import GatedEventLog

SAVED = CheckpointSaved(config={}, parent_config=None, metadata={"m": 1}, next=["n"], tasks=[])


class TestMemoryEventLog(EventLogSuite):
    @pytest.fixture
    def event_log(self) -> MemoryEventLog:
        return MemoryEventLog()


class TestGatedEventLog(EventLogSuite):
    @pytest.fixture
    def event_log(self) -> GatedEventLog:
        event_log = GatedEventLog()
        event_log.open()
        return event_log


class TestRunLog(RunLogSuite):
    @pytest.fixture
    def log(self) -> RunLog:
        return RunLog("run", max_events=8)


class TestDurableRunLog(RunLogSuite):
    @pytest.fixture
    def log(self) -> RunLog:
        return RunLog("run", max_events=8, event_log=MemoryEventLog(), codec=JsonCodec())


@pytest.mark.parametrize(
    "event",
    [
        RunStarted(id=1, run_id="r", thread_id="t"),
        RunFinished(status="success"),
        RunFailed(error="ValueError", message="x"),
        Attempt(number=2),
        TaskStarted(ns=("a:1", "b:2"), task_id="t", name="n", input={"a": 1}, triggers=["x"]),
        TaskFinished(step=3, time=1.5, task_id="t", name="n", update=None, result={}),
        TaskFailed(task_id="t", name="n", error="E()"),
        StepCommitted(values=None, wrote=True, checkpoint=SAVED),
        Token(chunk="c", metadata={"m": 1}, seen_in=((), ("a:1",))),
        Custom(data=[1, None]),
        Withdrawn(),
    ],
    ids=lambda event: type(event).__name__,
)
def test_the_codec_gives_back_what_it_was_given(event: Event) -> None:
    assert JsonCodec().decode(JsonCodec().encode(event)) == event


def test_the_codec_writes_an_exception_as_its_repr() -> None:
    data = JsonCodec().encode(TaskFailed(task_id="t", name="n", error=ValueError("x")))
    assert JsonCodec().decode(data) == TaskFailed(task_id="t", name="n", error="ValueError('x')")


def test_the_codec_leaves_values_to_the_checkpoint() -> None:
    data = JsonCodec().encode(StepCommitted(values={"a": 1}, wrote=True))
    assert JsonCodec().decode(data) == StepCommitted(values=None, wrote=True)
