"""Random histories: what is old stays as it was, and every step gives what LangGraph gives."""

from __future__ import annotations

import operator
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypedDict

from hypothesis import given, settings
from hypothesis import strategies as st

from actors import START, ActorsError, Command, StateGraph, StateUpdate, interrupt
from checkpoint import MemorySaver, SqliteSaver
from tests.parity import lib
from tests.parity.journeys import Journey, Traveller, travel_sync

OURS, THEIRS = lib.ours(), lib.theirs()
THREAD = {"configurable": {"thread_id": "t"}}
Step = tuple[Any, ...]
"""What is done, where (a number that picks an old checkpoint; None: the newest), and with what."""


def highest(one: int, other: int) -> int:
    return max(one, other)


class Walk(TypedDict, total=False):
    log: Annotated[list, operator.add]
    n: Annotated[int, highest]


def walk(k: Any) -> Any:
    """a; ask, which asks when n is odd; c or back to a, which n decides; beside c there is d."""

    def ask(state):
        return {"log": [f"ask{k.interrupt('?') if state['n'] % 2 else ''}"]}

    def way(state):
        return ["c", "d"] if state["n"] > 1 else "a"

    builder = k.StateGraph(Walk).add_node("a", lambda s: {"log": ["a"], "n": s.get("n", 0) + 1})
    builder.add_node("ask", ask).add_node("c", lambda s: {"log": ["c"]})
    builder.add_node("d", lambda s: {"log": ["d"]}).add_node("e", lambda s: {"log": ["e"]})
    builder.add_edge(k.START, "a").add_edge("a", "ask").add_edge(["c", "d"], "e")
    return builder.add_conditional_edges("ask", way)


# --- the same as LangGraph ---------------------------------------------------------------------

numbers = st.integers(0, 9)
values = st.fixed_dictionaries({"log": st.lists(st.sampled_from("xyz"), max_size=1), "n": numbers})
nodes = st.sampled_from(["a", "ask", "c", "d", "e", "__start__", "__input__"])
steps = st.one_of(
    st.tuples(st.just("run"), st.none(), values),
    st.tuples(st.just("run"), numbers, values),
    st.tuples(st.just("go on"), st.none() | numbers),
    st.tuples(st.just("resume"), st.sampled_from("pq")),
    st.tuples(st.just("update"), st.none() | numbers, values, nodes | st.none()),
    st.tuples(st.just("copy"), st.none() | numbers),
    st.tuples(st.just("end"), st.none() | numbers),
    st.tuples(st.just("bulk"), st.none() | numbers, st.lists(st.tuples(values, nodes), max_size=3)),
)
histories = st.tuples(values, st.lists(steps, min_size=1, max_size=7)).map(
    lambda made: [("run", None, made[0]), *made[1]]
)
"""The first run lets nodes run: where none has, LangGraph cannot always tell whose update it is."""


async def place(t: Traveller, number: int | None) -> Any:
    """The config of an older checkpoint; None (the newest) where there is no older one."""
    found = await t.history()
    return found[1 + number % (len(found) - 1)].config if number is not None and found[1:] else None


async def take(k: Any, t: Traveller, step: Step) -> None:
    match step:
        case "run", number, value:
            await t.run(value, at=await place(t, number))
        case "go on", number:
            await t.run(at=await place(t, number))
        case "resume", answer:
            if (await t.look()).interrupts:
                await t.run(k.Command(resume=answer))
        case "update", number, value, node:
            await t.update(value, node, at=await place(t, number))
        case "copy", number:
            await t.update(None, "__copy__", at=await place(t, number))
        case "end", number if (
            await t.history()
        ):  # LangGraph cannot go on with what it makes of none
            await t.update(None, "__end__", at=await place(t, number))
        case "bulk", number, updates:
            await t.bulk(*([update] for update in updates), at=await place(t, number))
        case _:
            assert step[0] == "end"


def journey_of(history: list[Step]) -> Journey:
    async def go(k: Any, t: Traveller) -> None:
        for step in history:
            await take(k, t, step)

    return Journey("random", walk, go, history=True, fittings={})


@settings(max_examples=30, deadline=None)
@given(histories, st.sampled_from(["memory", "sqlite"]))
def test_every_step_of_a_history_gives_what_langgraph_gives(history: list[Step], kind: str) -> None:
    trip = journey_of(history)
    with tempfile.TemporaryDirectory() as folder:
        ours = travel_sync(trip, OURS, kind, Path(folder, "ours.db"))
    assert ours == travel_sync(trip, THEIRS, "memory", Path("unused"))


