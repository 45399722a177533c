"""Graphs of plain functions: spans of graphs, nodes and conditional edges."""

import operator
from typing import Annotated, Any, TypedDict

from .spans import traced


class State(TypedDict, total=False):
    log: Annotated[list, operator.add]
    topic: str


def says(name: str) -> Any:
    async def node(state):
        return {"log": [name]}

    node.__name__ = name
    return node


def chain(k, **nodes):
    builder = k.StateGraph(State)
    before = k.START
    for name, node in nodes.items():
        builder.add_node(name, node).add_edge(before, name)
        before = name
    return builder


def raises(state):
    raise LookupError("nothing there")


@traced({"topic": "t"})
def one_async_node(k):
    return chain(k, a=says("a")).compile()


@traced({"topic": "t"})
def a_chain_of_sync_and_async_nodes(k):
    return chain(k, a=says("a"), b=lambda state: {"log": ["b"]}, c=says("c")).compile()


@traced({"topic": "t"})
def a_graph_with_a_name(k):
    return chain(k, a=says("a")).compile(name="teller")


@traced({"topic": "t"}, config={"run_name": "today", "tags": ["x"], "metadata": {"user": 1}})
def a_config_with_a_name_tags_and_metadata(k):
    return chain(k, a=says("a"), b=says("b")).compile(name="teller")


@traced(
    {"topic": "t"},
    config={"configurable": {"thread_id": "t", "assistant_id": "a", "graph_id": "g", "own": 1}},
)
def a_config_that_names_thread_assistant_and_graph(k):
    return chain(k, a=says("a")).compile()


@traced({"topic": "t"})
def a_config_bound_to_the_graph(k):
    return chain(k, a=says("a")).compile().with_config(tags=["bound"], run_name="bound")


@traced({"topic": "t"})
def metadata_of_a_node(k):
    return (
        k.StateGraph(State)
        .add_node("a", says("a"), metadata={"owner": "me"})
        .add_edge(k.START, "a")
        .compile()
    )


@traced({"topic": "t"})
def a_node_that_returns_nothing(k):
    return chain(k, a=lambda state: None).compile()


@traced({"topic": "t"}, order="per span")
def nodes_side_by_side(k):
    builder = k.StateGraph(State)
    for name in ("a", "b", "c"):
        builder.add_node(name, says(name)).add_edge(k.START, name)
    return builder.compile()


@traced({"topic": "t"})
def a_conditional_edge(k):
    def route(state) -> str:
        return "b"

    builder = chain(k, a=says("a")).add_node("b", says("b"))
    return builder.add_conditional_edges("a", route, ["b"]).compile()


@traced({"topic": "t"})
def a_conditional_edge_beside_static_ones(k):
    async def route(state) -> str:
        return "b"

    builder = chain(k, a=says("a")).add_node("b", says("b")).add_edge("a", k.END)
    builder.add_node("c", says("c")).add_edge("b", "c")
    return builder.add_conditional_edges("a", route, {"b": "b"}).compile()


@traced({"topic": "t"}, config={"tags": ["x"]})
def a_conditional_edge_from_the_start(k):
    def route(state) -> str:
        return "a"

    builder = k.StateGraph(State).add_node("a", says("a")).add_node("b", says("b"))
    return builder.add_conditional_edges(k.START, route, ["a", "b"]).compile()


@traced({"topic": "t"}, order="per span")
def sends(k):
    def fan_out(state):
        return [k.Send("b", {"topic": "1"}), k.Send("b", {"topic": "2"})]

    builder = chain(k, a=says("a")).add_node("b", says("b"))
    return builder.add_conditional_edges("a", fan_out, ["b"]).compile()


@traced({"topic": "t"})
def a_command(k):
    async def a(state):
        return k.Command(update={"log": ["a"]}, goto="b")

    builder = k.StateGraph(State).add_node("a", a, destinations=("b",)).add_edge(k.START, "a")
    return builder.add_node("b", says("b")).compile()


@traced({"topic": "t"})
def a_node_that_raises(k):
    return chain(k, a=says("a"), b=raises).compile()


@traced({"topic": "t"})
def a_node_that_is_tried_twice(k):
    tries = []

    async def flaky(state):
        tries.append(1)
        if len(tries) < 2:
            raise ConnectionError("gone")
        return {"log": ["flaky"]}

    policy = k.RetryPolicy(initial_interval=0.001)
    builder = k.StateGraph(State).add_node("a", flaky, retry_policy=policy)
    return builder.add_edge(k.START, "a").compile()


@traced({"topic": "t"})
def a_graph_as_a_node(k):
    inner = chain(k, a=says("a"), b=says("b")).compile()
    return chain(k, inner=inner, last=says("last")).compile()


@traced({"topic": "t"}, subgraphs=True)
def a_graph_as_a_node_with_chunks_of_its_own(k):
    inner = chain(k, a=says("a")).compile(name="inner graph")
    return chain(k, inner=inner).compile()


@traced({"topic": "t"})
def graphs_three_deep(k):
    lowest = chain(k, low=says("low")).compile(name="lowest")
    builder = k.StateGraph(State).add_node("mid", lowest, metadata={"level": 2})
    middle = builder.add_edge(k.START, "mid").compile(name="middle")
    return chain(k, top=middle).compile()


@traced({"topic": "t"})
def a_graph_that_a_node_calls(k):
    inner = chain(k, a=says("a")).compile(name="inner")

    async def call(state):
        await inner.ainvoke(state)
        return {"log": ["called"]}

    return chain(k, call=call).compile()


@traced({"topic": "t"})
def a_graph_that_a_node_streams(k):
    inner = chain(k, a=says("a")).compile(name="inner")

    async def call(state):
        return {"log": [str(chunk) async for chunk in inner.astream(state, stream_mode="updates")]}

    return chain(k, call=call).compile()


@traced({"topic": "t"}, stream_mode="values")
def the_mode_values(k):
    return chain(k, a=says("a"), b=says("b")).compile()


@traced({"topic": "t"}, stream_mode=["values", "updates"])
def two_modes(k):
    return chain(k, a=says("a")).compile()


@traced({"topic": "t"}, output_keys="log")
def one_output_key(k):
    return chain(k, a=says("a")).compile()


@traced({"topic": "t"}, exclude_names=["a"])
def without_one_name(k):
    return chain(k, a=says("a"), b=says("b")).compile()


@traced({"topic": "t"}, exclude_tags=["graph:step:1"], exclude_types=["tool"])
def without_one_tag(k):
    return chain(k, a=says("a"), b=says("b")).compile()


@traced({"topic": "t"}, lambda k: k.Command(resume="yes"), saver="memory")
def an_interrupt_and_its_answer(k):
    def ask(state):
        return {"log": [k.interrupt("sure?")]}

    return lambda saver: chain(k, a=says("a"), ask=ask).compile(checkpointer=saver)


@traced({"topic": "t"}, None, saver="memory")
def a_pause_before_a_node(k):
    builder = chain(k, a=says("a"), b=says("b"))
    return lambda saver: builder.compile(checkpointer=saver, interrupt_before=["b"])


@traced({"topic": "t"}, lambda k: k.Command(resume="yes"), saver="memory")
def an_interrupt_in_a_graph_in_a_graph(k):
    def ask(state):
        return {"log": [k.interrupt("sure?")]}

    inner = chain(k, ask=ask).compile()
    return lambda saver: chain(k, inner=inner).compile(checkpointer=saver)
