"""The graphs that several workloads share."""

from __future__ import annotations

from typing import Any, TypedDict

from .contenders import Engine


class Count(TypedDict):
    n: int


async def step(state: Any) -> dict[str, Any]:
    return {"n": state["n"] + 1}


def chain(engine: Engine, length: int) -> Any:
    """A builder of async nodes in a row."""
    builder = engine.StateGraph(Count)
    before = engine.START
    for i in range(length):
        name = f"node{i}"
        builder.add_node(name, step)
        builder.add_edge(before, name)
        before = name
    return builder.add_edge(before, engine.END)


def loop(engine: Engine, rounds: int, schema: Any = Count, node: Any = step) -> Any:
    """A builder of one async node that runs again until `n` has reached `rounds`."""

    async def path(state: Any) -> str:
        return engine.END if state["n"] >= rounds else "step"

    builder = engine.StateGraph(schema).add_node("step", node).add_edge(engine.START, "step")
    return builder.add_conditional_edges("step", path, ["step", engine.END])


def on_thread(thread_id: str, steps: int = 100) -> dict[str, Any]:
    """A config for a thread, with room for the steps of a long loop."""
    return {"configurable": {"thread_id": thread_id}, "recursion_limit": steps + 10}
