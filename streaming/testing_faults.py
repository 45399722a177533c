"""Faults on an event's way to its readers (`points.py` names the points), for tests.

    plan = FaultPlan()
    plan.kill("published", nth=3)
    log = hub.open(run_id, faults=plan)        # or ActorSystem(faults=plan), for all its logs

Passings are counted by point, from 1, over all logs that the plan was given to.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from .errors import LogSetupError
from .points import FAILING, WAITING, Point

Act: TypeAlias = Callable[[], Awaitable[None] | None]


@dataclass(frozen=True, slots=True)
class Hold:
    """An append that is held up at a point, until it is let go; for one event loop."""

    _reached: asyncio.Event = field(default_factory=asyncio.Event)
    _go: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self) -> None:
        """Return when the point is reached."""
        await self._reached.wait()

    def let_go(self) -> None:
        """Let what is held go on; harmless before it came, and when repeated."""
        self._go.set()

    async def meet(self) -> None:
        """What is held does this."""
        self._reached.set()
        await self._go.wait()


class FaultPlan:
    """What is to go wrong, and where; give it to a log as `faults`.  Plan before you open."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._passed: Counter[Point] = Counter()
        self._planned: dict[tuple[Point, int], Act] = {}
        self._cut: OSError | None = None

    @property
    def passed(self) -> Mapping[Point, int]:
        """How often each point was passed so far."""
        return MappingProxyType(self._passed)

    def kill(self, point: Point, nth: int = 1) -> None:
        """Kill this process at a passing, as `kill -9` does."""
        self._plan(point, nth, lambda: os.kill(os.getpid(), signal.SIGKILL))

    def fail(self, point: Point, nth: int = 1, error: Exception | None = None) -> None:
        """Raise at a passing; LogSetupError for a point at which nothing can fail any more."""
        raised = error or _no_log()

        def fail() -> None:
            raise raised

        self._plan(_among(FAILING, point, "fail"), nth, fail)

    def cut(self, point: Point, nth: int = 1) -> None:
        """From a passing on, fail wherever something can: the durable log is gone.

        Raises LogSetupError for a point at which nothing can fail any more.
        """

        def cut() -> None:
            self._cut = _no_log()
            raise self._cut

        self._plan(_among(FAILING, point, "fail"), nth, cut)

    def hold(self, point: Point, nth: int = 1) -> Hold:
        """Hold up at a passing what comes there; LogSetupError where nothing may wait."""
        hold = Hold()
        self._plan(_among(WAITING, point, "be held up"), nth, hold.meet)
        return hold

    def __call__(self, point: Point) -> Awaitable[None] | None:
        """A point is passed."""
        with self._lock:
            self._passed[point] += 1
            act = self._planned.pop((point, self._passed[point]), None)
        if act is not None:
            return act()
        if self._cut is not None and point in FAILING:
            raise self._cut
        return None

    def _plan(self, point: Point, nth: int, act: Act) -> None:
        if nth < 1:
            raise LogSetupError(
                f"nth={nth!r} is no passing of {point!r}: they are counted from 1; give 1 or more"
            )
        self._planned[point, nth] = act


def _among(points: Collection[Point], point: Point, what: str) -> Point:
    if point not in points:
        raise LogSetupError(
            f"{point!r} cannot {what}: it is no place for that; give one of {sorted(points)}"
        )
    return point


def _no_log() -> OSError:
    return OSError("the durable log is gone, as planned")
