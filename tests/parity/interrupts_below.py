"""Questions of graphs that nodes are or call, at any depth."""

import operator
from typing import Annotated, Any, TypedDict

from .chains import chain, says
from .fanout import writes
from .interrupts import NEW, UNKNOWN, Log, asks, beside, sync_asks
from .scenario import resume, resume_map, scenario


class Inner(TypedDict, total=False):
    log: Annotated[list, operator.add]
    n: int
    own: str


def child(k: Any, name: str = "inner ask", times: int = 1) -> Any:
    """A graph that logs, asks and logs."""
    return chain(
        k, Inner, before=says("before"), ask=sync_asks(k, name, times), after=says("after")
    ).compile()


@scenario(NEW, resume("yes"))
def a_graph_as_a_node_asks(k):
    return chain(k, Log, first=says("first"), sub=child(k), last=says("last"))


@scenario(NEW, resume("one"), resume("two"))
def a_graph_as_a_node_asks_twice(k):
    return chain(k, Log, sub=child(k, times=2), last=says("last"))


@scenario(NEW, resume_map(lambda ids: {ids[0]: "by id"}))
def a_graph_as_a_node_is_answered_by_id(k):
    return chain(k, Log, sub=child(k), last=says("last"))


@scenario(NEW, resume_map(lambda ids: {UNKNOWN: "no"}), resume("yes"))
def an_unknown_id_fires_the_question_of_a_graph_again(k):
    return chain(k, Log, sub=child(k), last=says("last"))


# LangGraph gives the graph's tasks other ids each time
@scenario(NEW, resume("yes"), compare="call")
def a_graph_that_stores_nothing_asks(k):
    inner = chain(k, Inner, before=says("before"), ask=sync_asks(k, "stores nothing"))
    return chain(k, Log, sub=inner.compile(checkpointer=False), last=says("last"))


@scenario(NEW, None, resume("yes"))
def going_on_without_an_answer_asks_again_below(k):
    return chain(k, Log, sub=child(k), last=says("last"))


@scenario(NEW, resume("yes"))
def a_graph_two_levels_below_asks(k):
    middle = chain(k, Inner, in1=says("in1"), sub=child(k), in2=says("in2")).compile()
    return chain(k, Log, first=says("first"), mid=middle, last=says("last"))


@scenario(NEW, resume("one"), resume("two"))
def a_graph_three_levels_below_asks(k):
    second = chain(k, Inner, sub=child(k, times=2)).compile()
    first = chain(k, Inner, a=says("a"), second=second).compile()
    return chain(k, Log, first=first, last=says("last"))


@scenario(NEW, resume("yes"))
def a_graph_called_in_a_node_asks(k):
    inner = child(k)

    def call(state):
        return {"log": ["call", *inner.invoke({"log": []})["log"]]}

    return chain(k, Log, first=says("first"), call=call, last=says("last"))


@scenario(NEW, resume("yes"), awaits=True)
def a_graph_awaited_in_a_node_asks(k):
    inner = child(k)

    async def call(state):
        return {"log": ["call", *(await inner.ainvoke({"log": []}))["log"]]}

    return chain(k, Log, call=call, last=says("last"))


@scenario(NEW, resume("yes"), awaits=True)
def a_graph_streamed_in_a_node_asks(k):
    inner = child(k)

    async def call(state):
        return {"log": [str(chunk) async for chunk in inner.astream({"log": []}) if len(chunk) > 9]}

    return chain(k, Log, call=call, last=says("last"))


@scenario(NEW, resume("deep"))
def graphs_called_in_nodes_of_graphs_called_in_nodes(k):
    inner = child(k)

    def call(state):
        return {"log": inner.invoke({"log": []})["log"]}

    middle = chain(k, Inner, call=call, mid=says("mid")).compile()

    def outer(state):
        return {"log": middle.invoke({"log": []})["log"]}

    return chain(k, Log, outer=outer, last=says("last"))


@scenario(NEW, resume("one"), resume("two"))
def a_node_asks_and_then_calls_a_graph_that_asks(k):
    inner = child(k)

    def call(state):
        own = k.interrupt("own")
        return {"log": [own, *inner.invoke({"log": []})["log"]]}

    return chain(k, Log, call=call, last=says("last"))


# with durability "exit" LangGraph does not get over the second question
@scenario(NEW, resume("one"), resume("two"), compare="call chunks")
def a_node_calls_a_graph_that_asks_and_then_asks(k):
    inner = child(k)

    def call(state):
        found = inner.invoke({"log": []})["log"]
        return {"log": [*found, k.interrupt("own")]}

    return chain(k, Log, call=call, last=says("last"))


@scenario(NEW, resume("yes"), awaits=True, order="any")
def a_graph_asks_beside_a_node_that_finishes(k):
    return beside(k, sub=child(k), other=writes(log=["other"]))


@scenario(
    NEW,
    resume_map(lambda ids: dict(zip(ids, "xy", strict=True))),
    awaits=True,
    order="any",
)
def a_graph_asks_beside_a_node_that_asks(k):
    inner = chain(k, Inner, ask=asks(k, "inner")).compile()
    return beside(k, sub=inner, zother=asks(k, "other"))


