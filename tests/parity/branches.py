"""Graphs that decide where to go."""

import operator
from typing import Annotated, Any, Literal, TypedDict

from .chains import says
from .scenario import Run, scenario


class Trail(TypedDict, total=False):
    log: Annotated[list, operator.add]
    n: int


def nodes(k: Any, *names: str) -> Any:
    """A builder with sync nodes that log their names."""
    builder = k.StateGraph(Trail)
    for name in names:
        builder.add_node(name, says(name))
    return builder


def count(state: Any) -> Any:
    """A node that counts in `n`."""
    return {"n": state.get("n", 0) + 1}


@scenario({"n": 1})
def a_path_that_returns_a_name(k):
    builder = nodes(k, "a", "b", "c").add_edge(k.START, "a")
    return builder.add_conditional_edges("a", lambda s: "b" if s["n"] > 5 else "c")


@scenario({"n": 9})
def a_path_map_as_a_dict(k):
    builder = nodes(k, "a", "b", "c").add_edge(k.START, "a")
    return builder.add_conditional_edges("a", lambda s: s["n"] > 5, {True: "b", False: "c"})


@scenario({"n": 0})
def a_path_map_with_end(k):
    builder = nodes(k, "a", "b").add_edge(k.START, "a")
    return builder.add_conditional_edges("a", lambda s: "stop", {"go": "b", "stop": k.END})


@scenario({"n": 0})
def a_path_map_as_a_list(k):
    builder = nodes(k, "a", "b", "c").add_edge(k.START, "a")
    return builder.add_conditional_edges("a", lambda s: "c", ["b", "c"])


@scenario({"n": 0})
def a_path_with_a_literal_return_type(k):
    def path(state) -> Literal["b", "__end__"]:
        return "b" if state["n"] == 0 else "__end__"

    return nodes(k, "a", "b").add_edge(k.START, "a").add_conditional_edges("a", path)


@scenario({"n": 0}, awaits=True)
def a_path_to_several_nodes(k):
    builder = nodes(k, "a").add_edge(k.START, "a")
    for name in ("b", "c"):
        builder.add_node(name, awaited(name))
    return builder.add_conditional_edges("a", lambda s: ["c"])


def awaited(name: str) -> Any:
    """An async node that logs its name."""

    async def node(state: Any) -> Any:
        return {"log": [name]}

    return node


@scenario({"n": 0}, awaits=True)
def a_path_to_two_nodes_at_once(k):
    builder = k.StateGraph(Trail)
    for name in ("a", "b", "c", "d"):
        builder.add_node(name, awaited(name))
    builder.add_edge(k.START, "a").add_edge(["b", "c"], "d")
    return builder.add_conditional_edges("a", lambda s: ["c", "b"])


@scenario({"n": 0}, awaits=True)
def an_async_path(k):
    async def path(state):
        return "b" if state["n"] == 0 else k.END

    builder = nodes(k, "a", "b").add_edge(k.START, "a")
    return builder.add_conditional_edges("a", path)


@scenario({"n": 0})
def a_loop(k):
    builder = k.StateGraph(Trail).add_node("count", count).add_edge(k.START, "count")
    return builder.add_conditional_edges("count", lambda s: k.END if s["n"] >= 4 else "count")


@scenario({"n": 0})
def a_loop_of_two_nodes(k):
    builder = nodes(k, "log").add_node("count", count)
    builder.add_edge(k.START, "log").add_edge("log", "count")
    return builder.add_conditional_edges(
        "count", lambda s: {3: "stop"}.get(s["n"], "go"), {"stop": k.END, "go": "log"}
    )


@scenario(Run({"n": 0}, {"recursion_limit": 4}), says="Recursion limit of 4")
def a_loop_that_never_ends(k):
    builder = k.StateGraph(Trail).add_node("count", count).add_edge(k.START, "count")
    return builder.add_edge("count", "count")


@scenario(
    Run({"n": 0}, {"recursion_limit": 4}),
    Run(None, {"recursion_limit": 3}),
    says="Recursion limit of",
)
def a_loop_that_goes_on_after_its_limit(k):
    builder = k.StateGraph(Trail).add_node("count", count).add_edge(k.START, "count")
    return builder.add_edge("count", "count")


@scenario({"n": 7})
def a_conditional_start(k):
    builder = nodes(k, "small", "large")
    return builder.add_conditional_edges(k.START, lambda s: "large" if s["n"] > 5 else "small")


@scenario({"n": 7})
def a_conditional_start_to_the_end(k):
    return nodes(k, "a").add_conditional_edges(k.START, lambda s: k.END, ["a", k.END])


@scenario({"n": 1})
def a_conditional_entry_point(k):
    builder = nodes(k, "small", "large")
    return builder.set_conditional_entry_point(
        lambda s: s["n"] > 5, {True: "large", False: "small"}
    )


@scenario({"n": 1}, awaits=True)
def two_branches_from_one_node(k):
    builder = k.StateGraph(Trail)
    for name in ("a", "b", "c"):
        builder.add_node(name, awaited(name))
    builder.add_edge(k.START, "a")

    def left(state):
        return "b"

    def right(state):
        return "c"

    return builder.add_conditional_edges("a", left).add_conditional_edges("a", right)


@scenario({"n": 1}, awaits=True)
def a_branch_beside_a_static_edge(k):
    builder = k.StateGraph(Trail)
    for name in ("a", "b", "c"):
        builder.add_node(name, awaited(name))
    builder.add_edge(k.START, "a").add_edge("a", "b")
    return builder.add_conditional_edges("a", lambda s: "c")


@scenario({"n": 1})
def a_branch_to_where_the_static_edge_goes(k):
    builder = nodes(k, "a", "b").add_edge(k.START, "a").add_edge("a", "b")
    return builder.add_conditional_edges("a", lambda s: "b")


@scenario({"n": 0})
def a_path_sees_what_its_node_wrote(k):
    def path(state):
        return "b" if state["n"] == 1 and state["log"] == ["in"] else k.END

    builder = nodes(k, "b").add_node("count", count).add_edge(k.START, "count")
    return builder.add_conditional_edges("count", path)


@scenario({"n": 0, "log": ["in"]}, awaits=True, order="any")
def a_path_does_not_see_what_a_sibling_wrote(k):
    async def counts(state):
        return {"n": state["n"] + 1}

    async def path(state):
        return "saw" if state["n"] else "blind"

    builder = k.StateGraph(Trail).add_node("a", awaited("a")).add_node("b", counts)
    builder.add_node("saw", awaited("saw")).add_node("blind", awaited("blind"))
    builder.add_edge(k.START, "a").add_edge(k.START, "b")
    return builder.add_conditional_edges("a", path)


@scenario(Run({"n": 0}, {"configurable": {"way": "b"}}))
def a_path_that_reads_the_config(k):
    def path(state, config):
        return config["configurable"]["way"]

    builder = nodes(k, "a", "b", "c").add_edge(k.START, "a")
    return builder.add_conditional_edges("a", path, ["b", "c"])


# LangGraph shows the update, and in the state the result, of the task that its path then fails
@scenario({"n": 0}, compare="call")
def a_path_that_raises(k):
    def path(state):
        raise KeyError("lost")

    builder = nodes(k, "a", "b").add_edge(k.START, "a")
    return builder.add_conditional_edges("a", path, ["b"])


@scenario({"n": 0})
def a_callable_object_as_a_path(k):
    class Chooser:
        def __call__(self, state):
            return "b"

    builder = nodes(k, "a", "b", "c").add_edge(k.START, "a")
    return builder.add_conditional_edges("a", Chooser())
