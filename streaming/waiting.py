"""Blocked coroutines and threads, and how they are woken from any thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol


class Wakeable(Protocol):
    """Something blocked."""

    def wake(self) -> None:
        """Let it go on; callable from any thread, harmless when repeated."""
        ...


def finish(future: asyncio.Future[None]) -> None:
    """Let who awaits it go on; callable from any thread, harmless when repeated.

    A loop that was closed meanwhile has no one left to wake.
    """
    loop = future.get_loop()
    try:
        here = asyncio.get_running_loop() is loop
    except RuntimeError:
        here = False
    if not here:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_finish, future)
    elif not future.done():
        future.set_result(None)


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class LoopWaiter:
    """A coroutine of the running loop that waits for `wake`."""

    __slots__ = ("future",)

    def __init__(self) -> None:
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Await it; done when woken."""

    def wake(self) -> None:
        """Let it go on."""
        finish(self.future)


class ThreadWaiter:
    """A thread that waits for `wake`."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = threading.Event()

    def wake(self) -> None:
        """Let it go on."""
        self._event.set()

    def wait(self) -> None:
        """Block the calling thread until woken."""
        self._event.wait()


class Gate:
    """Everyone who waits for one kind of change; they look again at each `pulse`.

    Whoever changes what they look at does so under the same lock, and pulses afterwards.
    """

    __slots__ = ("_lock", "waiters")

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self.waiters: list[Wakeable] = []
        """Who waits; read-only."""

    async def until(self, ready: Callable[[], bool]) -> None:
        """Wait until `ready()`, which is asked under the lock, is true."""
        while True:
            with self._lock:
                if ready():
                    return
                waiter = LoopWaiter()
                self.waiters.append(waiter)
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
                self.waiters.append(waiter)
            try:
                waiter.wait()
            finally:
                self._forget(waiter)

    def _forget(self, waiter: Wakeable) -> None:
        with self._lock:
            if waiter in self.waiters:
                self.waiters.remove(waiter)

    def pulse(self) -> None:
        """Let everyone look again."""
        if self.waiters:
            with self._lock:
                waiters, self.waiters = self.waiters, []
            for waiter in waiters:
                waiter.wake()
