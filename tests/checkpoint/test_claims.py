"""The turns of a thread inside one process; the suites test the rest through the savers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from checkpoint import ThreadBusyError
from checkpoint.claims import ClaimTable, busy


async def test_turns_grow_and_only_the_current_one_counts() -> None:
    table = ClaimTable()
    first = await table.acquire("t", "one", 0)
    assert table.turn("t") == first
    table.release("t", first)
    assert table.turn("t") is None
    second = await table.acquire("t", "two", 0)
    table.release("t", first)
    assert table.turn("t") == second > first


async def test_a_sealed_turn_holds_the_thread_but_may_not_write() -> None:
    table = ClaimTable()
    first = await table.acquire("t", "one", 0)
    table.seal("t", first + 1)
    assert table.writer("t") == first
    table.seal("t", first)
    assert (table.turn("t"), table.writer("t")) == (first, None)
    waiting = asyncio.create_task(table.acquire("t", "two", None))
    await asyncio.sleep(0)
    table.release("t", first)
    second = await waiting
    table.seal("t", first)
    assert table.turn("t") == table.writer("t") == second
    table.release("t", second)
    table.seal("t", second)
    assert table.writer("t") is None


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


class _Watched(asyncio.SelectorEventLoop):
    """A loop that looks at something just before it is woken by anybody."""

    look: Callable[[], None]

    def call_soon_threadsafe(self, *args: Any, **options: Any) -> asyncio.Handle:
        self.look()
        return super().call_soon_threadsafe(*args, **options)


def test_the_thread_is_a_waiters_own_before_it_is_woken() -> None:
    """Woken, it may write from another OS thread before the one that released does another step."""
    table = ClaimTable()
    seen: list[int | None] = []
    loop = _Watched()
    loop.look = lambda: seen.append(table.turn("t"))

    async def hand_over() -> int:
        first = await table.acquire("t", "one", 0)
        waiting = asyncio.create_task(table.acquire("t", "two", None))
        await asyncio.sleep(0)
        table.release("t", first)
        return await waiting

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        second = runner.run(hand_over())
        assert seen == [second]


def test_what_is_left_of_a_shared_timeout_is_named_in_short() -> None:
    assert "within 30 s, its owner is one" in str(busy("t", "one", 29.99987))


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