# --- what is old stays as it was ---------------------------------------------------------------


class Memory(TypedDict, total=False):
    log: Annotated[list, operator.add]
    heard: Annotated[list, operator.add]


def remembering(saver: Any) -> Any:
    """The same walk, with a graph on its way that keeps its state."""

    def hear(state: Any) -> Any:
        return {"heard": [len(state["log"])], "log": [f"heard {len(state.get('heard', []))}"]}

    inner = StateGraph(Memory).add_node("hear", hear).add_edge(START, "hear")
    memory = inner.compile(checkpointer=True)

    def ask(state: Any) -> Any:
        said = memory.invoke({"log": state["log"]})["heard"]
        return {"log": [f"{said}{interrupt('?') if state['n'] % 2 else ''}"]}

    builder = StateGraph(Walk).add_node("a", lambda s: {"log": ["a"], "n": s.get("n", 0) + 1})
    builder.add_node("ask", ask).add_node("c", lambda s: {"log": ["c"]})
    builder.add_edge(START, "a").add_edge("a", "ask")
    builder.add_conditional_edges("ask", lambda s: "c" if s["n"] > 1 else "a")
    return builder.compile(checkpointer=saver)


@contextmanager
def opened(kind: str) -> Iterator[Any]:
    if kind == "memory":
        yield MemorySaver()
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        SqliteSaver.from_conn_string(str(Path(folder, "walk.db"))) as saver,
    ):
        yield saver


def act(graph: Any, step: Step, durability: str) -> None:
    """The same steps as above; what cannot be done is refused and changes nothing."""
    found = list(graph.get_state_history(THREAD))
    number = step[1] if step[0] != "resume" else None
    config = THREAD if number is None or not found else found[number % len(found)].config
    try:
        match step:
            case "run", _, value:
                graph.invoke(value, config, durability=durability)
            case "go on", _:
                graph.invoke(None, config, durability=durability)
            case "resume", answer:
                graph.invoke(Command(resume=answer), THREAD, durability=durability)
            case "update", _, value, node:
                graph.update_state(config, value, node)
            case "copy", _:
                graph.update_state(config, None, "__copy__")
            case "end", _:
                graph.update_state(config, None, "__end__")
            case _, _, updates:
                graph.bulk_update_state(config, [[StateUpdate(*update)] for update in updates])
            case _:
                raise AssertionError(step)
    except (ActorsError, LookupError):
        assert len(list(graph.get_state_history(THREAD))) >= len(found)


def seen(state: Any) -> Any:
    """All of a snapshot but what its tasks have come to since."""
    tasks = [(task.id, task.name, task.path) for task in state.tasks]
    return state.values, state.next, state.metadata, state.created_at, state.parent_config, tasks


@settings(max_examples=30, deadline=None)
@given(histories, st.sampled_from(["memory", "sqlite"]), st.sampled_from(["sync", "async", "exit"]))
def test_every_old_checkpoint_loads_as_it_was_written(
    history: list[Step], kind: str, durability: str
) -> None:
    with opened(kind) as saver:
        graph = remembering(saver)
        written: dict[str, Any] = {}
        for step in history:
            act(graph, step, durability)
            found = list(graph.get_state_history(THREAD))
            for state in found:
                written.setdefault(state.config["configurable"]["checkpoint_id"], seen(state))
            assert [written[s.config["configurable"]["checkpoint_id"]] for s in found] == [
                seen(state) for state in found
            ]
        assert len(written) == len(list(graph.get_state_history(THREAD)))


@settings(max_examples=30, deadline=None)
@given(histories, numbers, st.sampled_from(["memory", "sqlite"]))
def test_a_replay_ends_alike_however_often_and_whatever_came_between(
    history: list[Step], number: int, kind: str
) -> None:
    with opened(kind) as saver:
        graph = remembering(saver)
        graph.invoke({"log": ["first"], "n": 0}, THREAD)
        found = list(graph.get_state_history(THREAD))
        old = found[1 + number % (len(found) - 1)].config
        before = graph.invoke(None, old)
        for step in history:
            act(graph, step, "async")
        assert plain(graph.invoke(None, old)) == plain(before)


def plain(values: Any) -> Any:
    """The values without the ids of interrupts, which name the checkpoint."""
    return {**values, "__interrupt__": len(values.get("__interrupt__", ()))}
