"""Stop a run anywhere and go on: the same end, no finished step twice, ids that only grow."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from actors import ActorSystem, CompiledGraph, Send, StateGraph
from actors.values import END, START
from checkpoint import MemorySaver
from tests.actors.engine import DEADLINE, State, on

ROUNDS = 2
MODES: Any = ["updates", "values", "tasks", "checkpoints"]


class Ran:
    """Counts, per place in the run, how often a node's code was called."""

    def __init__(self) -> None:
        self.calls: Counter[tuple[Any, ...]] = Counter()

    def node(self, name: str, *, sync: bool) -> Any:
        def run(state: Any) -> dict[str, Any]:
            seen = tuple(state["log"]) if isinstance(state, dict) else ("sent", state)
            self.calls[name, *seen] += 1
            return {"log": [name if isinstance(state, dict) else f"{name}{state}"]}

        async def run_async(state: Any) -> dict[str, Any]:
            await asyncio.sleep(0)
            return run(state)

        return run if sync else run_async


def build(ran: Ran, sends: int, mixed: bool) -> CompiledGraph:
    """start -> (left, right) -> join -> spread -> work xN, twice round; a subgraph on the way."""
    inner = StateGraph(State)
    inner.add_node("in1", ran.node("in1", sync=False)).add_node("in2", ran.node("in2", sync=False))
    inner.add_edge(START, "in1").add_edge("in1", "in2")
    sub = inner.compile()

    async def nested(state: Any) -> dict[str, Any]:
        result = await sub.ainvoke({"log": [f"round{state['log'].count('join')}"]})
        return {"log": result["log"][-2:]}

    builder = StateGraph(State)
    for name in ("left", "right", "join", "work"):
        builder.add_node(name, ran.node(name, sync=mixed and name == "left"))
    builder.add_node("nested", nested)
    builder.add_edge(START, "left").add_edge(START, "right").add_edge(["left", "right"], "join")
    builder.add_edge("join", "nested")
    builder.add_conditional_edges("nested", lambda s: [Send("work", n) for n in range(sends)])
    builder.add_conditional_edges(
        "join", lambda s: ["left", "right"] if s["log"].count("join") < ROUNDS else END
    )
    return builder.compile(checkpointer=MemorySaver())


async def in_pieces(graph: CompiledGraph, cuts: list[int], how: str) -> dict[str, Any]:
    """Run a thread to its end, left after so many chunks each time."""
    value: dict[str, Any] | None = {"log": ["in"]}
    for cut in cuts:
        if how == "leave":
            await leave(graph, value, cut)
        else:
            await cancel(graph, value, cut)
        state = await graph.aget_state(on("t"))
        value = {"log": ["in"]} if state.metadata is None else None
        if value is None and not state.next:
            break
    return await graph.ainvoke(value, on("t"), on_busy="reject")


async def leave(graph: CompiledGraph, value: Any, cut: int) -> None:
    stream = graph.astream(value, on("t"), stream_mode="updates")
    async with stream:
        for _ in range(cut):
            if await anext(stream, None) is None:
                return


async def cancel(graph: CompiledGraph, value: Any, cut: int) -> None:
    async with ActorSystem() as system:
        run = await system.start(graph, value, on("t"))
        reader, last = run.stream(MODES), 0
        for _ in range(cut):
            chunk = await anext(reader, None)
            if chunk is None:
                break
            assert chunk.id > last
            last = chunk.id
        await run.cancel()


async def compare(cuts: list[int], sends: int, how: str, *, mixed: bool) -> None:
    ran, straight = Ran(), Ran()
    async with asyncio.timeout(DEADLINE):
        expected = await build(straight, sends, mixed).ainvoke({"log": ["in"]}, on("t"))
        graph = build(ran, sends, mixed)
        assert await in_pieces(graph, cuts, how) == expected
        history = [s async for s in graph.aget_state_history(on("t"))]
    steps = [s.metadata["step"] for s in history if s.metadata]
    assert steps == sorted(steps, reverse=True)
    assert len(set(steps)) == len(steps)
    assert ran.calls.keys() == straight.calls.keys()
    for place, times in ran.calls.items():
        # a task in flight when the run was left may run once more for each time it was left
        assert times <= straight.calls[place] * (1 + len(cuts))


cuts = st.lists(st.integers(0, 8), min_size=1, max_size=4)


@settings(max_examples=25, deadline=None)
@given(cuts, st.integers(0, 3))
def test_a_run_that_its_reader_left_again_and_again_comes_to_the_same_end(
    cuts: list[int], sends: int
) -> None:
    asyncio.run(compare(cuts, sends, "leave", mixed=False))


@settings(max_examples=25, deadline=None)
@given(cuts, st.integers(0, 3), st.booleans())
def test_a_run_that_was_cancelled_again_and_again_comes_to_the_same_end(
    cuts: list[int], sends: int, mixed: bool
) -> None:
    asyncio.run(compare(cuts, sends, "cancel", mixed=mixed))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 12))
def test_in_lockstep_no_finished_step_ever_runs_again(cut: int) -> None:
    async def check() -> None:
        ran = Ran()
        names = [f"n{n}" for n in range(8)]
        builder, before = StateGraph(State), START
        for name in names:
            builder.add_node(name, ran.node(name, sync=False)).add_edge(before, name)
            before = name
        graph = builder.compile(checkpointer=MemorySaver())
        await leave(graph, {"log": []}, cut)
        result = await graph.ainvoke(None, on("t"))
        assert result["log"] == names
        assert set(ran.calls.values()) == {1}

    asyncio.run(check())


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 3), st.lists(st.sampled_from(MODES), min_size=1, unique=True))
def test_chunk_ids_strictly_grow_and_are_the_same_for_every_reader(
    sends: int, modes: list[Any]
) -> None:
    async def check() -> None:
        async with ActorSystem() as system:
            run = await system.start(build(Ran(), sends, False), {"log": []}, on("t"))
            some = [(c.id, c.mode) async for c in run.stream(modes, subgraphs=True)]
            whole = [(c.id, c.mode) async for c in run.stream(MODES, subgraphs=True)]
        ids = [number for number, _ in whole]
        assert ids == sorted(set(ids))
        assert some == [(number, mode) for number, mode in whole if mode in modes]

    asyncio.run(check())
