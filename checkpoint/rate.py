"""How often something happens, over the last seconds; pure."""

from __future__ import annotations

SPAN = 10
"""Seconds that a rate is taken over."""


class Rate:
    """Counts by the second, as many of them as a rate needs.

    One thread notes, any thread may ask: it reads counts that are at most one behind.
    """

    __slots__ = ("_counts", "_seconds", "total")

    def __init__(self) -> None:
        self.total = 0
        """All that were noted."""
        self._counts = [0] * (SPAN + 1)
        self._seconds = [-1] * (SPAN + 1)
        """Which second each count is of."""

    def note(self, now: float) -> None:
        """It happened, at this second of any clock that does not go back."""
        second = int(now)
        place = second % (SPAN + 1)
        if self._seconds[place] != second:
            self._counts[place], self._seconds[place] = 0, second
        self._counts[place] += 1
        self.total += 1

    def per_second(self, now: float) -> float:
        """Its mean over the SPAN whole seconds before this one."""
        first, last = int(now) - SPAN, int(now)
        pairs = zip(self._counts, self._seconds, strict=True)
        return sum(count for count, second in pairs if first <= second < last) / SPAN
