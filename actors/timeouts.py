"""When an attempt has taken too long; pure: the clock is passed in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from .policies import TimeoutPolicy


class Stopwatch:
    """Measures one attempt against its policy.

    `touch` may come from any thread.
    """

    __slots__ = ("_clock", "_last", "_policy", "_started")

    def __init__(self, policy: TimeoutPolicy, clock: Callable[[], float]) -> None:
        self._policy = policy
        self._clock = clock
        self._started = self._last = clock()

    def progress(self) -> None:
        """The attempt streamed something, or a graph it calls did: progress, unless only
        heartbeats count."""
        if self._policy.refresh_on == "auto":
            self._last = self._clock()

    def heartbeat(self) -> None:
        """The attempt says that it makes progress."""
        self._last = self._clock()

    @property
    def elapsed(self) -> float:
        """Seconds since the attempt began."""
        return self._clock() - self._started

    def left(self) -> float:
        """Seconds until it may be too late, if nothing happens; 0 or less: it is."""
        run, idle = self._ends()
        return min(run, idle) - self._clock()

    def exceeded(self) -> Literal["run", "idle"] | None:
        """The limit that was passed, if one was; of two, the one that was passed first."""
        run, idle = self._ends()
        if self._clock() < min(run, idle):
            return None
        return "run" if run <= idle else "idle"

    def _ends(self) -> tuple[float, float]:
        policy = self._policy
        return self._started + policy.run_seconds, self._last + policy.idle_seconds
