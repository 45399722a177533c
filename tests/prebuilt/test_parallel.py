"""Several pieces of work at once, some of which ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from actors import GraphInterrupt, Interrupt
from actors.prebuilt.parallel import results_of

Job = Callable[[], Coroutine[Any, Any, Any]]


def gives(value: Any, log: list[Any], gate: asyncio.Event | None = None) -> Job:
    async def job() -> Any:
        if gate is not None:
            await gate.wait()
        log.append(value)
        return value

    return job


def raises(error: Exception, before: asyncio.Event | None = None) -> Job:
    async def job() -> Any:
        if before is not None:
            before.set()
        raise error

    return job


def asking(value: str) -> GraphInterrupt:
    return GraphInterrupt((Interrupt(value, "1"),))


async def test_results_have_the_order_of_the_jobs() -> None:
    gate, log = asyncio.Event(), list[Any]()

    async def opens() -> str:
        gate.set()
        return "second"

    jobs = [gives("first", log, gate), opens]
    assert await results_of(jobs, one_by_one=False) == ["first", "second"]
    assert await results_of([], one_by_one=False) == []


async def test_one_by_one_none_begins_before_the_last_has_ended() -> None:
    log = list[Any]()
    jobs = [gives(1, log), gives(2, log), raises(asking("?")), gives(3, log)]
    with pytest.raises(GraphInterrupt):
        await results_of(jobs, one_by_one=True)
    assert log == [1, 2]


async def test_a_question_waits_for_the_others_and_the_first_is_raised() -> None:
    gate, log = asyncio.Event(), list[Any]()
    jobs = [gives(1, log, gate), raises(asking("first")), raises(asking("second"), gate)]
    with pytest.raises(GraphInterrupt) as raised:
        await results_of(jobs, one_by_one=False)
    assert raised.value.interrupts[0].value == "first"
    assert log == [1]


async def test_an_error_ends_the_others_at_once() -> None:
    ended = list[str]()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("endless")

    with pytest.raises(KeyError):
        await results_of([endless, raises(asking("?")), raises(KeyError("k"))], one_by_one=False)
    assert ended == ["endless"]
