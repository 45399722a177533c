"""The event loop of a door, which a thread of the same process can wake without a system call.

A sync node talks in a worker thread to a reader that waits in the loop.  A plain loop is woken by
a byte in a pipe.  To write it the worker gives up the interpreter, so the reader takes it, finds
one chunk, waits again, and the two pass the interpreter to and fro for each chunk.  Here a loop
that has nothing to watch but that pipe waits for a lock first.  The worker opens it and goes on:
the reader runs when the worker waits for something, or after the interpreter's switch interval
(5 ms), and finds all that was said by then.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
from asyncio import AbstractEventLoop, Handle
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context
from typing import Any, TypeVarTuple, Unpack

Ts = TypeVarTuple("Ts")

DOZE = 0.02
"""Seconds that a loop waits for the lock before it watches the pipe: what comes by that alone, such
as signals, is not kept waiting for longer."""


class DozingSelector(selectors.DefaultSelector):
    """Waits for the lock, if it has but one file to watch."""

    def __init__(self, doze: float) -> None:
        super().__init__()
        self._limit = doze
        self._lock = threading.Lock()
        self._lock.acquire()
        self.dozes = False
        """True while `wake` is enough."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready; nothing after `wake`."""
        if timeout == 0 or len(self.get_map()) > 1:
            return super().select(timeout)
        limit = self._limit if timeout is None else min(timeout, self._limit)
        if self._doze(limit):
            return super().select(0)
        return super().select(None if timeout is None else max(0, timeout - limit))

    def _doze(self, seconds: float) -> bool:
        """True if woken."""
        self.dozes = True
        try:
            woken = self._lock.acquire(timeout=max(0, seconds))
        finally:
            self.dozes = False
        # Who opened it before it could see that had no reason to write into the pipe.
        return woken or self._lock.acquire(blocking=False)

    def wake(self) -> bool:
        """Let it go on, from any thread, or not begin to doze; False if it may watch the pipe."""
        with suppress(RuntimeError):  # opened already
            self._lock.release()
        return self.dozes


class DoorLoop(asyncio.SelectorEventLoop):
    """A loop that is woken by a lock while it dozes."""

    def __init__(self, doze: float = DOZE) -> None:
        self._dozing = DozingSelector(doze)
        super().__init__(self._dozing)

    def call_soon_threadsafe(
        self,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> Handle:
        """As any loop's."""
        if self.get_debug():  # where `call_soon` refuses other threads
            handle = super().call_soon_threadsafe(callback, *args, context=context)
            self._dozing.wake()
            return handle
        handle = self.call_soon(callback, *args, context=context)
        if not self._dozing.wake():
            super().call_soon_threadsafe(_nothing)
        return handle


def new_loop() -> AbstractEventLoop:
    """A loop for a door: of the kind that the process has chosen, if it has chosen one."""
    loop = asyncio.new_event_loop()
    if type(loop) is not asyncio.SelectorEventLoop:
        return loop
    loop.close()
    return DoorLoop()


def _nothing() -> Any:
    """Wake the loop."""
