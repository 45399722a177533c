"""A graph that asks at its root and in a subgraph, beside a node that finishes; to be killed."""

from __future__ import annotations

import operator
import os
import signal
from typing import Annotated, Any, TypedDict

from actors import START, Command, CompiledGraph, Interrupt, StateGraph, interrupt
from checkpoint import Saver
from tests.faults.work import Effects

ANSWERS = {"name?": "Ada", "age?": 36, "sure?": "yes"}
"""What is asked, and what a patient caller answers."""
FINAL = ["plan", "other yes", "quiet", "inner Ada 36", "end"]


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


class Inner(TypedDict, total=False):
    said: str
    log: Annotated[list[str], operator.add]


class Nodes:
    """The nodes; the process kills itself when one comes to `die_in`."""

    def __init__(self, effects: Effects, die_in: str) -> None:
        self._effects = effects
        self._die_in = die_in

    async def plan(self, state: State) -> dict[str, Any]:
        return self._said("plan")

    async def inner(self, state: Inner) -> dict[str, Any]:
        self._at("inner begins")
        name = interrupt("name?")
        self._at("inner has a name")
        age = interrupt("age?")
        self._at("inner has an age")
        return {"log": [f"inner {name} {age}"]}

    async def other(self, state: State) -> dict[str, Any]:
        self._at("other begins")
        return {"log": [f"other {interrupt('sure?')}"]}

    async def quiet(self, state: State) -> dict[str, Any]:
        return self._said("quiet")

    async def end(self, state: State) -> dict[str, Any]:
        return self._said("end")

    async def sub(self, state: State) -> dict[str, Any]:
        graph = StateGraph(Inner).add_node(self.inner).add_edge(START, "inner").compile()
        return await graph.ainvoke({"log": []})

    def _said(self, text: str) -> dict[str, Any]:
        self._at(text)
        return {"log": [text]}

    def _at(self, place: str) -> None:
        self._effects.note(place)
        if place == self._die_in:
            os.kill(os.getpid(), signal.SIGKILL)


def build_asking(effects: Effects, saver: Saver, *, die_in: str = "") -> CompiledGraph:
    """The graph, whose nodes write to `effects`."""
    nodes = Nodes(effects, die_in)
    builder = StateGraph(State)
    for node in (nodes.plan, nodes.sub, nodes.other, nodes.quiet, nodes.end):
        builder.add_node(node.__name__, node)
    builder.add_edge(START, "plan")
    for name in ("sub", "other", "quiet"):
        builder.add_edge("plan", name)
    return builder.add_edge(["sub", "other", "quiet"], "end").compile(checkpointer=saver)


def input_of(job: dict[str, Any]) -> Any:
    """What a child is to run with: an answer, nothing, or the first input."""
    if "resume" in job:
        return Command(resume=job["resume"])
    return None if job.get("go_on") else {"log": []}


def plain(data: Any) -> Any:
    """A chunk as JSON has it: interrupts by what they ask."""
    if not isinstance(data, dict):
        return data
    asked: tuple[Interrupt, ...] | None = data.get("__interrupt__")
    if asked is None:
        return data
    return {**data, "__interrupt__": {question.value: question.id for question in asked}}
