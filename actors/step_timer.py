"""Rings when a super-step has taken as long as it may."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .commands import MachineEvent, StepTimedOut


class StepTimer:
    """Times one super-step after the other."""

    __slots__ = ("_handle", "_loop", "_ring", "_seconds", "_step")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        seconds: float,
        ring: Callable[[MachineEvent], object],
    ) -> None:
        self._loop = loop
        self._seconds = seconds
        self._ring = ring
        self._step: int | None = None
        self._handle: asyncio.TimerHandle | None = None

    def begin(self, step: int) -> None:
        """Tasks of a step are handed out; its time runs from the first of them."""
        if step != self._step:
            self.end()
            self._step = step
            self._handle = self._loop.call_later(self._seconds, self._ring, StepTimedOut(step))

    def end(self) -> None:
        """Ring no more for the step that was begun."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
