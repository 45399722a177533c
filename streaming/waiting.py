"""Blocked coroutines and threads, and how they are woken from any thread.

An event loop is *held up* while sync code on its thread waits for what other loops do.  A reader on
such a loop takes nothing before that code has ended, so the code, and what it waits for, must not
wait for the reader.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The loop that runs in this thread, if one does."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def finish(future: asyncio.Future[None]) -> None:
    """Let who awaits it go on; callable from any thread, harmless when repeated.

    A loop that was closed meanwhile has no one left to wake.
    """
    loop = future.get_loop()
    if running_loop() is not loop:
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_finish, future)
    elif not future.done():
        future.set_result(None)


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Gate:
    """Everyone who waits for one kind of change; they look again at each `pulse`.

    Whoever changes what they look at does so under the same lock, and pulses afterwards.
    """

    __slots__ = ("_lock", "waiters")

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self.waiters: list[Callable[[], object]] = []
        """What wakes those who wait; read-only."""

    async def until(self, ready: Callable[[], bool]) -> None:
        """Wait until `ready()`, which is asked under the lock, is true."""
        while True:
            with self._lock:
                if ready():
                    return
                woken = asyncio.get_running_loop().create_future()
                wake = partial(finish, woken)
                self.waiters.append(wake)
            try:
                await woken
            except BaseException:
                self._forget(wake)
                raise

    def block_until(self, ready: Callable[[], bool]) -> None:
        """The same for a thread: blocks it."""
        while True:
            with self._lock:
                if ready():
                    return
                woken = threading.Event()
                wake = woken.set
                self.waiters.append(wake)
            try:
                woken.wait()
            except BaseException:
                self._forget(wake)
                raise

    def _forget(self, wake: Callable[[], object]) -> None:
        with self._lock:
            if wake in self.waiters:
                self.waiters.remove(wake)

    def pulse(self) -> None:
        """Let everyone look again."""
        if self.waiters:
            with self._lock:
                waiters, self.waiters = self.waiters, []
            for wake in waiters:
                wake()


class Room(Gate):
    """Of those who wait for a reader: they look again also when a loop is held up."""

    __slots__ = ()

    async def until(self, ready: Callable[[], bool]) -> None:
        """Wait until `ready()` is true."""
        _rooms.append(self)
        try:
            await super().until(ready)
        finally:
            _rooms.remove(self)

    def block_until(self, ready: Callable[[], bool]) -> None:
        """The same for a thread."""
        _rooms.append(self)
        try:
            super().block_until(ready)
        finally:
            _rooms.remove(self)

    def look_again(self) -> None:
        """Of what has changed without the lock."""
        with self._lock:  # who has looked under it before that has a waiter by now
            self.pulse()


# Each change of these is atomic.
_rooms: list[Room] = []
"""One entry for each who waits."""
_held: list[asyncio.AbstractEventLoop] = []
"""One entry for each hold."""
_turns: set[asyncio.AbstractEventLoop] = set()
"""Loops held up until their next turn."""


def hold_loop(loop: asyncio.AbstractEventLoop) -> None:
    """Sync code begins that holds up this loop, on its thread; `let_loop_go` follows."""
    _held.append(loop)
    _tell_rooms()


def let_loop_go(loop: asyncio.AbstractEventLoop) -> None:
    """That code has ended."""
    _held.remove(loop)


def hold_for_this_turn() -> None:
    """Sync code waits in the running loop, and may do so again before the loop has its next turn.

    It is held up until then, not to the end of the code: a stream that is read half, and kept, must
    not let everyone else on the loop write without bounds.
    """
    loop = asyncio.get_running_loop()
    if loop not in _turns:
        _turns.add(loop)
        loop.call_soon(_turns.discard, loop)
        _tell_rooms()


def _tell_rooms() -> None:
    if _rooms:
        for room in {*_rooms}:
            room.look_again()


def is_held(loop: asyncio.AbstractEventLoop | None) -> bool:
    """True while some code holds up the loop."""
    return loop in _held or loop in _turns
