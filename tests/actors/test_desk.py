"""The desk: tasks wait there for a slot, in the order they came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from actors import entrypoint, task
from tests.actors.engine import DEADLINE, Gated, fan


@pytest.fixture(autouse=True)
async def deadline() -> AsyncIterator[None]:
    async with asyncio.timeout(DEADLINE):
        yield


async def test_tasks_begin_in_the_order_they_came_as_slots_allow() -> None:
    begun: list[int] = []

    @task
    async def note(x: int) -> int:
        begun.append(x)
        await asyncio.sleep(0)
        return x

    @entrypoint()
    async def main(count: int) -> Any:
        return await asyncio.gather(*(note(i) for i in range(count)))

    assert await main.ainvoke(20, {"max_concurrency": 3}) == list(range(20))
    assert begun == list(range(20))


async def test_functions_of_one_name_do_not_get_in_each_others_way() -> None:
    async def node(state: Any) -> dict[str, Any]:
        return {"log": await asyncio.gather(first(), second(), first())}

    first, second = task(name="node")(lambda: 1), task(name="node")(lambda: 2)
    graph = fan(node=node).compile()
    assert (await graph.ainvoke({"log": []}))["log"] == [1, 2, 1]


async def test_what_waits_when_the_run_ends_never_begins() -> None:
    gated, other = Gated("gated"), Gated("other")
    graph = fan(gated=gated, other=other).compile()
    stream = graph.astream({"log": []}, {"max_concurrency": 1})
    reading = asyncio.ensure_future(anext(stream))
    await gated.started.wait()
    reading.cancel()
    await asyncio.wait({reading})
    await stream.aclose()
    assert (gated.cancelled, other.calls) == (1, 0)
