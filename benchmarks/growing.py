"""Measures curves, each contender in its own process; as a command, prints one curve as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .contenders import OURS, is_here, load
from .curves import CURVES
from .growth import Curve, exponent, measure
from .runner import in_own_process

REPEATS, QUICK_REPEATS = 5, 2


@dataclass(frozen=True, slots=True)
class Grown:
    """What a curve's points are, by contender."""

    curve: Curve
    points: dict[str, dict[int, float]]

    @property
    def exponent(self) -> float:
        """The power of the size that our cost grows with."""
        return exponent(self.points[OURS])


def grow(curves: Sequence[Curve], *, quick: bool, say: Callable[[str], None]) -> list[Grown]:
    """Measure every curve; `say` is told of each as it comes."""
    return [_grow(curve, quick=quick, say=say) for curve in curves]


def _grow(curve: Curve, *, quick: bool, say: Callable[[str], None]) -> Grown:
    points = dict[str, dict[int, float]]()
    for contender in (OURS,) if quick else filter(is_here, curve.contenders):
        size = "quick" if quick else "full"
        told = in_own_process("benchmarks.growing", curve.name, contender, size)
        points[contender] = {int(key): cost for key, cost in told.items()}
        costs = ", ".join(f"{cost:,.1f} at {size:,}" for size, cost in points[contender].items())
        say(f"{curve.name:18} {contender:21} µs: {costs} {curve.axis}")
    return Grown(curve, points)


def main(name: str, contender: str, size: str) -> None:
    quick, curve = size == "quick", CURVES[name]
    sizes = curve.sizes_of(contender, quick=quick)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        repeats = QUICK_REPEATS if quick else REPEATS
        points = asyncio.run(measure(curve, load(contender), Path(folder), sizes, repeats))
    print(json.dumps(points))


if __name__ == "__main__":
    main(*sys.argv[1:])
