"""How long does the import take in a fresh process?"""

from __future__ import annotations

import asyncio
import sys

from benchmarks.contenders import IMPORTS, Engine
from benchmarks.workload import Stage, Target, Workload

SCRIPT = "from time import perf_counter as now; t = now(); {}; print(now() - t)"


async def import_time(engine: Engine, stage: Stage) -> float:
    times = sorted([await _once(engine.name) for _ in range(stage.size(7, 3))])
    return times[len(times) // 2] * 1e3


async def _once(name: str) -> float:
    script = SCRIPT.format(IMPORTS[name])
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    return float(out)


WORKLOADS = [
    Workload("import", "the import in a fresh process", "ms", import_time, target=Target(limit=100))
]
