"""Graphs to draw, each built once per engine."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

from .lib import Engine

Xray = bool | int


class State(TypedDict, total=False):
    log: Annotated[list, operator.add]
    n: int


@dataclass(frozen=True, slots=True)
class Drawing:
    """A graph, and the depths at which it is drawn."""

    name: str
    build: Callable[[Any], Any]
    xrays: tuple[Xray, ...]


ALL: list[Drawing] = []


def drawing(*xrays: Xray) -> Callable[[Callable[[Any], Any]], Callable[[Any], Any]]:
    """Add the decorated build function, which gives a compiled graph, to ALL."""

    def wrap(build: Callable[[Any], Any]) -> Callable[[Any], Any]:
        ALL.append(Drawing(build.__name__.replace("_", " "), build, xrays or (False,)))
        return build

    return wrap


def idle(state: State) -> None:
    """A node that does nothing."""


def nodes(k: Engine, *names: str, **options: Any) -> Any:
    """A builder with idle nodes."""
    builder = k.StateGraph(State)
    for name in names:
        builder.add_node(name, idle, **options)
    return builder


def chained(k: Engine, *names: str) -> Any:
    """A builder with idle nodes in a row."""
    builder = nodes(k, *names)
    for start, end in zip((k.START, *names), (*names, k.END), strict=True):
        builder.add_edge(start, end)
    return builder


@drawing()
def one_node(k):
    return chained(k, "a").compile()


@drawing()
def a_chain(k):
    return chained(k, "a", "b", "c").compile()


@drawing()
def a_chain_without_an_edge_to_the_end(k):
    return nodes(k, "a", "b").add_edge(k.START, "a").add_edge("a", "b").compile()


@drawing()
def a_diamond(k):
    builder = nodes(k, "a", "b", "c", "d").add_edge(k.START, "a").add_edge("a", "b")
    return builder.add_edge("a", "c").add_edge("b", "d").add_edge("c", "d").compile()


@drawing()
def a_join(k):
    builder = nodes(k, "a", "b", "c", "d").add_edge(k.START, "a").add_edge("a", "b")
    return builder.add_edge("a", "c").add_edge(["b", "c"], "d").add_edge("d", k.END).compile()


@drawing()
def a_join_of_branches_of_two_lengths(k):
    builder = nodes(k, "a", "b", "b2", "c", "d").add_edge(k.START, "a").add_edge("a", "b")
    builder.add_edge("b", "b2").add_edge("a", "c")
    return builder.add_edge(["b2", "c"], "d").add_edge("d", k.END).compile()


@drawing()
def a_join_of_start_s_nodes_into_the_end(k):
    builder = nodes(k, "a", "b").add_edge(k.START, "a").add_edge(k.START, "b")
    return builder.add_edge(["a", "b"], k.END).compile()


@drawing()
def a_join_that_never_opens(k):
    builder = nodes(k, "a", "b", "c").add_edge(k.START, "a")
    return builder.add_edge(["a", "b"], "c").add_edge("c", k.END).compile()


@drawing()
def a_branch_with_a_map(k):
    builder = nodes(k, "a", "b", "c").add_edge(k.START, "a")
    builder.add_conditional_edges("a", lambda s: "left", {"left": "b", "right": "c"})
    return builder.add_edge("b", k.END).add_edge("c", k.END).compile()


@drawing()
def a_branch_with_a_map_to_the_names_themselves(k):
    builder = nodes(k, "a", "b").add_edge(k.START, "a")
    return builder.add_conditional_edges("a", lambda s: "b", {"b": "b", k.END: k.END}).compile()


@drawing()
def a_branch_with_a_list(k):
    builder = nodes(k, "a", "b", "c").add_edge(k.START, "a")
    return builder.add_conditional_edges("a", lambda s: "b", ["b", "c", k.END]).compile()


@drawing()
def a_branch_with_labels_that_are_no_text(k):
    builder = nodes(k, "a", "b", "c").add_edge(k.START, "a")
    return builder.add_conditional_edges("a", lambda s: True, {True: "b", False: "c"}).compile()


@drawing()
def a_branch_with_a_long_label(k):
    builder = nodes(k, "a", "b").add_edge(k.START, "a")
    long = "when the answer was long enough that nobody would want to read it again twice"
    return builder.add_conditional_edges("a", lambda s: long, {long: "b", "no": k.END}).compile()


@drawing()
def a_branch_with_a_literal(k):
    def path(state: State) -> Literal["b", "c", "__end__"]:
        return "b"

    builder = nodes(k, "a", "b", "c").add_edge(k.START, "a")
    return builder.add_conditional_edges("a", path).compile()


@drawing()
def a_branch_that_tells_nothing(k):
    builder = nodes(k, "a", "b", "c").add_edge(k.START, "a")
    return builder.add_conditional_edges("a", lambda s: "b").compile()


@drawing()
def two_branches_of_one_node(k):
    def first(state: State) -> Literal["b", "c"]:
        return "b"

    builder = nodes(k, "a", "b", "c", "d").add_edge(k.START, "a")
    builder.add_conditional_edges("a", first)
    return builder.add_conditional_edges("a", lambda s: "d", {"far": "d", "stop": k.END}).compile()


@drawing()
def a_branch_and_an_edge_to_the_same_node(k):
    builder = nodes(k, "a", "b", "c").add_edge(k.START, "a").add_edge("a", "b")
    return builder.add_conditional_edges("a", lambda s: "x", {"x": "b", "y": "c"}).compile()


@drawing()
def a_branch_from_start(k):
    builder = nodes(k, "a", "b")
    builder.add_conditional_edges(k.START, lambda s: "a", {"one": "a", "two": "b"})
    return builder.add_edge("a", k.END).add_edge("b", k.END).compile()


@drawing()
def a_branch_from_start_to_the_end(k):
    builder = nodes(k, "a")
    builder.add_conditional_edges(k.START, lambda s: "a", ["a", k.END])
    return builder.add_edge("a", k.END).compile()


@drawing()
def sends(k):
    def spread(state: State):
        return [k.Send("b", state)]

    builder = nodes(k, "a", "b", "c").add_edge(k.START, "a").add_edge("b", "c")
    return builder.add_conditional_edges("a", spread, ["b"]).compile()


@drawing()
def sends_that_tell_nothing(k):
    builder = nodes(k, "a", "b", "c").add_edge(k.START, "a").add_edge("b", "c")
    return builder.add_conditional_edges("a", lambda s: [k.Send("b", s)]).compile()


@drawing()
def a_loop_with_a_way_out(k):
    builder = nodes(k, "agent", "tools").add_edge(k.START, "agent").add_edge("tools", "agent")
    path_map = {"go on": "tools", "stop": k.END}
    return builder.add_conditional_edges("agent", lambda s: "stop", path_map).compile()


@drawing()
def a_loop_without_a_way_out(k):
    builder = nodes(k, "a", "b", "c").add_edge(k.START, "a")
    return builder.add_edge("a", "b").add_edge("b", "c").add_edge("c", "a").compile()


@drawing()
def two_loops_side_by_side(k):
    builder = nodes(k, "a", "b").add_edge(k.START, "a").add_edge(k.START, "b")
    return builder.add_edge("a", "b").add_edge("b", "a").compile()


@drawing()
def a_node_that_comes_back_to_itself(k):
    builder = nodes(k, "a").add_edge(k.START, "a")
    return builder.add_conditional_edges("a", lambda s: "a", ["a", k.END]).compile()


@drawing()
def nested_loops(k):
    builder = nodes(k, "a", "b", "c").add_edge(k.START, "a").add_edge("a", "b").add_edge("b", "c")
    builder.add_conditional_edges("c", lambda s: "b", {"again": "b", "from the top": "a"})
    return builder.add_conditional_edges("b", lambda s: "c", {"leave": k.END, "a": "a"}).compile()


@drawing()
def a_deferred_node(k):
    builder = nodes(k, "a", "b", "b2", "c").add_node("late", idle, defer=True)
    builder.add_edge(k.START, "a").add_edge("a", "b").add_edge("b", "b2").add_edge("a", "c")
    return builder.add_edge("b2", "late").add_edge("c", "late").add_edge("late", k.END).compile()


@drawing()
def a_deferred_join(k):
    builder = nodes(k, "a", "b", "b2", "c").add_node("late", idle, defer=True)
    builder.add_edge(k.START, "a").add_edge("a", "b").add_edge("b", "b2").add_edge("a", "c")
    return builder.add_edge(["b", "c"], "late").add_edge("late", k.END).compile()


@drawing()
def a_deferred_node_in_a_loop(k):
    builder = nodes(k, "a", "b").add_node("late", idle, defer=True, metadata={"kind": "last"})
    builder.add_edge(k.START, "a").add_edge("a", "b").add_edge("a", "late")
    return builder.add_conditional_edges("late", lambda s: "a", {"more": "a", "x": k.END}).compile()


@drawing()
def two_deferred_nodes_in_a_row(k):
    builder = nodes(k, "a").add_node("late", idle, defer=True).add_node("later", idle, defer=True)
    return builder.add_edge(k.START, "a").add_edge("a", "late").add_edge("late", "later").compile()


@drawing()
def destinations_as_a_tuple(k):
    builder = nodes(k, "b", "c").add_node("a", idle, destinations=("b", "c", k.END))
    return builder.add_edge(k.START, "a").add_edge("b", "c").compile()


@drawing()
def destinations_with_labels(k):
    builder = nodes(k, "b", "c").add_node("a", idle, destinations={"b": "yes", "c": "no"})
    return builder.add_edge(k.START, "a").add_edge("b", k.END).add_edge("c", k.END).compile()


@drawing()
def commands_that_say_where_they_go(k):
    def hand_over(state: State) -> k.Command[Literal["writer", "__end__"]]:
        return k.Command(goto="writer")

    def write(state: State) -> k.Command[Literal["boss", "reviewer"]]:
        return k.Command(goto="boss")

    hand_over.__annotations__["return"] = k.Command[Literal["writer", "__end__"]]
    write.__annotations__["return"] = k.Command[Literal["boss", "reviewer"]]
    builder = k.StateGraph(State).add_node("boss", hand_over).add_node("writer", write)
    return builder.add_node("reviewer", idle).add_edge(k.START, "boss").compile()


@drawing()
def a_swarm_of_commands(k):
    builder = k.StateGraph(State)
    for name in "abc":
        builder.add_node(name, idle, destinations=tuple(set("abc") - {name}))
    return builder.add_edge(k.START, "a").compile()


@drawing()
def metadata_of_nodes(k):
    builder = nodes(k, "plain").add_node("tagged", idle, metadata={"tags": ["x", "y"], "n": 1})
    builder.add_node("odd", idle, metadata={"set": {"b", "a"}, "nested": {"x": 1}, "none": None})
    builder.add_node("marked", idle, metadata={"text": 'a [b] (c) {d} "e" <f> |g| #h'})
    builder.add_edge(k.START, "plain").add_edge("plain", "tagged").add_edge("tagged", "odd")
    return builder.add_edge("odd", "marked").compile()


@drawing()
def a_hidden_node(k):
    builder = nodes(k, "a").add_node("h", idle, metadata={"tags": ["langsmith:hidden"]})
    return builder.add_edge(k.START, "a").add_edge("a", "h").add_edge("h", k.END).compile()


@drawing()
def pauses(k):
    builder = chained(k, "a", "b", "c")
    return builder.compile(interrupt_before=["a", "b"], interrupt_after=["b", "c"])


@drawing()
def names_with_odd_characters(k):
    return chained(k, "two words", "ünï-çødé", "a/b.c", "quote\"d'", "_under_", "*bold*").compile()


@drawing()
def a_node_that_nothing_leads_to(k):
    return nodes(k, "a", "lost").add_edge(k.START, "a").compile()


@drawing()
def a_whole_state_of_one_value(k):
    builder = k.StateGraph(Annotated[list, operator.add]).add_node("a", lambda s: [1])
    return builder.add_node("b", lambda s: [2]).add_edge(k.START, "a").add_edge("a", "b").compile()


def inner(k: Engine, *names: str) -> Any:
    """A compiled chain."""
    return chained(k, *names).compile()


@drawing(False, True, 1)
def a_subgraph(k):
    builder = nodes(k, "before", "after").add_node("sub", inner(k, "x", "y"))
    builder.add_edge(k.START, "before").add_edge("before", "sub")
    return builder.add_edge("sub", "after").add_edge("after", k.END).compile()


@drawing(False, True, 1)
def a_subgraph_of_one_node(k):
    builder = nodes(k, "before").add_node("sub", inner(k, "x"))
    return builder.add_edge(k.START, "before").add_edge("before", "sub").compile()


@drawing(True)
def nothing_but_a_subgraph(k):
    builder = k.StateGraph(State).add_node("sub", inner(k, "x", "y"))
    return builder.add_edge(k.START, "sub").add_edge("sub", k.END).compile()


@drawing(True)
def a_subgraph_with_two_ways_in_and_out(k):
    sub = nodes(k, "x", "y").add_edge(k.START, "x").add_edge(k.START, "y")
    sub.add_edge("x", k.END).add_edge("y", k.END)
    builder = nodes(k, "a", "b").add_node("sub", sub.compile()).add_edge(k.START, "a")
    return builder.add_edge("a", "sub").add_edge("sub", "b").compile()


@drawing(True)
def two_subgraphs_in_a_row(k):
    builder = k.StateGraph(State).add_node("one", inner(k, "x", "y")).add_node("two", inner(k, "z"))
    return builder.add_edge(k.START, "one").add_edge("one", "two").compile()


@drawing(True)
def a_subgraph_with_a_branch(k):
    sub = nodes(k, "x", "y").add_edge(k.START, "x")
    sub.add_conditional_edges("x", lambda s: "y", {"more": "y", "done": k.END})
    builder = nodes(k, "a").add_node("sub", sub.compile()).add_edge(k.START, "a")
    return builder.add_conditional_edges("a", lambda s: "sub", ["sub", k.END]).compile()


@drawing(True)
def a_subgraph_with_a_loop(k):
    sub = nodes(k, "x").add_edge(k.START, "x")
    sub.add_conditional_edges("x", lambda s: "x", ["x", k.END])
    builder = nodes(k, "a").add_node("sub", sub.compile()).add_edge(k.START, "a")
    return builder.add_edge("a", "sub").add_edge("sub", k.END).compile()


def nested(k: Engine) -> Any:
    """A graph three graphs deep."""
    low = inner(k, "low1", "low2")
    middle = nodes(k, "mid").add_node("deep", low).add_edge(k.START, "mid").add_edge("mid", "deep")
    top = nodes(k, "top").add_node("sub", middle.compile()).add_edge(k.START, "top")
    return top.add_edge("top", "sub")


@drawing(False, True, 1, 2, 3)
def graphs_three_deep(k):
    return nested(k).compile()


@drawing(True, 1)
def graphs_four_deep_with_pauses(k):
    builder = nodes(k, "end").add_node("nest", nested(k).compile()).add_edge(k.START, "nest")
    return builder.add_edge("nest", "end").compile(interrupt_before=["nest"])


@drawing(False, True)
def a_subgraph_that_a_function_calls(k):
    sub = inner(k, "x", "y")

    def call(state: State):
        return sub.invoke(state)

    builder = nodes(k, "a").add_node("call", call).add_edge(k.START, "a")
    return builder.add_edge("a", "call").compile()


@drawing(True)
def a_subgraph_that_keeps_nothing(k):
    sub = chained(k, "x", "y").compile(checkpointer=False)
    builder = nodes(k, "a").add_node("sub", sub).add_edge(k.START, "a").add_edge("a", "sub")
    return builder.compile()


@drawing(True)
def a_subgraph_in_a_loop(k):
    builder = nodes(k, "a").add_node("sub", inner(k, "x", "y")).add_edge(k.START, "a")
    builder.add_edge("sub", "a")
    return builder.add_conditional_edges(
        "a", lambda s: "sub", {"in": "sub", "out": k.END}
    ).compile()


@drawing(True)
def a_subgraph_that_waits_for_two(k):
    builder = nodes(k, "a", "b").add_node("sub", inner(k, "x", "y"))
    builder.add_edge(k.START, "a").add_edge(k.START, "b").add_edge(["a", "b"], "sub")
    return builder.add_edge("sub", k.END).compile()


@drawing()
def three_hundred_nodes_in_parallel(k):
    builder = nodes(k, *(f"n{i:03}" for i in range(300)))
    for i in range(300):
        builder.add_edge(k.START, f"n{i:03}")
    return builder.compile()
