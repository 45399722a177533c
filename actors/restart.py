"""When a failed actor is started again: a budget of restarts within a window, and back-off.

Pure: the time is passed in, so that a test can be its clock.
"""

from __future__ import annotations

from dataclasses import dataclass

from .errors import ConfigError


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How often and how soon to start again; times in seconds.

    The n-th restart within the window waits `first_delay * factor ** (n - 1)`, at most `max_delay`.
    Raises ConfigError for a negative number or a factor below 1.
    """

    budget: int = 5
    """Restarts allowed within any `window`; 0: never restart."""
    window: float = 60.0
    first_delay: float = 0.05
    factor: float = 2.0
    max_delay: float = 5.0

    def __post_init__(self) -> None:
        for field in ("budget", "window", "first_delay", "max_delay"):
            value = getattr(self, field)
            if not value >= 0:
                raise ConfigError(f"{field}={value!r} is below zero; give 0 or more")
        if not self.factor >= 1:
            raise ConfigError(
                f"factor={self.factor!r} would shrink the delays; give 1.0 (constant) or more"
            )

    def delay(self, earlier: int) -> float:
        """Seconds before a restart that has `earlier` restarts before it in the window."""
        delay = min(self.first_delay, self.max_delay)
        for _ in range(earlier):
            if delay >= self.max_delay:
                break
            delay = min(delay * self.factor, self.max_delay)
            if not delay or self.factor == 1:
                break
        return delay


class RestartHistory:
    """The restarts of one actor; decides about the next one."""

    __slots__ = ("_times", "policy")

    def __init__(self, policy: RestartPolicy) -> None:
        self.policy = policy
        self._times: list[float] = []

    def next_delay(self, now: float) -> float | None:
        """Book a restart at `now` (seconds) and return its delay; None if the budget is used up."""
        oldest = now - self.policy.window
        self._times = [time for time in self._times if time > oldest]
        if len(self._times) >= self.policy.budget:
            return None
        self._times.append(now)
        return self.policy.delay(len(self._times) - 1)

    def clear(self) -> None:
        """Forget the past: a restarted group starts with a whole budget."""
        self._times.clear()
