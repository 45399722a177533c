"""Whatever order the tasks of a step finish in, a run comes to the same states."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from actors import CompiledGraph, Send, StateGraph
from actors.commands import Begin, MachineCommand, TaskFinished
from actors.superstep import Machine
from actors.values import START
from tests.actors.engine import (
    ALL,
    State,
    emitted,
    facts,
    kept,
    ran,
    restored_of,
    saved,
)

NAMES = "abcd"


def noop(state: Any) -> None:
    """A node that is never called here: machines run no code."""


names = st.sampled_from(NAMES)
edges = st.lists(st.tuples(names, names), max_size=6)
joins = st.lists(st.tuples(st.lists(names, min_size=2, max_size=3, unique=True), names), max_size=2)
graphs = st.builds(
    lambda starts, edges, joins, deferred: (starts, edges, joins, deferred),
    st.lists(names, min_size=1, max_size=4, unique=True),
    edges,
    joins,
    st.sets(names, max_size=1),
)
orders = st.lists(st.integers(0, 11), min_size=1, max_size=12)


def build(shape: Any) -> CompiledGraph:
    """A small graph, cycles and all; steps run out in the end."""
    starts, lines, meets, deferred = shape
    builder = StateGraph(State)
    for name in NAMES:
        builder.add_node(name, noop, defer=name in deferred)
    for name in starts:
        builder.add_edge(START, name)
    for first, second in dict.fromkeys(lines):
        builder.add_edge(first, second)
    for froms, to in meets:
        if to not in froms:
            builder.add_edge(froms, to)
    return builder.compile()


def writes_of(task: Any, sends: int) -> list[tuple[str, Any]]:
    """What a task writes, a pure function of where it stands; now and then it sends."""
    writes: list[tuple[str, Any]] = [("log", [(task.step, *task.path)])]
    if task.node.name == "a" and task.path[0].endswith("pull") and sends:
        writes += [("__pregel_tasks", Send("b", n)) for n in range(sends)]
    return [*writes, *task.node.targets]


def drive(target: Machine, value: Any, order: list[int], sends: int) -> list[MachineCommand]:
    """Run to the end, finishing the tasks of each step in an order picked by `order`."""
    every = commands = target.feed(Begin(value))
    turn = 0
    while tasks := list(ran(commands)):
        commands = []
        while tasks:
            task = tasks.pop(order[turn % len(order)] % len(tasks))
            turn += 1
            commands = commands + target.feed(TaskFinished(task, writes_of(task, sends)))
        every = every + commands
    return every


def machine(graph: CompiledGraph, **more: Any) -> Machine:
    restored = more.pop("restored", None)
    known = facts(persist=True, watch=ALL, recursion_limit=6)
    return Machine(graph.layout, known, restored)


@settings(max_examples=60, deadline=None)
@given(graphs, orders, st.integers(0, 3))
def test_any_order_of_finishing_gives_the_same_states_and_checkpoints(
    shape: Any, order: list[int], sends: int
) -> None:
    graph = build(shape)
    straight, shuffled = machine(graph), machine(graph)
    expected = drive(straight, {"log": ["in"]}, [0], sends)
    found = drive(shuffled, {"log": ["in"]}, order, sends)
    assert shuffled.channels.output() == straight.channels.output()
    assert repr(saved(found)) == repr(saved(expected))
    assert [type(e) for e in emitted(found)] == [type(e) for e in emitted(expected)]
    assert {t.id for t in ran(found)} == {t.id for t in ran(expected)}
    assert len(kept(found)) == len(ran(found))


@settings(max_examples=60, deadline=None)
@given(graphs, orders, st.integers(0, 2), st.data())
def test_a_machine_taken_up_at_any_checkpoint_comes_to_the_same_end(
    shape: Any, order: list[int], sends: int, data: st.DataObject
) -> None:
    graph = build(shape)
    straight = machine(graph)
    whole = drive(straight, {"log": ["in"]}, order, sends)
    checkpoints = saved(whole)
    upto = data.draw(st.integers(2, len(checkpoints)))
    if checkpoints[upto - 1].step >= 6:  # its steps have run out
        return
    restored = restored_of(whole, upto)
    if data.draw(st.booleans()):
        restored.pending = {}
    # no input and no step 0 this time, which the limit of a run has room for
    left = facts(persist=True, watch=ALL, recursion_limit=4 - restored.step)
    again = Machine(graph.layout, left, restored)
    drive(again, None, order, sends)
    assert again.channels.output() == straight.channels.output()
    assert again.step == straight.step
