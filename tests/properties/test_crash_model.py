"""Any graph, dead at any commit: the thread holds what was seen and goes on to the same end.

The storage dies at the n-th commit and with it the run; what it had stored by then is what a killed
process leaves.  (`tests/faults` kills real processes.)
"""

from __future__ import annotations

import asyncio
import operator
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

import hypothesis.strategies as st
from hypothesis import example, given, settings

from actors import START, CompiledGraph, Send, StateGraph
from checkpoint import Batch, DatabaseError, MemorySaver

CONFIG: Any = {"configurable": {"thread_id": "thread"}}
INPUT = {"log": ["input"]}
ALIVE = 1 << 30


class State(TypedDict, total=False):
    log: Annotated[list[str], operator.add]


@dataclass(frozen=True)
class Layer:
    """Nodes side by side, all followed by all of the next layer; the first one may send."""

    kinds: tuple[str, ...]
    sends: int


LAYERS = st.builds(
    Layer,
    kinds=st.lists(st.sampled_from(["sync", "async", "graph"]), min_size=1, max_size=3).map(tuple),
    sends=st.integers(0, 3),
)


class MortalSaver(MemorySaver):
    """Keeps what was committed before it died."""

    def __init__(self, commits: int) -> None:
        super().__init__()
        self.left = commits
        """Commits until it dies."""

    async def commit(self, batch: Batch) -> None:
        if self.left == 0:
            raise DatabaseError("the disk is gone; put it back")
        self.left -= 1
        await super().commit(batch)


@dataclass
class World:
    """Which tasks ran, for each attempt."""

    attempts: list[Counter[str]] = field(default_factory=list)

    def note(self, key: str) -> dict[str, list[str]]:
        self.attempts[-1][key] += 1
        return {"log": [key]}


def build(layers: list[Layer], world: World, saver: MemorySaver) -> CompiledGraph:
    builder = StateGraph(State)
    before: list[str] = [START]
    for number, layer in enumerate(layers):
        names = [f"{number}.{place}" for place in range(len(layer.kinds))]
        for name, kind in zip(names, layer.kinds, strict=True):
            builder.add_node(name, _node(world, name, kind))
            for source in before:
                builder.add_edge(source, name)
        if layer.sends:
            _add_sends(builder, world, names[0], layer.sends)
        before = names
    return builder.compile(checkpointer=saver)


def _add_sends(builder: StateGraph, world: World, source: str, count: int) -> None:
    async def worker(key: str) -> dict[str, list[str]]:
        return world.note(key)

    sends = [Send(f"{source} worker", f"{source} send {n}") for n in range(count)]
    builder.add_node(f"{source} worker", worker)
    builder.add_conditional_edges(source, lambda _: sends, [f"{source} worker"])


def _node(world: World, name: str, kind: str) -> Any:
    def plain(state: State) -> dict[str, list[str]]:
        return world.note(name)

    async def waiting(state: State) -> dict[str, list[str]]:
        await asyncio.sleep(0)
        return world.note(name)

    if kind == "sync":
        return plain
    if kind == "async":
        return waiting
    builder = StateGraph(State)
    builder.add_node("first", lambda _: world.note(f"{name} first"))
    builder.add_node("second", lambda _: world.note(f"{name} second"))
    inner = builder.add_edge(START, "first").add_edge("first", "second").compile()

    async def calling(state: State) -> dict[str, list[str]]:
        given = await inner.ainvoke({"log": []})
        return {"log": [*given["log"], *world.note(name)["log"]]}

    return calling


async def attempt(graph: CompiledGraph, world: World, value: Any) -> tuple[set[str], Any, bool]:
    """Run until the end or the death of the storage; gives the tasks whose updates were seen, the
    last state seen, and whether it came to the end."""
    world.attempts.append(Counter())
    seen: set[str] = set()
    state: Any = None
    try:
        async for mode, data in graph.astream(value, CONFIG, stream_mode=["updates", "values"]):
            if mode == "values":
                state = data
            else:
                seen |= {key for update in data.values() for key in update.get("log", ())}
    except DatabaseError:
        return seen, state, False
    return seen, state, True


async def live_through(layers: list[Layer], deaths: list[int]) -> tuple[Any, World, int]:
    """Run a graph, dying after so many commits of each attempt; gives its end, and how many
    commits the last attempt took."""
    world, saver = World(), MortalSaver(0)
    graph = build(layers, world, saver)
    stored: set[str] = set()
    for commits in [*deaths, ALIVE]:
        begun = (await graph.aget_state(CONFIG)).metadata is not None
        saver.left = commits
        seen, last, ended = await attempt(graph, world, None if begun else INPUT)
        used = commits - saver.left
        assert stored.isdisjoint(world.attempts[-1]), "what was stored ran again"
        assert set(world.attempts[-1].values()) <= {1}
        state = await graph.aget_state(CONFIG)
        assert seen <= set(state.values.get("log", [])), "what was seen is lost"
        assert last is None or last["log"] == state.values["log"][: len(last["log"])]
        stored = set(state.values.get("log", []))
        if ended:
            assert state.next == ()
            return state.values, world, used
        assert state.next or state.metadata is None, "next is falsely empty"
    raise AssertionError("it never came to its end")


def moments(commits: int, second: int) -> Iterator[list[int]]:
    """Every commit as the only death, and each with a second death some commits after it."""
    for first in range(commits):
        yield [first]
        yield [first, second]


@settings(max_examples=12, deadline=None)
@given(layers=st.lists(LAYERS, min_size=1, max_size=3), second=st.integers(0, 4))
@example(layers=[Layer(("sync",), 3), Layer(("async", "graph", "sync"), 0)], second=1)
@example(layers=[Layer(("graph",), 0)], second=2)
def test_dead_at_any_commit_a_thread_goes_on_to_the_same_end(
    layers: list[Layer], second: int
) -> None:
    async def every_moment() -> None:
        end, whole, commits = await live_through(layers, [])
        assert commits >= len(layers)
        for deaths in moments(commits, second):
            again, world, _ = await live_through(layers, deaths)
            assert again == end
            total = sum(world.attempts, Counter[str]())
            assert set(total) == set(whole.attempts[0])
            assert max(total.values()) <= 1 + len(deaths)

    asyncio.run(every_moment())
