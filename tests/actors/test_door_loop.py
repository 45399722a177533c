"""The loop of a door: woken by a lock while it dozes, and by all that wakes other loops."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from actors.door_loop import DOZE, DoorLoop, DozingSelector, new_loop


@pytest.fixture
def loop() -> Iterator[DoorLoop]:
    opened = DoorLoop()
    yield opened
    opened.close()


def selector_of(loop: DoorLoop) -> DozingSelector:
    return loop._dozing


def once_it_dozes(loop: DoorLoop, act: Any) -> threading.Thread:
    """Do this in a thread when the loop dozes; it does so for ever while it has nothing to do."""

    def wait() -> None:
        while not selector_of(loop).dozes:
            pass
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_a_thread_wakes_a_loop_that_dozes(loop: DoorLoop) -> None:
    async def main() -> str:
        waiter: asyncio.Future[str] = loop.create_future()
        thread = once_it_dozes(loop, lambda: loop.call_soon_threadsafe(waiter.set_result, "woken"))
        said = await waiter
        thread.join()
        return said

    assert loop.run_until_complete(main()) == "woken"


@pytest.mark.parametrize("doze", [DOZE, 1e-4, 1e-5, 1e-6])
def test_no_call_is_lost_however_threads_and_the_loop_meet(doze: float) -> None:
    """Calls come while the loop dozes, watches the pipe, runs, and in between."""
    loop, calls, threads = DoorLoop(doze), 300, 3

    async def main() -> int:
        seen, enough = 0, loop.create_future()

        def arrive(told: threading.Event) -> None:
            nonlocal seen
            seen += 1
            told.set()
            if seen == calls * threads:
                enough.set_result(None)

        def call() -> None:
            for _ in range(calls):
                told = threading.Event()
                loop.call_soon_threadsafe(arrive, told)
                assert told.wait(10)

        working = [threading.Thread(target=call) for _ in range(threads)]
        for thread in working:
            thread.start()
        await asyncio.wait_for(enough, 30)
        for thread in working:
            thread.join()
        return seen

    assert loop.run_until_complete(main()) == calls * threads
    loop.close()


def test_a_wake_that_comes_when_the_doze_is_over_is_told_to_go_by_the_pipe() -> None:
    selector = DozingSelector(DOZE)
    assert selector.wake() is False
    assert selector.wake() is False  # and is harmless when repeated
    selector.close()


def test_timers_are_on_time_and_a_loop_that_was_not_woken_watches_its_pipe(loop: DoorLoop) -> None:
    async def main() -> None:
        for later in (DOZE / 4, DOZE * 2):
            rung: asyncio.Future[None] = loop.create_future()
            begun = loop.time()
            loop.call_later(later, rung.set_result, None)
            await rung
            assert loop.time() - begun >= later

    loop.run_until_complete(main())


def test_files_are_watched_as_by_any_loop(loop: DoorLoop) -> None:
    ours, other = socket.socketpair()
    ours.setblocking(False)

    async def main() -> bytes:
        reading = loop.create_task(loop.sock_recv(ours, 5))
        await asyncio.sleep(0)
        assert not selector_of(loop).dozes
        other.send(b"hello")
        return await reading

    with ours, other:
        assert loop.run_until_complete(main()) == b"hello"


def test_a_loop_in_debug_mode_is_woken_as_any_loop(loop: DoorLoop) -> None:
    loop.set_debug(True)

    async def main() -> str:
        return await asyncio.to_thread(lambda: "done")

    assert loop.run_until_complete(main()) == "done"


def test_a_closed_loop_refuses_calls() -> None:
    loop = DoorLoop()
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.call_soon_threadsafe(print)


def test_a_process_that_has_chosen_a_kind_of_loop_gets_that() -> None:
    class Chosen(asyncio.SelectorEventLoop):
        """A kind of loop."""

    class Policy(asyncio.DefaultEventLoopPolicy):
        def new_event_loop(self) -> asyncio.AbstractEventLoop:
            return Chosen()

    for policy, kind in ((None, DoorLoop), (Policy(), Chosen)):
        before = asyncio.get_event_loop_policy()
        asyncio.set_event_loop_policy(policy)
        made = new_loop()
        asyncio.set_event_loop_policy(before)
        made.close()
        assert type(made) is kind
