"""The graphs that both servers serve: one text, but for the lines that import."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks.contenders import OURS, THEIRS

IMPORTS = {
    OURS: "from actors import START, StateGraph, get_stream_writer",
    THEIRS: "from langgraph.config import get_stream_writer\n"
    "from langgraph.graph import START, StateGraph",
}
GRAPHS = '''"""A joke in two steps, a node that writes events as fast as it can, and one that runs
again and again, or waits until the process dies."""

import asyncio
import operator
import time
from pathlib import Path
from typing import Annotated, Any, TypedDict

{imports}


class State(TypedDict, total=False):
    topic: str
    joke: str


class Burst(TypedDict, total=False):
    count: int
    gate: str


class Count(TypedDict, total=False):
    lines: Annotated[list[str], operator.add]
    gate: str


def refine_topic(state: State) -> dict[str, Any]:
    return {{"topic": state["topic"] + " and cats"}}


def generate_joke(state: State) -> dict[str, Any]:
    return {{"joke": f"This is a joke about {{state['topic']}}"}}


def write_all(state: Burst) -> dict[str, Any]:
    gate = state.get("gate")
    while gate and not Path(gate).exists():
        time.sleep(0.002)
    write = get_stream_writer()
    for n in range(state["count"]):
        write({{"n": n}})
    return {{"count": state["count"]}}


async def add_line(state: Count) -> dict[str, Any]:
    gate = state.get("gate")
    if gate and not Path(gate).exists():
        await asyncio.Event().wait()
    return {{"lines": [f"line {{len(state['lines'])}}"]}}


def more(state: Count) -> str:
    return "add_line" if len(state["lines"]) < 9 else "__end__"


joke = (
    StateGraph(State)
    .add_node(refine_topic)
    .add_node(generate_joke)
    .add_edge(START, "refine_topic")
    .add_edge("refine_topic", "generate_joke")
    .compile()
)
burst = StateGraph(Burst).add_node(write_all).add_edge(START, "write_all").compile()
counting = StateGraph(Count).add_node(add_line).add_edge(START, "add_line")
counting.add_conditional_edges("add_line", more)
count = counting.compile()
'''


def write_project(folder: Path, contender: str) -> Path:
    """Put the graphs and their langgraph.json into a folder; the latter's path."""
    (folder / "graphs.py").write_text(GRAPHS.format(imports=IMPORTS[contender]))
    config = folder / "langgraph.json"
    graphs = {name: f"./graphs.py:{name}" for name in ("joke", "burst", "count")}
    config.write_text(json.dumps({"dependencies": ["."], "graphs": graphs}))
    return config
