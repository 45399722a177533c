"""Who may write to a thread: one scheduler at a time in this process, the others wait in turn.

Waiters may live on different event loops in different OS threads.  A claim that is given back goes
straight to the first waiter, so nobody can overtake it; a waiter that was cancelled or timed out
while the claim was on its way to it passes it on.

Every claim of a thread has a greater `turn` than the ones before, which is what tells a write of a
scheduler that was stopped from one of its successor.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from .errors import ThreadBusyError


@dataclass(slots=True, eq=False, repr=False)
class _Waiter:
    """Someone who waits for a thread, and where to wake it."""

    loop: asyncio.AbstractEventLoop
    woken: asyncio.Event
    owner: str
    turn: int = 0
    """Set when the claim is handed over."""


@dataclass(slots=True, eq=False, repr=False)
class _Held:
    """A thread that is held, by whom, and who waits for it."""

    owner: str
    turn: int
    sealed: bool = False
    """True: this turn writes nothing more."""
    waiters: deque[_Waiter] = field(default_factory=deque["_Waiter"])


class ClaimTable:
    """The threads that are held in this process; safe to use from any loop and any OS thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, _Held] = {}
        self._last_turn = 0

    async def acquire(self, thread_id: str, owner: str, timeout: float | None) -> int:
        """Wait for the thread, up to `timeout` seconds (None: for ever); returns the turn.

        Raises ThreadBusyError, which names the owner.
        """
        with self._lock:
            held = self._held.get(thread_id)
            if held is None:
                return self._hold(thread_id, owner).turn
            if timeout is not None and timeout <= 0:
                raise busy(thread_id, held.owner, 0)
            waiter = _Waiter(asyncio.get_running_loop(), asyncio.Event(), owner)
            held.waiters.append(waiter)
        try:
            async with asyncio.timeout(timeout):
                await waiter.woken.wait()
        except TimeoutError:
            if (current := self._leave(thread_id, waiter)) is not None:
                raise busy(thread_id, current, timeout or 0) from None
        except BaseException:
            if self._leave(thread_id, waiter) is None:
                self.release(thread_id, waiter.turn)
            raise
        return waiter.turn

    def release(self, thread_id: str, turn: int, before: Callable[[], None] | None = None) -> None:
        """Call `before`, then give the thread to the first waiter; nothing if the turn is over."""
        with self._lock:
            held = self._held.get(thread_id)
            if held is None or held.turn != turn:
                return
            if before is not None:
                before()
            self._pass_on(thread_id, held)

    def turn(self, thread_id: str) -> int | None:
        """The turn that holds the thread now; None if it is free."""
        held = self._held.get(thread_id)
        return held.turn if held else None

    def writer(self, thread_id: str) -> int | None:
        """The turn that may write to the thread now; None if it is free, or held but sealed."""
        held = self._held.get(thread_id)
        return held.turn if held and not held.sealed else None

    def seal(self, thread_id: str, turn: int) -> None:
        """Keep a turn that holds the thread from writing; nothing if the turn is over."""
        with self._lock:
            held = self._held.get(thread_id)
            if held is not None and held.turn == turn:
                held.sealed = True

    def _hold(self, thread_id: str, owner: str) -> _Held:
        self._last_turn += 1
        held = self._held[thread_id] = _Held(owner, self._last_turn)
        return held

    def _pass_on(self, thread_id: str, held: _Held) -> None:
        while held.waiters:
            waiter = held.waiters.popleft()
            self._last_turn += 1
            waiter.turn = self._last_turn
            # All before it is woken: it may go on in another OS thread at once, and what it writes
            # is looked at without the lock.  `sealed` last: till then it is said of the old turn.
            held.owner, held.turn, held.sealed = waiter.owner, waiter.turn, False
            try:
                waiter.loop.call_soon_threadsafe(waiter.woken.set)
            except RuntimeError:  # its loop was closed: nobody waits any more
                continue
            return
        del self._held[thread_id]

    def _leave(self, thread_id: str, waiter: _Waiter) -> str | None:
        """Leave the queue and return who holds the thread; None if it was handed to this waiter."""
        with self._lock:
            if waiter.turn:
                return None
            held = self._held[thread_id]
            held.waiters.remove(waiter)
            return held.owner


def busy(thread_id: str, owner: str, timeout: float) -> ThreadBusyError:
    """The error that names who holds a thread."""
    waited = f"it did not come free within {timeout:.3g} s" if timeout else "it is held"
    return ThreadBusyError(
        f"thread {thread_id!r} cannot be claimed: {waited}, its owner is {owner}; "
        "wait longer, cancel that run, or use another thread",
        thread_id=thread_id,
        owner=owner,
    )
