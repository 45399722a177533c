"""Other libraries on the workloads that fit them; each module is imported in its own process.

A module has one function per workload, which takes the number of steps and gives what runs them.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module

from benchmarks.workload import Limit, Stage, microseconds


def peers(what: str, steps: int, *names: str) -> dict[str, Limit]:
    """The measures of those libraries on a workload, in microseconds a step."""
    return {name: partial(_measure, name, what, steps) for name in names}


async def _measure(name: str, what: str, steps: int, stage: Stage) -> float:
    module = import_module(f"benchmarks.peers.{name.replace('-', '_')}")
    run = getattr(module, what)(steps)

    async def runs() -> None:
        for _ in range(times):
            await run()

    times = max(1, 100 // steps)
    return await microseconds(runs, times * steps, stage.size(7, 3))
