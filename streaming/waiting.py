"""Blocked coroutines and threads, and how they are woken from any thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Protocol


class Wakeable(Protocol):
    """Something blocked."""

    def wake(self, running: asyncio.AbstractEventLoop | None) -> None:
        """Let it go on; `running` is the loop that runs in the calling thread."""
        ...


def wake_all(waiters: Iterable[Wakeable]) -> None:
    """Let them all go on; callable from any thread, harmless when repeated."""
    try:
        running = asyncio.get_running_loop()
    except RuntimeError:
        running = None
    for waiter in waiters:
        waiter.wake(running)


class LoopWaiter:
    """A coroutine of the running loop that waits for `wake`."""

    __slots__ = ("_loop", "future")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.future: asyncio.Future[None] = self._loop.create_future()
        """Await it; done when woken."""

    def wake(self, running: asyncio.AbstractEventLoop | None) -> None:
        """Let it go on; a loop that was closed meanwhile has no one left to wake."""
        if running is self._loop:
            if not self.future.done():
                self.future.set_result(None)
        else:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


class ThreadWaiter:
    """A thread that waits for `wake`."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = threading.Event()

    def wake(self, running: asyncio.AbstractEventLoop | None) -> None:  # noqa: ARG002 - no loop
        """Let it go on."""
        self._event.set()

    def wait(self) -> None:
        """Block the calling thread until woken."""
        self._event.wait()


class Gate:
    """Everyone who waits for one kind of change; they look again at each `pulse`.

    Whoever changes what they look at does so under the same lock, and pulses afterwards.
    """

    __slots__ = ("_lock", "_waiters")

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._waiters: list[Wakeable] = []

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiters)

    async def until(self, ready: Callable[[], bool]) -> None:
        """Wait until `ready()`, which is asked under the lock, is true."""
        while True:
            with self._lock:
                if ready():
                    return
                waiter = LoopWaiter()
                self._waiters.append(waiter)
            try:
                await waiter.future
            finally:
                self._forget(waiter)

    def block_until(self, ready: Callable[[], bool]) -> None:
        """The same for a thread: blocks it."""
        while True:
            with self._lock:
                if ready():
                    return
                waiter = ThreadWaiter()
                self._waiters.append(waiter)
            try:
                waiter.wait()
            finally:
                self._forget(waiter)

    def _forget(self, waiter: Wakeable) -> None:
        with self._lock:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def pulse(self) -> None:
        """Let everyone look again."""
        if self._waiters:
            with self._lock:
                waiters, self._waiters = self._waiters, []
            wake_all(waiters)
