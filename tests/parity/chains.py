"""Graphs that go one node after another."""

import operator
from functools import partial
from typing import Annotated, Any, TypedDict

from .scenario import Run, scenario


class Line(TypedDict, total=False):
    log: Annotated[list, operator.add]
    n: int
    text: str


def says(name: str) -> Any:
    """A sync node that logs its name."""

    def node(state: Any) -> Any:
        return {"log": [name]}

    return node


def chain(k: Any, schema: Any, **nodes: Any) -> Any:
    """Nodes in a row from START to END."""
    builder, before = k.StateGraph(schema), k.START
    for name, node in nodes.items():
        builder.add_node(name, node)
        builder.add_edge(before, name)
        before = name
    return builder.add_edge(before, k.END)


@scenario({"n": 1})
def one_node(k):
    return chain(k, Line, only=lambda state: {"n": state["n"] + 1})


@scenario({"log": ["in"]})
def three_nodes(k):
    return chain(k, Line, a=says("a"), b=says("b"), c=says("c"))


@scenario({"log": ["in"]}, awaits=True)
def three_async_nodes(k):
    async def first(state):
        return {"log": ["first"], "n": 1}

    async def second(state):
        return {"n": state["n"] + 1}

    return chain(k, Line, first=first, second=second, third=says("third"))


@scenario({"log": []})
def a_sequence(k):
    return (
        k.StateGraph(Line).add_sequence([("x", says("x")), ("y", says("y"))]).add_edge(k.START, "x")
    )


@scenario({"n": 3})
def entry_and_finish_points(k):
    builder = k.StateGraph(Line).add_node("a", says("a")).add_node("b", says("b"))
    return builder.set_entry_point("a").add_edge("a", "b").set_finish_point("b")


@scenario({"n": 1})
def a_node_that_returns_none(k):
    return chain(k, Line, quiet=lambda state: None, loud=says("loud"))


@scenario({"n": 1})
def only_a_node_that_returns_none(k):
    return chain(k, Line, quiet=lambda state: None)


@scenario({"n": 1})
def a_node_that_returns_an_empty_dict(k):
    return chain(k, Line, empty=lambda state: {}, loud=says("loud"))


@scenario({"n": 0, "text": ""})
def falsy_values_are_values(k):
    return chain(k, Line, a=lambda state: {"n": 0}, b=lambda state: {"text": None})


@scenario({"n": 1, "unheard": True})
def unknown_input_keys_are_ignored(k):
    return chain(k, Line, a=lambda state: {"n": len(state)})


@scenario({"n": 1})
def the_same_value_written_again(k):
    return chain(k, Line, a=lambda state: {"n": 1}, b=lambda state: {"n": 1})


@scenario({"text": "x"})
def unset_keys_are_missing(k):
    return chain(k, Line, a=lambda state: {"n": len(state)}, b=lambda s: {"text": str(sorted(s))})


@scenario({"n": 1})
def a_node_nobody_reaches(k):
    return chain(k, Line, a=says("a")).add_node("island", says("island"))


@scenario({"n": 1})
def a_chain_without_an_edge_to_end(k):
    builder = k.StateGraph(Line).add_node("a", says("a")).add_node("b", says("b"))
    return builder.add_edge(k.START, "a").add_edge("a", "b")


@scenario({"n": 2})
def callables_of_every_kind(k):
    class Doubler:
        def __call__(self, state):
            return {"n": state["n"] * 2}

    def add(amount, state):
        return {"n": state["n"] + amount}

    return chain(
        k, Line, doubler=Doubler(), partial=partial(add, 5), plain=lambda s: {"n": -s["n"]}
    )


@scenario({"n": 2})
def names_taken_from_functions(k):
    def double(state):
        return {"n": state["n"] * 2}

    def negate(state):
        return {"n": -state["n"]}

    builder = k.StateGraph(Line).add_node(double).add_node(negate)
    return builder.add_edge(k.START, "double").add_edge("double", "negate")


@scenario(Run({"n": 1}, {"configurable": {"user": "ada"}, "tags": ["x"], "metadata": {"job": 7}}))
def a_node_that_reads_its_config(k):
    def node(state, config):
        configurable = config["configurable"]
        return {"text": f"{configurable['user']} {config['metadata']['job']} {config['tags']}"}

    def by_function(state):
        return {"text": k.get_config()["configurable"]["user"] + " " + state["text"]}

    return chain(k, Line, node=node, by_function=by_function)


@scenario({"n": 5}, says="5")
def a_node_that_returns_a_number(k):
    return chain(k, Line, bad=lambda state: state["n"])


@scenario({})
def an_empty_input(k):
    return chain(k, Line, a=says("a"))


@scenario(None)
def no_input_at_all(k):
    return chain(k, Line, a=says("a"))


@scenario(Run({"n": 1}, {"recursion_limit": 3}), says="Recursion limit of 3")
def a_chain_longer_than_the_recursion_limit(k):
    return chain(k, Line, **{name: says(name) for name in "abcdef"})


@scenario(Run({"n": 1}, {"recursion_limit": 3}))
def a_chain_as_long_as_the_recursion_limit(k):
    return chain(k, Line, **{name: says(name) for name in "abc"})


@scenario({"n": 1})
def nested_values_travel_whole(k):
    value = {"list": [1, [2, 3]], "none": None, "deep": {"x": {"y": [{}]}}}
    return chain(k, Line, a=lambda state: {"log": [value]}, b=lambda s: {"log": [s["log"][0]]})
