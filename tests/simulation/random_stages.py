"""Stages of random graphs: nodes side by side, sends, loops, branches, commands, ways out."""

from __future__ import annotations

import asyncio
from typing import Any

from actors import Command, NodeError, RetryPolicy, Runtime, Send, interrupt
from tests.simulation.drafts import Draft, State, chosen, seen_by
from tests.simulation.random_nodes import attempt_of


def side_by_side(draft: Draft) -> None:
    names = [draft.node() for _ in range(draft.dice.randint(1, 3))]
    draft.follow(*names)
    draft.ends = names


def loop(draft: Draft) -> None:
    name, times, pause = draft.name("loop"), draft.dice.randint(1, 4), draft.pause()

    async def turn(state: State) -> State:
        await asyncio.sleep(pause)
        return seen_by(name, state)

    def again(state: State) -> str:
        done = sum(item.startswith(name) for item in state["log"])
        return "again" if done % times else "on"

    after = draft.node()
    draft.builder.add_node(name, turn)
    draft.follow(name)
    draft.builder.add_conditional_edges(name, again, {"again": name, "on": after})
    draft.ends = [after]


def branch(draft: Draft) -> None:
    source, left, right = draft.node(), draft.node(), draft.node()

    async def choose(state: State) -> str:
        await asyncio.sleep(0)
        return left if len(state["log"]) % 2 else right

    draft.follow(source)
    draft.builder.add_conditional_edges(source, choose, [left, right])
    join(draft, left, right)


def deferred(draft: Draft) -> None:
    """A short way and a long one, and a node that waits for both."""
    short, first, second, end = *(draft.node() for _ in range(3)), draft.name("deferred")
    draft.builder.add_node(end, lambda state: seen_by(end, state), defer=True)
    draft.follow(short, first)
    draft.builder.add_edge(first, second)
    draft.builder.add_edge(short, end)
    draft.builder.add_edge(second, end)
    draft.ends = [end]


def join(draft: Draft, left: str, right: str) -> None:
    after = draft.node()
    draft.builder.add_edge(left, after)
    draft.builder.add_edge(right, after)
    draft.ends = [after]


# --- sends --------------------------------------------------------------------------------------


def sends(draft: Draft) -> None:
    source, worker = draft.node(), worker_node(draft)
    count, timeout = draft.dice.randint(0, 4), draft.dice.choice((None, 5.0))

    def fan_out(state: State) -> list[Send]:
        last = state.get("last", "")[-6:]
        return [Send(worker, f"{last} {number}", timeout=timeout) for number in range(count)]

    draft.follow(source)
    draft.builder.add_conditional_edges(source, fan_out, [worker])
    after = draft.node()
    draft.builder.add_edge(source, after)
    draft.ends = [after]


def commanded_sends(draft: Draft) -> None:
    name, worker, count = draft.name("spread"), worker_node(draft), draft.dice.randint(1, 3)

    def spread(state: State) -> Command[Any]:
        items = [Send(worker, f"{name} {number}") for number in range(count)]
        return Command(update=seen_by(name, state), goto=items)

    draft.builder.add_node(name, spread, destinations=(worker,))
    draft.follow(name)
    after = draft.node()
    draft.builder.add_edge(name, after)
    draft.ends = [after]


def worker_node(draft: Draft) -> str:
    """A node that is sent items: it waits, asks, or fails first."""
    name, pause = draft.name("worker"), draft.pause()
    kind = draft.dice.choice(["wait", "ask", "fail"])

    async def work(item: str, runtime: Runtime) -> State:
        await asyncio.sleep(pause)
        if kind == "fail" and attempt_of(runtime) == 1:
            raise ConnectionError("the first attempt fails")
        found = interrupt(f"{name} {item}?") if kind == "ask" else item
        return {"log": [f"{name} {found}"]}

    draft.builder.add_node(name, work, retry_policy=RetryPolicy(0.1))
    return name


# --- commands -----------------------------------------------------------------------------------


def command(draft: Draft) -> None:
    name, left, right = draft.name("command"), draft.node(), draft.node()

    async def go(state: State) -> Command[Any]:
        return Command(update=seen_by(name, state), goto=chosen(name, state, (left, right)))

    draft.builder.add_node(name, go, destinations=(left, right))
    draft.follow(name)
    join(draft, left, right)


def rescue(draft: Draft) -> None:
    """A node fails, and its handler says where to go."""
    name, left, right = draft.name("rescue"), draft.node(), draft.node()

    async def fail(state: State) -> State:
        raise LookupError(f"{name} never works")

    async def handle(state: State, error: NodeError) -> Command[Any]:
        return Command(
            update=seen_by(error.node, state), goto=chosen(error.node, state, (left, right))
        )

    draft.builder.add_node(name, fail, error_handler=handle, destinations=(left, right))
    draft.follow(name)
    join(draft, left, right)


def escape(draft: Draft) -> None:
    """A graph inside says where its caller goes."""
    name, left, right = draft.name("escape"), draft.node(), draft.node()
    inner = draft.inner(name)
    if draft.depth:
        inner.extend()
    door = inner.name("door")

    async def leave(state: State) -> Command[Any]:
        to = chosen(door, state, (left, right))
        return Command(graph=Command.PARENT, update=seen_by(door, state), goto=to)

    inner.builder.add_node(door, leave)
    inner.follow(door)
    graph = inner.compile()

    async def call(state: State) -> State:
        return await graph.ainvoke(state)

    called = draft.dice.random() < 0.5
    draft.builder.add_node(name, call if called else graph, destinations=(left, right))
    draft.follow(name)
    join(draft, left, right)


STAGES = (
    *(side_by_side, side_by_side, side_by_side),
    *(loop, branch, deferred, sends, commanded_sends, command, rescue, escape),
)
