"""Where events have their times from: their own in a block, the process's everywhere else."""

from __future__ import annotations

import contextvars
import time
from random import Random

from streaming import Hub, RunStarted, sources
from streaming.sources import Sources, sources_from
from streaming.tokens import ShownMessages


def published() -> float:
    log = Hub().open("run")
    event = RunStarted(run_id="run")
    log.publish(event)
    return event.time


def test_inside_the_block_events_have_the_times_of_its_clock() -> None:
    with sources_from(Sources(lambda: 5.0, Random(1).randbytes)):
        assert published() == 5.0
        with sources_from(Sources(lambda: 6.0, Random(1).randbytes)):
            assert published() == 6.0
        assert published() == 5.0
    assert published() >= time.time() - 60


def test_messages_without_an_id_are_named_by_its_dice() -> None:
    def named() -> str:
        with sources_from(Sources(lambda: 5.0, Random(1).randbytes)):
            return ShownMessages().name_of(object())

    assert named() == named() != ShownMessages().name_of(object())


def test_other_contexts_keep_the_time_of_the_process() -> None:
    elsewhere = contextvars.copy_context()
    with sources_from(Sources(lambda: 5.0, Random(1).randbytes)):
        assert contextvars.copy_context().run(sources.now) == 5.0
        assert elsewhere.run(sources.now) >= time.time() - 60
        assert len(elsewhere.run(sources.random_bytes, 7)) == 7
