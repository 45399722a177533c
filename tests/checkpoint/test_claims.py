"""The turns of a thread inside one process; the suites test the rest through the savers."""

from __future__ import annotations

import asyncio

import pytest

from checkpoint import ThreadBusyError
from checkpoint.claims import ClaimTable


async def test_turns_grow_and_only_the_current_one_counts() -> None:
    table = ClaimTable()
    first = await table.acquire("t", "one", 0)
    assert table.turn("t") == first
    table.release("t", first)
    assert table.turn("t") is None
    second = await table.acquire("t", "two", 0)
    table.release("t", first)
    assert table.turn("t") == second > first


async def test_before_is_called_once_and_before_the_next_one_has_it() -> None:
    table = ClaimTable()
    first = await table.acquire("t", "one", 0)
    waiting = asyncio.create_task(table.acquire("t", "two", None))
    await asyncio.sleep(0)
    seen: list[int | None] = []
    table.release("t", first, lambda: seen.append(table.turn("t")))
    table.release("t", first, lambda: seen.append(table.turn("t")))
    assert seen == [first]
    assert await waiting > first


async def test_a_waiter_whose_loop_is_closed_is_passed_over() -> None:
    table = ClaimTable()
    first = await table.acquire("t", "one", 0)
    loop = asyncio.new_event_loop()
    abandoned = table.acquire("t", "gone", None)

    def start() -> None:
        task = loop.create_task(abandoned)
        loop.run_until_complete(asyncio.sleep(0))
        task.get_loop().call_soon(task.cancel)  # never runs: the loop is closed before
        loop.close()

    await asyncio.to_thread(start)
    waiting = asyncio.create_task(table.acquire("t", "two", None))
    await asyncio.sleep(0)
    table.release("t", first)
    assert table.turn("t") == await waiting
    abandoned.close()


async def test_a_timeout_leaves_the_queue_in_order() -> None:
    table = ClaimTable()
    first = await table.acquire("t", "one", 0)
    short = asyncio.create_task(table.acquire("t", "short", 0.01))
    long = asyncio.create_task(table.acquire("t", "long", None))
    with pytest.raises(ThreadBusyError, match=r"within 0\.01 s, its owner is one") as caught:
        await short
    assert (caught.value.thread_id, caught.value.owner) == ("t", "one")
    table.release("t", first)
    table.release("t", await long)
    assert table.turn("t") is None


async def test_a_waiter_that_is_cancelled_after_the_handover_passes_it_on() -> None:
    table = ClaimTable()
    first = await table.acquire("t", "one", 0)
    waiting = asyncio.create_task(table.acquire("t", "two", None))
    await asyncio.sleep(0)
    table.release("t", first)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    assert table.turn("t") is None
