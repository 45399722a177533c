"""How long super-steps take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from actors import ActorSystem
from actors.step_meter import StepMeter
from checkpoint import SqliteSaver
from tests.actors.engine import DEADLINE, chain, on, saying


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(DEADLINE):
        yield


def metered(*moments: float) -> tuple[StepMeter, list[float]]:
    told, clock = list[float](), iter(moments)
    return StepMeter(told.append, lambda: next(clock)), told


def test_a_step_lasts_until_the_next_one_begins() -> None:
    meter, told = metered(10.0, 12.0, 12.5, 20.0)
    meter.begin(1)
    meter.begin(2)  # asks the clock twice: for the end of one and the beginning of the other
    meter.end()
    assert told == [2.0, 7.5]


def test_more_tasks_of_a_step_are_no_new_step() -> None:
    meter, told = metered(10.0, 15.0)
    meter.begin(1)
    meter.begin(1)
    meter.end()
    assert told == [5.0]


def test_an_end_without_a_step_says_nothing() -> None:
    meter, told = metered(10.0, 11.0)
    meter.end()
    meter.begin(3)
    meter.end()
    meter.end()
    assert told == [1.0]


async def test_a_system_is_told_of_every_step_of_its_runs(tmp_path) -> None:
    told = list[float]()

    async def fails(state):
        raise ValueError

    inner = chain(x=saying("x"), y=saying("y")).compile()
    graph = chain(a=saying("a"), sub=inner, b=fails).compile()
    async with SqliteSaver(tmp_path / "db") as saver:
        kept = chain(a=saying("a"), b=saying("b")).compile(checkpointer=saver)
        async with ActorSystem(on_step=told.append, event_log=saver.events) as system:
            await (await system.start(graph, {"log": []}, stateless=True)).ended()
            assert len(told) == 3  # the graph in a task has none of its own
            await (await system.start(kept, {"log": []}, on("1"))).result()
    assert len(told) == 5
    assert all(0 < seconds < DEADLINE for seconds in told)
