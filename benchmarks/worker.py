"""Measures one contender on one workload, in a process of its own; prints the figure as JSON."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from pathlib import Path

from .contenders import LIMIT
from .workload import Stage, Workload
from .workloads import WORKLOADS


def main(name: str, contender: str, size: str) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        stage = Stage(quick=size == "quick", folder=Path(folder))
        figure = asyncio.run(_measure(WORKLOADS[name], contender, stage))
    print(json.dumps(figure))


async def _measure(workload: Workload, contender: str, stage: Stage) -> float:
    if contender == LIMIT:
        if workload.limit is None:
            raise LookupError(f"{workload.name} has no bare-asyncio form; measure an engine")
        return await workload.limit(stage)
    if contender in workload.peers:
        return await workload.peers[contender](stage)
    return await workload.measure(workload.load(contender), stage)


if __name__ == "__main__":
    main(*sys.argv[1:])
