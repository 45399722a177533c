"""Graphs that fan out with Send."""

import asyncio
import operator
from typing import Annotated, Any, TypedDict

from .scenario import scenario


class Jobs(TypedDict, total=False):
    todo: list
    done: Annotated[list, operator.add]
    n: int


def work(state: Any) -> Any:
    """A sync node that squares what it was sent."""
    return {"done": [state["n"] ** 2]}


async def awork(state: Any) -> Any:
    """The same as an async node."""
    return {"done": [state["n"] ** 2]}


def plan(state: Any) -> Any:
    """A node that writes nothing of note."""
    return {"n": len(state["todo"])}


def to_work(k: Any) -> Any:
    """A path that sends every item of `todo` to the node "work"."""
    return lambda state: [k.Send("work", {"n": n}) for n in state["todo"]]


@scenario({"todo": [3]})
def one_send(k):
    builder = k.StateGraph(Jobs).add_node("plan", plan).add_node("work", work)
    return builder.add_edge(k.START, "plan").add_conditional_edges("plan", to_work(k), ["work"])


@scenario({"todo": [3, 1, 2]}, awaits=True)
def three_sends_come_back_in_order(k):
    builder = k.StateGraph(Jobs).add_node("plan", plan).add_node("work", awork)
    return builder.add_edge(k.START, "plan").add_conditional_edges("plan", to_work(k), ["work"])


@scenario({"todo": list(range(40))}, awaits=True)
def forty_sends(k):
    builder = k.StateGraph(Jobs).add_node("plan", plan).add_node("work", awork)
    return builder.add_edge(k.START, "plan").add_conditional_edges("plan", to_work(k), ["work"])


@scenario({"todo": [1, 2, 3]}, order="any")
def sync_nodes_sent_to(k):
    builder = k.StateGraph(Jobs).add_node("plan", plan).add_node("work", work)
    return builder.add_edge(k.START, "plan").add_conditional_edges("plan", to_work(k), ["work"])


@scenario({"todo": [1, 2, 3]}, awaits=True)
def sends_that_finish_in_reverse(k):
    done = {n: asyncio.Event() for n in (1, 2, 3)}

    async def reverse(state):
        if state["n"] < 3:
            await done[state["n"] + 1].wait()
        done[state["n"]].set()
        return {"done": [state["n"]]}

    builder = k.StateGraph(Jobs).add_node("plan", plan).add_node("work", reverse)
    return builder.add_edge(k.START, "plan").add_conditional_edges("plan", to_work(k), ["work"])


@scenario({"todo": [4, 5]}, awaits=True)
def sends_from_start(k):
    builder = k.StateGraph(Jobs).add_node("work", awork)
    return builder.add_conditional_edges(k.START, to_work(k), ["work"])


@scenario({"todo": []}, awaits=True)
def no_sends_at_all(k):
    builder = k.StateGraph(Jobs).add_node("plan", plan).add_node("work", awork)
    return builder.add_edge(k.START, "plan").add_conditional_edges("plan", to_work(k), ["work"])


@scenario({"todo": [4, 5]}, awaits=True)
def sends_then_a_node_after_them(k):
    builder = k.StateGraph(Jobs).add_node("plan", plan).add_node("work", awork)
    builder.add_node("sum", lambda state: {"n": sum(state["done"])}).add_edge("work", "sum")
    return builder.add_edge(k.START, "plan").add_conditional_edges("plan", to_work(k), ["work"])


@scenario({"todo": [1, 2]}, awaits=True)
def a_send_from_a_node_that_was_sent_to(k):
    async def again(state):
        return [k.Send("leaf", {"n": 10 + len(state["done"])})]

    builder = k.StateGraph(Jobs).add_node("work", awork).add_node("leaf", awork)
    builder.add_conditional_edges(k.START, to_work(k), ["work"])
    return builder.add_conditional_edges("work", again, ["leaf"])


