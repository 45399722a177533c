"""How long does the import take in a fresh process?"""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from pathlib import Path

from benchmarks.contenders import IMPORTS, Engine
from benchmarks.workload import Stage, Target, Workload, median_of

SCRIPT = "from time import perf_counter as now; t = now(); {}; print(now() - t)"


async def import_time(engine: Engine, stage: Stage) -> float:
    once = partial(_once, engine.name, stage.folder)  # the call to warm up compiles the modules
    return await median_of(once, stage.size(11, 1)) * 1e3


async def _once(name: str, bytecode: Path) -> float:
    """Seconds of one import; bytecode is kept, whatever the surroundings say of it."""
    env = {**os.environ, "PYTHONPYCACHEPREFIX": str(bytecode), "PYTHONDONTWRITEBYTECODE": ""}
    script = SCRIPT.format(IMPORTS[name])
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE, env=env
    )
    out, _ = await process.communicate()
    return float(out)


WORKLOADS = [
    Workload("import", "the import in a fresh process", "ms", import_time, target=Target(limit=100))
]
