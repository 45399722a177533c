"""Who writes a run's events while sync code of a node holds up the run's loop.

The code waits for a graph, on a loop of its own, and that may wait for the events: what its reader
is shown, and what its steps are stored after, is in the file first.  What the held loop has sent
is found there, and what it would send next is sent from here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from .patience import see_through
from .supervisor import Supervisor

if TYPE_CHECKING:
    from streaming.stand_in import StandIn

T = TypeVar("T")

_LATE = 0.05
"""Seconds after which a call may be waiting for a loop of which nobody said that it is held up."""


async def stood_in(coro: Coroutine[Any, Any, T], stand_in: StandIn) -> T:
    """What a coroutine gives; the events are written meanwhile.

    Raises what it raises; what the stand-in raises if that happens first.
    """
    post = _Post(stand_in)
    try:
        return await coro
    except asyncio.CancelledError:
        if post.error is not None and not post.uncancel():
            raise post.error from None
        raise
    finally:
        await post.leave()


class _Post:
    """A stand-in's, beside the task that runs now: at once, or when that takes long."""

    def __init__(self, stand_in: StandIn) -> None:
        self._stand_in = stand_in
        self._caller = asyncio.current_task()
        self._is_over = False
        self._work: asyncio.Task[None] | None = None
        self.error: BaseException | None = None
        """What went wrong while the call went on, which was cancelled for that."""
        self._timer: asyncio.TimerHandle | None = None
        if stand_in.is_needed:
            self._begin()
        else:
            self._timer = asyncio.get_running_loop().call_later(_LATE, self._begin)

    def _begin(self) -> None:
        supervisor = Supervisor("stand-in")
        self._work = supervisor.spawn(self._stand_in.work(), name="stand-in", on_done=self._ended)

    def _ended(self, work: asyncio.Task[None]) -> None:
        error = None if work.cancelled() else work.exception()
        if error is not None and self._caller is not None and not self._is_over:
            self.error = error
            self._caller.cancel()

    def uncancel(self) -> int:
        """Take the cancel back; how many there are of others'."""
        return 0 if self._caller is None else self._caller.uncancel()

    async def leave(self) -> None:
        """The call is over, and has its outcome: what could not be sent, the held loop sends."""
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
        if self._work is not None:
            self._stand_in.leave()
            await see_through(self._work)
