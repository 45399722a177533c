"""What a workload is: one question, asked of every contender in the same way."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from .contenders import OURS, THEIRS, load

LONG = 0.5
"""Seconds for which what takes short is measured at least."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where a workload runs: how much of it, and a folder of its own."""

    quick: bool
    folder: Path

    def size(self, full: int, quick: int) -> int:
        """The amount of work for this kind of run."""
        return quick if self.quick else full


@dataclass(frozen=True, slots=True)
class Target:
    """What must hold, all that is given of it: LangGraph's figure at least `ratio` times ours, ours
    at most `limit`, at least `least`, at most `of_bare` times the bare one."""

    ratio: float | None = None
    limit: float | None = None
    least: float | None = None
    of_bare: float | None = None

    def met(self, ours: float, theirs: float | None, bare: float | None = None) -> bool | None:
        """Whether the figures meet it; None if one that it needs was not measured."""
        verdicts = [
            _holds(self.limit, lambda limit: ours <= limit),
            _holds(self.least, lambda least: ours >= least),
            _holds(self.ratio, lambda ratio: None if theirs is None else theirs >= ratio * ours),
            _holds(self.of_bare, lambda most: None if bare is None else ours <= most * bare),
        ]
        if False in verdicts:
            return False
        return None if None in verdicts or not str(self) else True

    def __str__(self) -> str:
        parts = [
            (self.ratio, "≥ {:g} ×"),
            (self.limit, "≤ {:g}"),
            (self.least, "≥ {:,g}"),
            (self.of_bare, "≤ {:g} × bare"),
        ]
        return ", ".join(text.format(value) for value, text in parts if value is not None)


def _holds(wanted: float | None, holds: Callable[[float], bool | None]) -> bool | None:
    return True if wanted is None else holds(wanted)


Measure = Callable[[Any, Stage], Awaitable[float]]
"""Given what the workload's `load` has made of a contender's name."""
Limit = Callable[[Stage], Awaitable[float]]


@dataclass(frozen=True, slots=True)
class Workload:
    """One question; every figure is in `unit`.  Less is better, but of what comes per second."""

    name: str
    question: str
    unit: str
    measure: Measure
    limit: Limit | None = None
    """The same work with bare asyncio, with sqlite3 itself, or with hardly anything stored, where
    that has a meaning."""
    target: Target = field(default_factory=Target)
    rounds: int = 5
    """Rounds of a full run; slow or exact workloads need fewer."""
    load: Callable[[str], Any] = load
    """Makes of a contender's name what is measured: an engine, or its servers."""
    engines: Sequence[str] = (OURS, THEIRS)
    """Who has what is measured."""
    peers: Mapping[str, Limit] = field(default_factory=dict[str, Limit])
    """The same work with other libraries."""

    @property
    def more_is_better(self) -> bool:
        """Whether the figure is a rate."""
        return self.unit.endswith("/s")


async def microseconds(work: Callable[[], Awaitable[object]], units: int, repeats: int) -> float:
    """The median time of `work` per unit; see `median_of`."""

    async def timed() -> float:
        start = perf_counter()
        await work()
        return perf_counter() - start

    return await median_of(timed, repeats) / units * 1e6


async def median_of(timed: Callable[[], Awaitable[float]], repeats: int) -> float:
    """The median of what it gives, called so many times or more, after one call to warm up.

    Calls go on for `LONG`: where a machine is fast and slow by turns, a few milliseconds would be
    measured in one of its moods, and a contender that takes longer in all of them.
    """
    await timed()
    gc.collect()
    times = list[float]()
    end = perf_counter() + LONG
    while len(times) < repeats or perf_counter() < end:
        times.append(await timed())
    return median(times)


def resident() -> int:
    """Kilobytes of memory that the process holds (Linux)."""
    gc.collect()
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    raise LookupError("/proc/self/status has no VmRSS line; this workload needs Linux")
