"""How cost grows: what a curve is, its points, and the exponent that fits them.

A point is the processor time of one unit of work (a step, a chunk) at one size, the median of
several repeats that the sizes take by turns.  Processor time, unlike time on the wall, hardly
depends on what else the machine does, and the shape of a curve not at all on how fast it is.
"""

from __future__ import annotations

import gc
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import process_time

from .contenders import OURS, THEIRS, Engine


@dataclass(frozen=True, slots=True)
class Probe:
    """Work at one size, and how many units it is."""

    work: Callable[[], Awaitable[object]]
    units: int


Prepare = Callable[[Engine, Path, int], AbstractAsyncContextManager[Probe]]


@dataclass(frozen=True, slots=True)
class Curve:
    """One question about growth: what a unit costs at each size."""

    name: str
    question: str
    axis: str
    """What the sizes count."""
    prepare: Prepare
    """Gives what is measured at a size, in an empty folder."""
    sizes: Sequence[int]
    gate: Sequence[int]
    """The sizes that are compared on every change."""
    most: float
    """The largest exponent that is right: cost grows with size ** exponent; 0 is flat, 1 linear."""
    quick: int = 1_000_000_000
    """The largest size of a quick run."""
    theirs: int = 0
    """The largest size that LangGraph is asked for."""

    def sizes_of(self, contender: str, *, quick: bool) -> list[int]:
        """The sizes that a contender is measured at."""
        bounds = [self.sizes[-1]]
        if quick:
            bounds.append(self.quick)
        if contender == THEIRS:
            bounds.append(self.theirs)
        return [size for size in self.sizes if size <= min(bounds)]

    @property
    def contenders(self) -> list[str]:
        """Who is measured."""
        return [OURS, THEIRS] if self.theirs else [OURS]


def exponent(points: Mapping[int, float]) -> float:
    """The power of the size that cost grows with: the slope of the least squares of logarithms.

    >>> round(exponent({10: 5.0, 100: 50.0, 1000: 500.0}), 6)
    1.0
    """
    xs = [math.log(size) for size in points]
    ys = [math.log(max(cost, 1e-12)) for cost in points.values()]
    x, y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((each - x) ** 2 for each in xs)
    return sum((a - x) * (b - y) for a, b in zip(xs, ys, strict=True)) / spread


async def measure(
    curve: Curve, engine: Engine, folder: Path, sizes: Sequence[int], repeats: int
) -> dict[int, float]:
    """Microseconds of processor time a unit, by size."""
    times = {size: list[float]() for size in sizes}
    async with AsyncExitStack() as stack:
        probes = dict[int, Probe]()
        for size in sizes:
            place = folder / str(size)
            place.mkdir()
            probes[size] = await stack.enter_async_context(curve.prepare(engine, place, size))
            await probes[size].work()
        for _ in range(repeats):
            for size, probe in probes.items():
                times[size].append(await _timed(probe))
    return {size: median(found) for size, found in times.items()}


async def _timed(probe: Probe) -> float:
    gc.collect()
    start = process_time()
    await probe.work()
    return (process_time() - start) / probe.units * 1e6
