"""Graphs whose nodes run beside each other and meet again."""

import asyncio
import operator
from typing import Annotated, Any, TypedDict

from .scenario import Run, scenario

ONE_VALUE = "At key 'v': Can receive only one value per step"


class Log(TypedDict, total=False):
    log: Annotated[list, operator.add]
    v: int
    w: int


def writes(**update: Any) -> Any:
    """An async node with a fixed update."""

    async def node(state: Any) -> Any:
        return update

    return node


def logs(k: Any, *names: str) -> Any:
    """A builder with async nodes that log their names."""
    builder = k.StateGraph(Log)
    for name in names:
        builder.add_node(name, writes(log=[name]))
    return builder


def edges(builder: Any, k: Any, text: str) -> Any:
    """Add edges written as "^>a a>b b>$"."""
    ends = {"^": k.START, "$": k.END}
    for edge in text.split():
        left, right = edge.split(">")
        sources = [ends.get(s, s) for s in left.split("+")]
        builder.add_edge(sources if len(sources) > 1 else sources[0], ends.get(right, right))
    return builder


@scenario({"log": ["in"]}, awaits=True)
def writes_apply_in_the_order_of_names(k):
    return edges(logs(k, "zz", "aa", "mm"), k, "^>zz ^>aa ^>mm zz>$ aa>$ mm>$")


@scenario({"log": []}, awaits=True)
def a_join_waits_for_both(k):
    return edges(logs(k, "a", "b", "c"), k, "^>a ^>b a+b>c c>$")


@scenario({"log": []}, awaits=True)
def a_join_over_unequal_paths(k):
    return edges(logs(k, "a", "a2", "a3", "b", "c"), k, "^>a ^>b a>a2 a2>a3 a3+b>c")


@scenario({"log": []}, awaits=True)
def a_join_of_three(k):
    return edges(logs(k, "a", "b", "c", "d"), k, "^>a ^>b ^>c c+a+b>d")


@scenario({"log": []}, awaits=True)
def two_joins_in_a_row(k):
    return edges(logs(k, "a", "b", "c", "d", "e"), k, "^>a ^>b a+b>c a+b>d c+d>e")


@scenario({"log": []}, awaits=True)
def a_diamond_without_a_join_runs_its_end_once(k):
    return edges(logs(k, "a", "b", "c", "d"), k, "^>a a>b a>c b>d c>d")


@scenario({"log": []}, awaits=True)
def an_uneven_diamond_runs_its_end_twice(k):
    return edges(logs(k, "a", "b", "c", "c2", "d"), k, "^>a a>b a>c c>c2 b>d c2>d")


@scenario({"log": []}, awaits=True)
def a_join_and_a_plain_edge_into_one_node(k):
    return edges(logs(k, "a", "b", "c", "d"), k, "^>a ^>b a>c b+c>d a>d")


@scenario({"log": []}, awaits=True)
def siblings_that_finish_in_reverse_order(k):
    done = {name: asyncio.Event() for name in "abc"}

    def node(name, after):
        async def run(state):
            if after:
                await done[after].wait()
            done[name].set()
            return {"log": [name]}

        return run

    builder = logs(k, "d").add_node("a", node("a", "b")).add_node("b", node("b", "c"))
    return edges(builder.add_node("c", node("c", None)), k, "^>a ^>b ^>c a+b+c>d")


@scenario({"log": []}, awaits=True)
def a_sibling_without_an_update(k):
    builder = logs(k, "a", "b", "after").add_node("none", writes_nothing)
    return edges(builder, k, "^>a ^>none ^>b none>after")


async def writes_nothing(state: Any) -> None:
    """A node that returns None."""


@scenario({"v": 0}, awaits=True)
def siblings_that_write_different_keys(k):
    builder = k.StateGraph(Log).add_node("a", writes(v=1)).add_node("b", writes(w=2))
    return edges(builder, k, "^>a ^>b")


@scenario({"v": 0}, awaits=True, says=ONE_VALUE, compare="call chunks")
def two_writers_of_a_last_value(k):
    builder = k.StateGraph(Log).add_node("a", writes(v=1)).add_node("b", writes(v=2))
    return edges(builder, k, "^>a ^>b")


@scenario({"log": []}, awaits=True)
def a_deferred_node_runs_when_nothing_is_left(k):
    builder = logs(k, "a", "b", "b2").add_node("late", writes(log=["late"]), defer=True)
    return edges(builder, k, "^>a ^>b b>b2 a>late b2>late late>$")


@scenario({"log": []}, awaits=True)
def a_deferred_node_with_more_work_after_it(k):
    builder = logs(k, "a", "b", "b2", "end")
    builder.add_node("late", writes(log=["late"]), defer=True)
    return edges(builder, k, "^>a ^>b b>b2 a>late late>end")


@scenario({"log": []}, awaits=True)
def two_deferred_nodes(k):
    builder = logs(k, "a", "b")
    for name in ("late", "later"):
        builder.add_node(name, writes(log=[name]), defer=True)
    return edges(builder, k, "^>a a>b a>late ^>later late>$ later>$")


@scenario({"log": []}, awaits=True)
def a_deferred_join(k):
    builder = logs(k, "a", "b", "b2", "c")
    builder.add_node("late", writes(log=["late"]), defer=True)
    return edges(builder, k, "^>a ^>b b>b2 a+b>late b2>c")


@scenario(Run({"log": []}, {"recursion_limit": 12}), awaits=True)
def a_join_inside_a_loop(k):
    builder = edges(logs(k, "a", "b", "b2", "c"), k, "^>a a>b a>b2 b+b2>c")
    return builder.add_conditional_edges("c", lambda s: k.END if len(s["log"]) > 7 else "a")


@scenario({"log": []}, awaits=True)
def ten_siblings(k):
    names = [f"n{i}" for i in range(10)]
    starts = " ".join(f"^>{name}" for name in names)
    return edges(logs(k, *names, "end"), k, f"{starts} {'+'.join(names)}>end")


@scenario({"log": []}, awaits=True)
def a_branch_that_dies_out(k):
    return edges(logs(k, "a", "b", "c"), k, "^>a ^>b b>c")


@scenario({"log": []}, awaits=True)
def a_node_that_follows_itself_by_two_ways(k):
    return edges(logs(k, "a", "b", "c"), k, "^>a a>b a>c b>c")


@scenario({"log": []}, awaits=True)
def start_fans_out_to_a_node_and_its_successor(k):
    return edges(logs(k, "a", "b"), k, "^>a ^>b a>b")


@scenario({"log": []}, order="any")
def sync_siblings(k):
    builder = k.StateGraph(Log)
    for name in ("x", "y", "z"):
        builder.add_node(name, lambda state, name=name: {"log": [name]})
    builder.add_node("end", lambda state: {"v": len(state["log"])})
    return edges(builder, k, "^>x ^>y ^>z x+y+z>end")


@scenario(Run({"log": []}, {"max_concurrency": 1}), awaits=True)
def siblings_one_at_a_time(k):
    return edges(logs(k, "a", "b", "c", "d"), k, "^>a ^>b ^>c a+b+c>d")
