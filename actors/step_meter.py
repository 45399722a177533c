"""Tells how long super-steps take."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeAlias

OnStep: TypeAlias = Callable[[float], object]
"""Called with the seconds that a super-step took."""


class StepMeter:
    """Measures one super-step after the other: from the handing out of its tasks to that of the
    next one's, or to the end, so its commit is in it."""

    __slots__ = ("_began", "_clock", "_step", "_tell")

    def __init__(self, tell: OnStep, clock: Callable[[], float] = time.perf_counter) -> None:
        self._tell = tell
        self._clock = clock
        self._step: int | None = None
        self._began = 0.0

    def begin(self, step: int) -> None:
        """Tasks of a step are handed out."""
        if step != self._step:
            self.end()
            self._step, self._began = step, self._clock()

    def end(self) -> None:
        """Nothing more comes of the step that was begun."""
        if self._step is not None:
            self._step = None
            self._tell(self._clock() - self._began)
