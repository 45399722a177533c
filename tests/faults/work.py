"""The graph that crash tests kill: every task says before it works that it runs, in a file.

Three rounds of: a plan (sync), a fan-out of Sends and parallel nodes (async and sync), a join, and
a subgraph of two steps.  Every update carries the keys of the tasks that made it, so that a test
can tell from a state which tasks are in it.
"""

from __future__ import annotations

import asyncio
import operator
import os
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, TypedDict

from actors import END, START, CompiledGraph, Send, StateGraph, StreamWriter
from checkpoint import Saver

ROUNDS = 3
WORKERS = 3
INPUT = {"topic": "understudies"}


class State(TypedDict, total=False):
    topic: str
    round: int
    log: Annotated[list[dict[str, str]], operator.add]
    notes: list[dict[str, str]]
    total: int


class Notes(TypedDict, total=False):
    round: int
    notes: Annotated[list[dict[str, str]], operator.add]


class Effects:
    """What tasks did in the world, as lines of a file: it is written before a task works, and
    tells of every execution, also of those that a crash took back."""

    def __init__(self, path: Path, attempt: int) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._attempt = attempt

    def note(self, key: str) -> None:
        """Add a line in one write, so that it is there as a whole or not at all."""
        os.write(self._fd, f"{self._attempt} {key}\n".encode())

    def close(self) -> None:
        os.close(self._fd)

    @staticmethod
    def read(path: Path) -> dict[int, Counter[str]]:
        """How often each attempt ran each task."""
        counts: dict[int, Counter[str]] = {}
        for line in path.read_text().splitlines() if path.exists() else ():
            attempt, key = line.split(" ", 1)
            counts.setdefault(int(attempt), Counter())[key] += 1
        return counts


def message(key: str) -> dict[str, str]:
    """A message of a size that depends on its task alone."""
    return {"key": key, "text": f"{key} " * (5 + len(key) * 7 % 23)}


def keys_of(values: Any) -> set[str]:
    """The tasks whose messages stand in a state or an update (of any of the two graphs)."""
    if not isinstance(values, dict):
        return set()
    return {entry["key"] for name in ("log", "notes") for entry in values.get(name) or ()}


class Nodes:
    """The nodes of the graph; the async task `hang_at` never ends."""

    def __init__(self, effects: Effects, hang_at: str) -> None:
        self._effects = effects
        self._hang_at = hang_at

    def plan(self, state: State) -> dict[str, Any]:
        number = state.get("round", 0) + 1
        return {"round": number, "log": self._said(f"{number}/plan")}

    def spread(self, state: State) -> list[Any]:
        sends = [Send("work", {"round": state["round"], "n": n}) for n in range(WORKERS)]
        return ["left", *sends, "right"]

    async def work(self, part: dict[str, int], writer: StreamWriter) -> dict[str, Any]:
        key = f"{part['round']}/work {part['n']}"
        said = self._said(key)
        if key == self._hang_at:
            await asyncio.Event().wait()
        for turn in range(part["n"] * 20):
            await asyncio.sleep(0)
            if turn % 20 == 10:
                writer({"at": key, "turn": turn})
        return {"log": said}

    def left(self, state: State) -> dict[str, Any]:
        return {"log": self._said(f"{state['round']}/left")}

    async def right(self, state: State) -> dict[str, Any]:
        return {"log": self._said(f"{state['round']}/right")}

    def join(self, state: State) -> dict[str, Any]:
        return {"log": self._said(f"{state['round']}/join"), "total": len(state["log"])}

    async def think(self, state: Notes) -> dict[str, Any]:
        return {"notes": self._said(f"{state['round']}/inner.think")}

    def say(self, state: Notes) -> dict[str, Any]:
        return {"notes": self._said(f"{state['round']}/inner.say")}

    def _said(self, key: str) -> list[dict[str, str]]:
        self._effects.note(key)
        return [message(key)]


def build(effects: Effects, saver: Saver, *, hang_at: str = "") -> CompiledGraph:
    """The graph, whose nodes write to `effects`."""
    nodes = Nodes(effects, hang_at)
    inner = StateGraph(Notes).add_sequence([nodes.think, nodes.say]).add_edge(START, "think")
    builder = StateGraph(State)
    for node in (nodes.plan, nodes.work, nodes.left, nodes.right, nodes.join):
        builder.add_node(node.__name__, node)
    builder.add_node("inner", inner.compile())
    builder.add_edge(START, "plan")
    builder.add_conditional_edges("plan", nodes.spread)
    builder.add_edge(["left", "right"], "join")
    builder.add_edge("join", "inner")
    builder.add_conditional_edges("inner", lambda s: "plan" if s["round"] < ROUNDS else END)
    return builder.compile(checkpointer=saver)
