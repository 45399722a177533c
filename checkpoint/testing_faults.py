"""Faults at commit points (`points.py` names them), for tests of what lives on a database.

    plan = FaultPlan()
    plan.kill("checkpoint committed", nth=3)
    async with SqliteSaver("threads.db", faults=plan) as saver: ...

Passings are counted by point, from 1, over all threads of the process.
"""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from .errors import InvalidArgumentError
from .points import cannot_fail


@dataclass(frozen=True, slots=True)
class Hold:
    """A thread that is held up at a point, until it is let go."""

    _reached: threading.Event = field(default_factory=threading.Event)
    _go: threading.Event = field(default_factory=threading.Event)

    def wait(self, seconds: float = 30.0) -> bool:
        """Wait, in this thread, until the point is reached; False when the time is over."""
        return self._reached.wait(seconds)

    def let_go(self) -> None:
        """Let the held thread go on; harmless before it came, and when repeated."""
        self._go.set()

    def meet(self) -> None:
        """What the held thread does."""
        self._reached.set()
        self._go.wait()


class FaultPlan:
    """What is to go wrong, and where; give it to a saver as `faults`.  Plan before you open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._passed: Counter[str] = Counter()
        self._planned: dict[tuple[str, int], Callable[[], None]] = {}
        self._cut: OSError | None = None

    @property
    def passed(self) -> Mapping[str, int]:
        """How often each point was passed so far."""
        return MappingProxyType(self._passed)

    def kill(self, point: str, nth: int = 1) -> None:
        """Kill this process at a passing, as `kill -9` does."""
        self._plan(point, nth, lambda: os.kill(os.getpid(), signal.SIGKILL))

    def fail(self, point: str, nth: int = 1, error: Exception | None = None) -> None:
        """Raise at a passing: the error, or what a failing disk gives.

        Raises InvalidArgumentError for a point at which nothing can fail any more.
        """
        raised = error or _failing_disk()

        def fail() -> None:
            raise raised

        self._plan(_checked(point), nth, fail)

    def cut(self, point: str, nth: int = 1) -> None:
        """From a passing on, fail wherever something can: the disk is gone.

        Raises InvalidArgumentError for a point at which nothing can fail any more.
        """

        def cut() -> None:
            self._cut = _failing_disk()
            raise self._cut

        self._plan(_checked(point), nth, cut)

    def hold(self, point: str, nth: int = 1) -> Hold:
        """Hold up at a passing the thread that comes there."""
        hold = Hold()
        self._plan(point, nth, hold.meet)
        return hold

    def __call__(self, point: str) -> None:
        """A point is passed."""
        with self._lock:
            self._passed[point] += 1
            act = self._planned.pop((point, self._passed[point]), None)
        if act is not None:
            act()
        if self._cut is not None and not cannot_fail(point):
            raise self._cut

    def _plan(self, point: str, nth: int, act: Callable[[], None]) -> None:
        if nth < 1:
            raise InvalidArgumentError(
                f"nth={nth!r} is no passing of {point!r}: they are counted from 1; give 1 or more"
            )
        self._planned[point, nth] = act


def _checked(point: str) -> str:
    if cannot_fail(point):
        raise InvalidArgumentError(
            f"{point!r} cannot fail: all is done when it is passed; kill or hold there, or fail at "
            "an earlier point"
        )
    return point


def _failing_disk() -> OSError:
    return OSError(errno.EIO, "the disk fails, as planned")
