"""Runs that go back to a checkpoint inside a subgraph: the same nodes run, with the same end.

Journeys compare snapshots too, and in those that follow such a run LangGraph shows where inside it
went back to, as if the root had parents.
"""

import operator
from pathlib import Path
from typing import Annotated, Any, TypedDict

import pytest

from .lib import Engine

THREAD = {"configurable": {"thread_id": "t"}}


class Log(TypedDict, total=False):
    log: Annotated[list, operator.add]


def build(k: Engine, saver: Any, depth: int, *, kept: bool) -> Any:
    """pre → sub → last, and in `sub` (or in `sub` of `sub`): one → two → ask."""

    def says(word: str) -> Any:
        return lambda state: {"log": [word]}

    graph = k.StateGraph(Log).add_node("one", says("one")).add_node("two", says("two"))
    graph.add_node("ask", lambda state: {"log": [k.interrupt("?")]}).add_edge(k.START, "one")
    graph.add_edge("one", "two").add_edge("two", "ask")
    for _ in range(depth):
        outer = k.StateGraph(Log).add_node("pre", says("pre")).add_edge(k.START, "pre")
        outer.add_node("sub", graph.compile(checkpointer=True if kept else None))
        outer.add_node("last", says("last")).add_edge("pre", "sub").add_edge("sub", "last")
        graph = outer
    return graph.compile(checkpointer=saver)


def inside(graph: Any, depth: int) -> str:
    """The namespace of the graph that asks."""
    state = graph.get_state(THREAD, subgraphs=True)
    for _ in range(depth):
        state = state.tasks[0].state
    return state.config["configurable"]["checkpoint_ns"]


def went_back(k: Engine, saver: Any, to: str, depth: int, *, kept: bool, patch: bool) -> Any:
    graph = build(k, saver, depth, kept=kept)
    graph.invoke({"log": []}, THREAD)
    ns = inside(graph, depth)
    place = {"configurable": {"thread_id": "t", "checkpoint_ns": ns}}
    graph.invoke(k.Command(resume="first"), THREAD)
    old = next(s for s in graph.get_state_history(place) if s.next == (to,)).config
    if patch:
        old = graph.update_state(old, {"log": ["patched"]})
    ran = [
        [part.partition(":")[0] for part in where] + sorted(chunk)
        for where, chunk in graph.stream(None, old, stream_mode="updates", subgraphs=True)
    ]
    end = graph.invoke(k.Command(resume="second"), THREAD)
    steps = [(s.next, s.metadata["source"]) for s in graph.get_state_history(THREAD)]
    return ran, end, steps


@pytest.mark.parametrize("patch", [False, True])
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("to", ["ask", "two", "one"])
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_the_same_nodes_run_to_the_same_end(
    kind: str,
    to: str,
    kept: bool,
    depth: int,
    patch: bool,
    ours: Engine,
    theirs: Engine,
    tmp_path: Path,
) -> None:
    with theirs.saver(kind, tmp_path / "theirs.db") as saver:
        expected = went_back(theirs, saver, to, depth, kept=kept, patch=patch)
    with ours.saver(kind, tmp_path / "ours.db") as saver:
        assert went_back(ours, saver, to, depth, kept=kept, patch=patch) == expected
