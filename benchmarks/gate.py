"""Fails where cost grows faster than it should: `python -m benchmarks.gate [--only CURVE …]`.

Only ratios inside one process are judged, of processor time, by bounds that a shape of a wrong kind
(linear in place of flat) misses by far.  A curve that misses its bound is measured once more, so
that a disturbed minute of the machine is not taken for a change.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path
from time import perf_counter

from .contenders import OURS, load
from .curves import CURVES
from .growth import Curve, exponent, measure

REPEATS = 3


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate", description=__doc__)
    parser.add_argument("--only", nargs="+", metavar="CURVE", choices=[*CURVES], default=[*CURVES])
    start = perf_counter()
    wrong = [name for name in parser.parse_args().only if not holds(CURVES[name])]
    print(f"{perf_counter() - start:.0f} s")
    if wrong:
        print(f"cost grows faster than it should with: {', '.join(wrong)}", file=sys.stderr)
    return len(wrong)


def holds(curve: Curve) -> bool:
    """Whether a curve's exponent is within its bound, at one of two attempts."""
    return any(_attempt(curve) for _ in range(2))


def _attempt(curve: Curve) -> bool:
    with tempfile.TemporaryDirectory(prefix="gate-") as folder:
        points = asyncio.run(measure(curve, load(OURS), Path(folder), curve.gate, REPEATS))
    found = exponent(points)
    costs = ", ".join(f"{cost:,.1f} µs at {size:,}" for size, cost in points.items())
    verdict = "holds" if found <= curve.most else "FAILS"
    print(f"{curve.name:10} {verdict}: exponent {found:5.2f} of {curve.most}; {costs} {curve.axis}")
    return found <= curve.most


if __name__ == "__main__":
    sys.exit(main())
