"""What a workload is: one question, asked of every contender in the same way."""

from __future__ import annotations

import gc
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from .contenders import load


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
    """What must hold: LangGraph's figure at least `ratio` times ours, ours at most `limit`, or ours
    at least `least`."""

    ratio: float | None = None
    limit: float | None = None
    least: float | None = None

    def met(self, ours: float, theirs: float | None) -> bool:
        """Whether the figures meet it."""
        if self.limit is not None:
            return ours <= self.limit
        if self.least is not None:
            return ours >= self.least
        return self.ratio is None or theirs is None or theirs >= self.ratio * ours

    def __str__(self) -> str:
        if self.limit is not None:
            return f"≤ {self.limit:g}"
        if self.least is not None:
            return f"≥ {self.least:,g}"
        return "" if self.ratio is None else f"≥ {self.ratio:g} ×"


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
    """The same work with bare asyncio, where that has a meaning."""
    target: Target = field(default_factory=Target)
    rounds: int = 5
    """Rounds of a full run; slow or exact workloads need fewer."""
    load: Callable[[str], Any] = load
    """Makes of a contender's name what is measured: an engine, or its servers."""

    @property
    def more_is_better(self) -> bool:
        """Whether the figure is a rate."""
        return self.unit.endswith("/s")


async def microseconds(work: Callable[[], Awaitable[object]], units: int, repeats: int) -> float:
    """The median time of `work` per unit, after one call to warm up."""
    await work()
    gc.collect()
    times = list[float]()
    for _ in range(repeats):
        start = perf_counter()
        await work()
        times.append(perf_counter() - start)
    return sorted(times)[repeats // 2] / units * 1e6
