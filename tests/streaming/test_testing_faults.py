"""Faults on an event's way to its readers: each is passed where its name says."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable

import pytest

from streaming import Hub, LogSetupError, RunLog
from streaming.testing import JsonCodec, MemoryEventLog
from streaming.testing_faults import FaultPlan
from tests.streaming.lib import data_of, publish, take

KILLED = -9


def durable(plan: FaultPlan, event_log: MemoryEventLog | None = None) -> RunLog:
    return RunLog("run", event_log=event_log or MemoryEventLog(), codec=JsonCodec(), faults=plan)


async def test_an_event_passes_the_points_of_a_log_in_memory() -> None:
    plan = FaultPlan()
    log = Hub(faults=plan).open("run")
    reader = log.subscribe("custom")
    publish(log, 1)
    assert await take(reader, 1) == [1]
    assert dict(plan.passed) == {"publish": 1, "published": 1, "delivered": 1}


async def test_an_event_passes_the_points_of_a_durable_log() -> None:
    plan = FaultPlan()
    log = durable(plan)
    publish(log, 1, 2)
    await log.flush()
    assert await take(log.subscribe("custom"), 2) == [1, 2]
    assert plan.passed == {
        "publish": 2, "published": 2, "append": 1, "appended": 1, "shown": 1, "delivered": 1,
    }  # fmt: skip


async def test_what_a_node_says_passes_them_too_instead_of_being_handed_over() -> None:
    plan = FaultPlan()
    log = RunLog("run", keep=False, faults=plan)
    owner = log.own("custom")
    publish(log, "said")
    assert await anext(owner)
    assert plan.passed["published"] == plan.passed["delivered"] == 1


async def test_what_fails_before_it_is_published_takes_no_id() -> None:
    plan = FaultPlan()
    plan.fail("publish", nth=2)
    log = RunLog("run", faults=plan)
    publish(log, 1)
    with pytest.raises(OSError, match="as planned"):
        publish(log, 2)
    assert publish(log, 3) == [2]
    log.close()
    assert await data_of(log.subscribe("custom")) == [1, 3]


@pytest.mark.parametrize("point", ["append", "appended"])
async def test_rows_whose_append_failed_or_seemed_to_are_stored_once(point: str) -> None:
    plan = FaultPlan()
    plan.fail("append" if point == "append" else "appended")
    event_log = MemoryEventLog()
    log = durable(plan, event_log)
    publish(log, 1, 2)
    with pytest.raises(OSError, match="as planned"):
        await log.flush()
    assert log.visible == 0
    publish(log, 3)
    await log.flush()
    assert [number for number, _ in await event_log.read("run", 0, 10)] == [1, 2, 3]
    log.close()
    assert await data_of(log.subscribe("custom")) == [1, 2, 3]


@pytest.mark.parametrize("stored", [False, True])
async def test_nothing_is_seen_while_its_append_is_held_up(*, stored: bool) -> None:
    plan = FaultPlan()
    hold = plan.hold("appended" if stored else "append")
    event_log = MemoryEventLog()
    log = durable(plan, event_log)
    publish(log, 1)
    flushing = asyncio.ensure_future(log.flush())
    await hold.wait()
    assert (log.visible, await event_log.last("run")) == (0, int(stored))
    hold.let_go()
    await flushing
    assert log.visible == 1


async def test_after_a_cut_nothing_is_published_or_stored() -> None:
    plan = FaultPlan()
    plan.cut("append", nth=2)
    event_log = MemoryEventLog()
    log = durable(plan, event_log)
    publish(log, 1)
    await log.flush()
    publish(log, 2)
    for _ in range(2):
        with pytest.raises(OSError, match="gone"):
            await log.flush()
    with pytest.raises(OSError, match="gone"):
        publish(log, 3)
    assert (log.visible, await event_log.last("run")) == (1, 1)


@pytest.mark.parametrize("point", ["publish", "published", "append", "appended", "shown"])
def test_a_process_dies_where_it_is_told_to(point: str) -> None:
    program = f"""
import asyncio
from tests.streaming.test_testing_faults import FaultPlan, durable, publish
async def main():
    plan = FaultPlan()
    plan.kill({point!r}, nth=2)
    log = durable(plan)
    for number in range(3):
        publish(log, number)
        await log.flush()
        print(number, flush=True)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (KILLED, b"0\n")


@pytest.mark.parametrize(
    "plan",
    [
        lambda: FaultPlan().fail("shown"),
        lambda: FaultPlan().cut("delivered"),
        lambda: FaultPlan().hold("published"),
        lambda: FaultPlan().kill("publish", nth=0),
    ],
)
def test_what_cannot_happen_at_a_point_is_refused(plan: Callable[[], None]) -> None:
    with pytest.raises(LogSetupError, match="give"):
        plan()
