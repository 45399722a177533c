"""The simulated loop: a seed decides the order of tasks, time is virtual, nothing is real."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable, Coroutine
from random import Random
from typing import Any

import pytest

from actors import Supervisor
from actors.doors import call, iterate
from actors.testing import ProcessKilled, SimulatedLoop, SimulationError, StuckError

Main = Callable[[], Coroutine[Any, Any, Any]]


def run(main: Main, seed: int = 0) -> Any:
    loop = SimulatedLoop(Random(seed))
    try:
        return loop.run(main())
    finally:
        loop.bury()


def order(seed: int) -> list[tuple[str, int]]:
    """How three tasks take turns."""
    turns: list[tuple[str, int]] = []

    async def walk(name: str) -> None:
        for step in range(3):
            turns.append((name, step))
            await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(*(walk(name) for name in "abc"))

    run(main, seed)
    return turns


def test_the_same_seed_gives_the_same_order_and_seeds_differ() -> None:
    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in range(20)}) > 10


@pytest.mark.parametrize("seed", range(20))
def test_what_one_task_does_stays_in_order(seed: int) -> None:
    turns = order(seed)
    for name in "abc":
        assert [step for other, step in turns if other == name] == [0, 1, 2]


@pytest.mark.parametrize("seed", range(20))
def test_callbacks_of_no_task_run_in_the_order_they_were_asked_for(seed: int) -> None:
    seen: list[int] = []

    async def main() -> None:
        loop, done = asyncio.get_running_loop(), asyncio.Event()
        for number in range(5):
            loop.call_soon(seen.append, number)
        loop.call_soon(done.set)
        await done.wait()

    run(main, seed)
    assert seen == [0, 1, 2, 3, 4]


def test_a_day_passes_at_once() -> None:
    async def main() -> float:
        before = asyncio.get_running_loop().time()
        await asyncio.wait_for(asyncio.Event().wait(), 86_400)
        return before

    loop = SimulatedLoop(Random(0))
    with pytest.raises(TimeoutError):
        loop.run(main())
    assert 86_400 <= loop.time() < 86_401
    loop.bury()


def test_timers_come_in_the_order_of_their_times() -> None:
    seen: list[float] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for delay in (3, 1, 2):
            loop.call_later(delay, seen.append, delay)
        loop.call_later(1.5, seen.append, "cancelled").cancel()
        await asyncio.sleep(4)

    run(main)
    assert seen == [1, 2, 3]


def test_a_callback_that_is_cancelled_when_it_is_ready_does_not_run() -> None:
    seen: list[str] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        ready: list[asyncio.Handle] = []

        def cancel() -> None:
            ready.pop().cancel()

        loop.call_soon(cancel)
        ready.append(loop.call_soon(seen.append, "cancelled"))
        loop.call_soon(seen.append, "ran")
        await asyncio.sleep(1)

    run(main)
    assert seen == ["ran"]


def test_code_that_waits_for_itself_is_found_and_named() -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        await asyncio.create_task(forever(), name="the one that waits")

    with pytest.raises(StuckError, match=r"2 tasks wait for each other.*the one that waits"):
        run(main)


def test_sync_code_runs_on_the_loop_with_its_context_and_its_errors_arrive() -> None:
    variable = contextvars.ContextVar("variable", default="unset")

    def fail() -> None:
        raise LookupError("lost")

    def stop() -> None:
        raise StopIteration

    async def main() -> str:
        variable.set("set")
        with pytest.raises(LookupError, match="lost"):
            await asyncio.to_thread(fail)
        with pytest.raises(RuntimeError, match="StopIteration"):
            await asyncio.to_thread(stop)
        return await asyncio.to_thread(variable.get)

    assert run(main) == "set"


def test_sync_code_whose_waiter_was_cancelled_runs_all_the_same() -> None:
    seen: list[str] = []

    async def main() -> None:
        task = asyncio.create_task(asyncio.to_thread(seen.append, "ran"))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(1)

    for seed in range(5):
        run(main, seed)
    assert len(seen) >= 4


async def connecting() -> None:
    await asyncio.open_connection("localhost", 80)


async def serving() -> None:
    await asyncio.start_server(lambda *_: None, "localhost", 80)


async def calling() -> None:
    await asyncio.create_subprocess_exec("true")


@pytest.mark.parametrize("outside", [connecting, serving, calling])
def test_there_is_no_network_and_no_other_process(outside: Main) -> None:
    with pytest.raises(SimulationError, match="cannot be in a simulation"):
        run(outside)


def test_a_killed_process_runs_no_finally_and_buries_its_dead_in_silence() -> None:
    seen: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(1)
        finally:
            seen.append("finally")
            await asyncio.sleep(1)

    loop = SimulatedLoop(Random(0))

    async def main() -> None:
        working = asyncio.create_task(work())
        await asyncio.sleep(0.5)
        await loop.die()
        await working

    with pytest.raises(ProcessKilled):
        loop.run(main())
    assert seen == []
    loop.bury()
    assert loop.is_closed()


def test_sync_code_may_die_with_the_process() -> None:
    def die() -> None:
        raise ProcessKilled

    async def main() -> None:
        await asyncio.to_thread(die)

    with pytest.raises(ProcessKilled):
        run(main)


def test_each_turn_is_shown_with_the_context_it_ran_in() -> None:
    name = contextvars.ContextVar("name", default="")
    seen: list[str] = []

    async def work(own: str) -> None:
        name.set(own)
        await asyncio.sleep(0)

    async def main() -> None:
        await asyncio.gather(work("a"), work("b"))

    loop = SimulatedLoop(Random(0))
    loop.on_turn = lambda context: seen.append(context.get(name, ""))
    loop.run(main())
    assert seen.count("a") == seen.count("b") == 2
    assert loop.turns == len(seen)
    loop.bury()


def test_sync_code_that_waits_for_async_code_does_not_stop_the_others() -> None:
    async def last(lock: asyncio.Lock) -> str:
        async with lock:
            await asyncio.sleep(3_600)
            return "last"

    async def main() -> str:
        lock = asyncio.Lock()
        async with lock:
            waiting = asyncio.ensure_future(asyncio.to_thread(call, last(lock)))
            await asyncio.sleep(1)
        return await waiting

    assert {run(main, seed) for seed in range(5)} == {"last"}


def test_sync_code_may_read_an_async_iterator() -> None:
    async def numbers() -> AsyncIterator[int]:
        for number in range(3):
            await asyncio.sleep(1)
            yield number

    async def main() -> list[int]:
        return await asyncio.to_thread(lambda: list(iterate(numbers)))

    assert run(main) == [0, 1, 2]


def test_sync_code_that_waits_passes_on_what_is_raised_and_dies_with_its_process() -> None:
    async def fail() -> None:
        raise LookupError("no such thing")

    with pytest.raises(LookupError, match="no such thing"):
        run(lambda: asyncio.to_thread(call, fail()))
    loop, after = SimulatedLoop(Random(0)), list[str]()

    def wait() -> None:
        call(loop.die())
        after.append("lived on")

    with pytest.raises(ProcessKilled):
        loop.run(asyncio.to_thread(wait))
    loop.bury()
    assert after == []


def test_a_task_that_makes_a_sync_call_has_a_loop_of_its_own() -> None:
    async def where() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    async def main() -> bool:
        return call(where()) is asyncio.get_running_loop()

    assert run(main) is False


def test_a_supervisor_counts_restarts_by_the_time_of_its_loop() -> None:
    async def main() -> tuple[float, float]:
        supervisor = Supervisor()
        before = supervisor.clock()
        await supervisor.sleep(3_600)
        return before, supervisor.clock()

    before, after = run(main)
    assert 3_600 <= after - before < 3_601
