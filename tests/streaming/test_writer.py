from __future__ import annotations

import asyncio
import threading
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

import pytest

from streaming import SILENT_WRITER, RunLog, StreamWriter, current_task, get_stream_writer
from tests.streaming.lib import data_of, publish, take
from tests.waiting import let_all_run, until


@dataclass
class Scope:
    writer: StreamWriter


def small_log() -> RunLog:
    return RunLog("run", keep=False, high_water=8, low_water=2)


async def test_what_is_written_comes_out_verbatim_with_its_place() -> None:
    log = RunLog("run")
    data = {"progress": 1}
    StreamWriter(log, ns=("n:1",), step=3, node="n")(data)
    event = log._ring.between(0, 1)[0]
    assert event.data is data  # type: ignore[attr-defined]
    assert (event.ns, event.step, event.node) == (("n:1",), 3, "n")  # type: ignore[attr-defined]


async def test_nothing_is_written_while_no_one_wants_it() -> None:
    log = small_log()
    writer = StreamWriter(log)
    writer(1)
    reader = log.subscribe("updates")
    writer(2)
    assert log.last == 0
    other = log.subscribe("custom")
    writer(3)
    assert await take(other, 1) == [3]
    reader.close()


async def test_a_fenced_writer_is_refused_and_counted() -> None:
    log = RunLog("run")
    writer, other = StreamWriter(log), StreamWriter(log)
    writer.fence()
    writer(1)
    other(2)
    assert (writer.fenced, other.fenced) == (True, False)
    assert (log.stats().refused, log.last) == (1, 1)


async def test_a_writer_that_outlives_its_run_is_refused_and_counted() -> None:
    log = RunLog("run")
    writer = StreamWriter(log)
    log.close()
    writer(1)
    assert (log.stats().refused, log.last) == (1, 0)


def test_outside_a_run_the_writer_does_nothing() -> None:
    writer = get_stream_writer()
    assert writer is SILENT_WRITER
    writer({"any": "thing"})
    asyncio.run(writer.drain())
    assert not writer.fenced


def test_inside_a_task_it_is_the_tasks_own() -> None:
    writer = StreamWriter(RunLog("run"))

    def inside() -> StreamWriter:
        current_task.set(Scope(writer))
        return get_stream_writer()

    assert copy_context().run(inside) is writer
    assert get_stream_writer() is SILENT_WRITER


async def test_drain_returns_at_once_without_an_owner() -> None:
    log = RunLog("run", high_water=8, low_water=2)
    publish(log, *range(100))
    await StreamWriter(log).drain()


async def test_drain_waits_until_the_owner_has_room() -> None:
    log = small_log()
    owner = log.own("custom")
    writer = StreamWriter(log)
    seen = asyncio.create_task(data_of(owner))
    most = 0
    for number in range(500):
        writer(number)
        most = max(most, log.backlog())
        await writer.drain()
    log.close()
    assert await seen == list(range(500))
    assert most <= 3


async def test_fencing_lets_a_waiting_writer_go() -> None:
    log = small_log()
    log_owner = log.own("custom")
    writer = StreamWriter(log)
    publish(log, *range(20))
    draining = asyncio.create_task(writer.drain())
    await let_all_run()
    assert not draining.done()
    writer.fence()
    await draining
    log_owner.close()


async def test_on_the_loop_a_call_never_waits() -> None:
    log = small_log()
    owner = log.own("custom")
    writer = StreamWriter(log)
    for number in range(100):
        writer(number)
    assert log.backlog() == 100
    owner.close()


async def test_a_worker_thread_waits_for_the_owner_in_its_own_thread() -> None:
    log = small_log()
    owner = log.own("custom")
    writer = StreamWriter(log)
    written = 0

    def writes() -> None:
        nonlocal written
        for number in range(500):
            writer(number)
            written += 1

    writing = asyncio.create_task(asyncio.to_thread(writes))
    await until(lambda: len(log._room.waiters) == 1)
    await let_all_run()
    assert written == 8
    assert await take(owner, 8) == list(range(8))
    reading = asyncio.create_task(data_of(owner))
    await writing
    log.close()
    assert await reading == list(range(8, 500))


@pytest.mark.parametrize("how", ["fence", "owner leaves", "log closes"])
async def test_a_blocked_thread_is_let_go(how: str) -> None:
    log = small_log()
    owner = log.own("custom")
    writer = StreamWriter(log)

    def writes() -> None:
        for number in range(9):
            writer(number)

    writing = asyncio.create_task(asyncio.to_thread(writes))
    await until(lambda: len(log._room.waiters) == 1)
    actions: dict[str, Any] = {
        "fence": writer.fence,
        "owner leaves": owner.close,
        "log closes": log.close,
    }
    actions[how]()
    await writing
    owner.close()


async def test_after_fencing_not_one_write_of_a_running_thread_gets_in() -> None:
    log = RunLog("run")
    writer = StreamWriter(log)
    started, stop = threading.Event(), threading.Event()

    def writes() -> int:
        count = 0
        while not stop.is_set():
            writer(count)
            count += 1
            started.set()
        return count

    writing = asyncio.create_task(asyncio.to_thread(writes))
    await asyncio.to_thread(started.wait)
    writer.fence()
    last = log.last
    await until(lambda: log.stats().refused > 100)
    assert log.last == last
    stop.set()
    assert await writing == last + log.stats().refused
