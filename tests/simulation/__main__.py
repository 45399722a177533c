"""Simulates random graphs, one per seed, on all processors: `python -m tests.simulation 1000`, and
with a second number from that seed on.

Prints seeds per second.  The first seed that breaks a promise ends it, with its shortest log.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.random_graphs import simulated


def counted(seed: int) -> tuple[int, int, int]:
    """Runs, crashes and turns of one seed."""
    found = simulated(seed)
    return found.runs, found.crashes, found.turns


def main(count: int, first: int = 0) -> None:
    workers = os.cpu_count() or 1
    began = time.perf_counter()
    with ProcessPoolExecutor(workers, initializer=gc.freeze) as pool:
        found = pool.map(counted, range(first, first + count), chunksize=4)
        runs, crashes, turns = map(sum, zip(*found, strict=True))
    speed = count / (time.perf_counter() - began)
    print(
        f"{count} seeds from {first}: {runs:,} runs, {crashes:,} crashes, {turns:,} turns of the "
        f"loop, no promise broken; {speed:.1f} seeds per second on {workers} processors"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:] or ["100"]))
