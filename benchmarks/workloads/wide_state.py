"""Does a step cost what changed, or what there is?"""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.contenders import Engine
from benchmarks.workload import Stage, Target, Workload, microseconds

CHANNELS, STEPS = 100, 100


async def one_of_many_changes(engine: Engine, stage: Stage) -> float:
    keys = [f"key{i}" for i in range(CHANNELS)]
    schema: Any = type("Wide", (dict,), {"__annotations__": dict.fromkeys(keys, int)})

    async def node(state: Any) -> dict[str, Any]:
        return {"key0": state["key0"] + 1}

    async def path(state: Any) -> str:
        return engine.END if state["key0"] >= STEPS else "node"

    builder = engine.StateGraph(schema).add_node("node", node).add_edge(engine.START, "node")
    builder.add_conditional_edges("node", path, ["node", engine.END])
    run = partial(
        builder.compile().ainvoke, dict.fromkeys(keys, 0), {"recursion_limit": STEPS + 10}
    )
    return await microseconds(run, STEPS, stage.size(11, 5))


WORKLOADS = [
    Workload(
        "wide-state",
        "a step with 100 channels of which one changes, nothing stored",
        "µs/step",
        one_of_many_changes,
        target=Target(ratio=20),
    )
]