@scenario({"todo": [1, 2, 3]}, awaits=True)
def sends_three_levels_deep(k):
    def send(to):
        async def path(state):
            return [k.Send(to, {"n": len(state["done"]) + i}) for i in (10, 20)]

        return path

    builder = k.StateGraph(Jobs)
    for name in ("work", "middle", "leaf"):
        builder.add_node(name, awork)
    builder.add_conditional_edges(k.START, to_work(k), ["work"])
    builder.add_conditional_edges("work", send("middle"), ["middle"])
    return builder.add_conditional_edges("middle", send("leaf"), ["leaf"])


@scenario({"todo": [1, 2]}, awaits=True)
def sends_mixed_with_names(k):
    def path(state):
        return [k.Send("work", {"n": 7}), "other", k.Send("work", {"n": 8})]

    async def other(state):
        return {"done": ["other"]}

    builder = k.StateGraph(Jobs).add_node("plan", plan).add_node("work", awork)
    builder.add_node("other", other).add_edge(k.START, "plan")
    return builder.add_conditional_edges("plan", path, ["work", "other"])


@scenario({"todo": [1, 2]}, awaits=True)
def sends_beside_a_static_edge(k):
    async def aside(state):
        return {"done": ["aside"]}

    builder = k.StateGraph(Jobs).add_node("plan", plan).add_node("work", awork)
    builder.add_node("aside", aside).add_edge(k.START, "plan").add_edge("plan", "aside")
    return builder.add_conditional_edges("plan", to_work(k), ["work"])


@scenario({"todo": [1, 2]}, awaits=True)
def sends_to_two_nodes(k):
    def path(state):
        return [k.Send(to, {"n": n}) for n in state["todo"] for to in ("work", "twice")]

    async def twice(state):
        return {"done": [state["n"] * 2]}

    builder = k.StateGraph(Jobs).add_node("work", awork).add_node("twice", twice)
    return builder.add_conditional_edges(k.START, path, ["work", "twice"])


@scenario({"todo": ["a", 5]}, awaits=True)
def sends_of_anything(k):
    async def echo(what):
        return {"done": [what]}

    builder = k.StateGraph(Jobs).add_node("echo", echo)
    return builder.add_conditional_edges(
        k.START, lambda s: [k.Send("echo", x) for x in s["todo"]], ["echo"]
    )


@scenario({"todo": [1, 2]}, awaits=True)
def sends_from_two_nodes(k):
    async def nothing(state):
        return None

    async def left(state):
        return [k.Send("work", {"n": 3})]

    async def right(state):
        return [k.Send("work", {"n": n}) for n in state["todo"]]

    builder = k.StateGraph(Jobs).add_node("b", nothing).add_node("a", nothing)
    builder.add_node("work", awork).add_edge(k.START, "b").add_edge(k.START, "a")
    builder.add_conditional_edges("b", left, ["work"])
    return builder.add_conditional_edges("a", right, ["work"])


@scenario({"todo": [1, 2]}, awaits=True)
def sends_to_a_subgraph(k):
    class Item(TypedDict):
        n: int
        done: Annotated[list, operator.add]

    inner = k.StateGraph(Item).add_node("square", awork).add_edge(k.START, "square").compile()
    builder = k.StateGraph(Jobs).add_node("work", inner)
    return builder.add_conditional_edges(k.START, lambda s: [k.Send("work", {"n": 3})], ["work"])


@scenario({"todo": [1, 2, 3]}, awaits=True)
def one_of_the_sent_tasks_fails(k):
    async def picky(state):
        if state["n"] == 3:
            raise ValueError("three")
        return {"done": [state["n"]]}

    builder = k.StateGraph(Jobs).add_node("plan", plan).add_node("work", picky)
    return builder.add_edge(k.START, "plan").add_conditional_edges("plan", to_work(k), ["work"])


@scenario({"todo": [1]}, awaits=True)
def a_send_into_a_loop(k):
    def again(state):
        return [k.Send("work", {"n": len(state["done"]) + 1})] if len(state["done"]) < 4 else []

    builder = k.StateGraph(Jobs).add_node("work", awork)
    builder.add_conditional_edges(k.START, to_work(k), ["work"])
    return builder.add_conditional_edges("work", again, ["work"])