@scenario(
    NEW,
    resume_map(lambda ids: dict(zip(ids, "xy", strict=True))),
    awaits=True,
    order="any",
)
def two_nodes_of_one_graph_ask_below(k):
    inner = beside(k, a=asks(k, "a"), b=asks(k, "b")).compile()
    return chain(k, Log, sub=inner, last=says("last"))


@scenario(NEW, resume("which"), awaits=True, says="multiple pending interrupts")
def a_bare_answer_to_two_nodes_of_one_graph_below(k):
    inner = beside(k, a=asks(k, "a"), b=asks(k, "b")).compile()
    return chain(k, Log, sub=inner, last=says("last"))


@scenario(
    NEW,
    resume_map(lambda ids: {ids[0]: "x"}),
    resume_map(lambda ids: dict.fromkeys(ids, "y")),
    awaits=True,
    order="any",
)
def two_nodes_of_one_graph_below_answered_one_by_one(k):
    inner = beside(k, a=asks(k, "a"), b=asks(k, "b")).compile()
    return chain(k, Log, sub=inner, last=says("last"))


@scenario(
    NEW,
    resume_map(lambda ids: dict(zip(ids, "xy", strict=True))),
    awaits=True,
    order="any",
)
def two_graphs_beside_each_other_ask(k):
    one = chain(k, Inner, ask=asks(k, "one")).compile()
    two = chain(k, Inner, ask=asks(k, "two")).compile()
    return beside(k, one=one, two=two)


@scenario(
    NEW,
    resume_map(lambda ids: dict(zip(ids, "xy", strict=True))),
    awaits=True,
    order="any",
)
def graphs_that_sends_run_ask(k):
    inner = chain(k, Inner, ask=asks(k, "inner")).compile()
    builder = k.StateGraph(Log).add_node("sub", inner).add_node("end", says("end"))
    builder.add_conditional_edges(
        k.START, lambda s: [k.Send("sub", {"log": [i]}) for i in range(2)], ["sub"]
    )
    return builder.add_edge("sub", "end")


@scenario(NEW, None)
def a_graph_as_a_node_pauses_before_its_node(k):
    inner = chain(k, Inner, i1=says("i1"), i2=says("i2"))
    inner = inner.compile(interrupt_before=["i2"])
    return chain(k, Log, first=says("first"), sub=inner, last=says("last"))


@scenario(NEW, None)
def a_graph_as_a_node_pauses_after_its_node(k):
    inner = chain(k, Inner, i1=says("i1"), i2=says("i2")).compile(interrupt_after=["i1"])
    return chain(k, Log, sub=inner, last=says("last"))


@scenario(NEW, None, None)
def a_graph_two_levels_below_pauses(k):
    inner = chain(k, Inner, i1=says("i1"), i2=says("i2")).compile(interrupt_before="*")
    middle = chain(k, Inner, m1=says("m1"), sub=inner).compile()
    return chain(k, Log, mid=middle, last=says("last"))


@scenario(NEW, None, resume("yes"))
def a_graph_pauses_and_then_asks(k):
    inner = chain(k, Inner, i1=says("i1"), ask=sync_asks(k, "ask"))
    return chain(k, Log, sub=inner.compile(interrupt_before=["ask"]), last=says("last"))


@scenario(NEW, None)
def a_graph_called_in_a_node_pauses(k):
    inner = chain(k, Inner, i1=says("i1"), i2=says("i2")).compile(interrupt_before=["i2"])

    def call(state):
        return {"log": inner.invoke({"log": []})["log"]}

    return chain(k, Log, call=call, last=says("last"))


@scenario(NEW, None, resume("yes"), interrupt_before=["sub"])
def a_pause_before_a_graph_that_asks(k):
    return chain(k, Log, first=says("first"), sub=child(k), last=says("last"))


@scenario(NEW, {"log": ["new"]}, resume("yes"))
def a_new_input_while_a_graph_below_asks(k):
    return chain(k, Log, sub=child(k), last=says("last"))


@scenario(NEW, resume("yes"), {"log": ["again"]}, resume("no"))
def two_turns_with_a_graph_that_asks(k):
    return chain(k, Log, sub=child(k), last=says("last"))


# LangGraph goes on showing the question that was answered
@scenario(NEW, resume("bad"), None, compare="call chunks")
def a_graph_fails_after_its_answer_and_goes_on(k):
    tries = []

    def fails(state):
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("no")
        return {"log": ["mended"]}

    inner = chain(k, Inner, ask=sync_asks(k, "ask"), fails=fails).compile()
    return chain(k, Log, sub=inner, last=says("last"))


@scenario(NEW, resume("go"), resume("stop"))
def a_loop_through_a_graph_that_asks(k):
    inner = chain(k, Inner, ask=sync_asks(k, "ask")).compile()
    builder = k.StateGraph(Log).add_node("sub", inner).add_edge(k.START, "sub")
    return builder.add_conditional_edges(
        "sub", lambda s: "sub" if s["log"][-1] == "go" else k.END, ["sub", k.END]
    )
