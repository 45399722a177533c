"""Events that come together (`RunLog.publish_all`): who waits is woken once, an owner is handed
their chunks."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import Any

import pytest

from streaming import (
    Custom,
    Event,
    LogClosedError,
    RunLog,
    RunStarted,
    StepCommitted,
    SubscriberLagged,
    TaskFinished,
    TaskStarted,
)
from streaming.testing import JsonCodec, MemoryEventLog
from tests.streaming.lib import publish, take
from tests.waiting import let_all_run


def step(number: int = 1) -> list[Event]:
    """What a step publishes: its task is done, its state, the task of the next one."""
    done, state = {"n": number}, {"n": number}
    return [
        TaskFinished(task_id="t", name="node", update=done, result=done, step=number),
        StepCommitted(values=state, wrote=True, step=number),
        TaskStarted(task_id="u", name="next", input=state, triggers=(), step=number + 1),
    ]


def modes_of(chunks: Any) -> list[tuple[int, str]]:
    return [(chunk.id, chunk.mode) for chunk in chunks]


SHOWN = [(9, "updates"), (14, "debug"), (16, "values"), (30, "debug")]
"""Chunks of a step to who reads values, updates and debug."""
WATCHED = ["values", "updates", "debug"]


async def test_the_owner_is_handed_their_chunks_as_they_are_published() -> None:
    log = RunLog("run", keep=False)
    owner = log.own(WATCHED)
    events = step()
    log.publish_all(events)
    assert (modes_of(owner.made), log.held[0]) == (SHOWN, 0)
    assert ([event.id for event in events], log.last, log.visible) == ([1, 2, 3], 3, 3)
    assert all(event.time > 1e9 for event in events)


@pytest.mark.parametrize("others", [0, 1])
async def test_they_look_the_same_to_an_owner_that_takes_them_from_the_log(others: int) -> None:
    log = RunLog("run", keep=False)
    owner = log.own(WATCHED)
    joined = [log.subscribe(WATCHED) for _ in range(others)]
    log.publish_all(step())
    assert len(owner.made) == (0 if others else len(SHOWN))
    for reader in (owner, *joined):
        assert modes_of([await anext(reader) for _ in SHOWN]) == SHOWN


async def test_who_waits_is_woken_once_and_gets_all_of_them() -> None:
    log = RunLog("run", keep=False)
    owner = log.own(WATCHED)
    waits = asyncio.create_task(anext(owner))
    await let_all_run()
    log.publish_all(step())
    first = await waits
    assert modes_of([first, *owner.made]) == SHOWN
    assert (log.stats().lag, log.backlog()) == (0, 3)


async def test_what_it_does_not_show_does_not_wake_it() -> None:
    log = RunLog("run", keep=False)
    owner = log.own("custom")
    waits = asyncio.create_task(anext(owner))
    await let_all_run()
    log.publish_all(step())
    await let_all_run()
    assert (waits.done(), log.stats().lag) == (False, 0)
    await log.caught_up()
    publish(log, "seen")
    assert (await waits).data == "seen"


async def test_the_next_step_waits_until_it_has_read_them() -> None:
    log = RunLog("run", keep=False)
    owner = log.own(WATCHED)
    log.publish_all(step())
    next_step = asyncio.create_task(log.caught_up())
    for _ in SHOWN:
        await let_all_run()
        assert not next_step.done()
        await anext(owner)
    asks = asyncio.create_task(anext(owner))
    await next_step
    await owner.aclose()
    with pytest.raises(StopAsyncIteration):
        await asks


async def test_they_come_after_what_is_still_in_the_log() -> None:
    log = RunLog("run", keep=False)
    owner = log.own(["custom", "updates"])
    with closing(log.subscribe("custom")):
        publish(log, "before")
    log.publish_all(step())
    assert (len(owner.made), log.held[0]) == (0, 4)
    publish(log, "after")
    assert await take(owner, 3) == ["before", {"node": {"n": 1}}, "after"]


async def test_an_owner_that_may_be_handed_no_more_takes_them_in_its_turn() -> None:
    log = RunLog("run", keep=False, high_water=4, low_water=1)
    owner = log.own(WATCHED)
    log.publish_all(step(1))
    log.publish_all(step(2))
    assert (len(owner.made), log.held[0]) == (4, 3)
    data = [(await anext(owner)).data for _ in range(8)]
    assert [each for each in data if each.keys() == {"n"}] == [{"n": 1}, {"n": 2}]


async def test_more_than_it_may_be_handed_are_bounded_by_what_the_log_holds() -> None:
    log = RunLog("run", keep=False, high_water=4, low_water=1, max_events=8)
    owner = log.own("custom")
    log.publish_all([Custom(data=number) for number in range(9)])
    assert (len(owner.made), log.held[0]) == (4, 5)
    assert await take(owner, 9) == list(range(9))
    log.publish_all([Custom(data=number) for number in range(20)])
    assert (len(owner.made), log.held[0]) == (4, 8)
    assert await take(owner, 4) == [0, 1, 2, 3]
    with pytest.raises(SubscriberLagged, match="8 events"):
        await anext(owner)


async def test_state_that_has_to_be_loaded_is_loaded_by_who_reads() -> None:
    async def resolve(event: Event) -> Event:
        return StepCommitted(id=event.id, step=event.step, values={"loaded": True}, wrote=True)

    log = RunLog("run", keep=False, resolve=resolve)
    owner = log.own("values")
    log.publish_all([RunStarted(run_id="run"), StepCommitted(values=None, wrote=True)])
    assert not owner.made
    assert await take(owner, 1) == [{"loaded": True}]


async def test_a_durable_log_shows_them_when_they_are_committed() -> None:
    log = RunLog("run", event_log=MemoryEventLog(), codec=JsonCodec())
    owner = log.own("custom")
    log.publish_all([Custom(data=1), Custom(data=2)])
    assert (len(owner.made), log.last, log.visible) == (0, 2, 0)
    await log.flush()
    assert await take(owner, 2) == [1, 2]


def test_a_closed_log_refuses_them() -> None:
    log = RunLog("run", keep=False)
    log.own(WATCHED)
    log.close()
    with pytest.raises(LogClosedError, match="TaskFinished"):
        log.publish_all(step())


def test_none_are_none() -> None:
    log = RunLog("run", keep=False)
    log.publish_all([])
    log.own(WATCHED)
    log.publish_all([])
    assert log.last == 0
