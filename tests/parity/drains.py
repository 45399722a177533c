"""Runs that are asked to stop between two steps."""

import operator
from typing import Annotated, Any, TypedDict

from .chains import chain, says
from .fanout import edges
from .scenario import Given, Run, scenario


class Log(TypedDict, total=False):
    log: Annotated[list, operator.add]
    n: int


def asks(k: Any, reason: str = "enough") -> Any:
    """A node that asks its own run to stop."""

    def node(state: Any, runtime: k.Runtime) -> Any:  # pyright: ignore[reportUnknownParameterType]
        runtime.control.request_drain(reason)
        return {"log": [runtime.drain_requested, runtime.drain_reason]}

    return node


def asked(reason: str) -> Given:
    """A control that was asked before the run."""

    def make(k: Any, _: Any) -> Any:
        control = k.RunControl()
        control.request_drain(reason)
        return control

    return Given(make)


@scenario({"n": 1}, None)
def a_run_stops_and_goes_on(k):
    return chain(k, Log, a=says("a"), asks=asks(k), b=says("b"), c=says("c"))


@scenario({"n": 1})
def asked_in_the_last_step(k):
    return chain(k, Log, a=says("a"), asks=asks(k))


@scenario({"n": 1}, {"n": 2})
def a_new_input_after_a_stop(k):
    return chain(k, Log, asks=asks(k), b=says("b"))


# LangGraph shows no result of the input's own task, which has not run yet
@scenario(Run({"n": 1}, options={"control": asked("early")}), None, compare="call chunks")
def asked_before_it_began(k):
    return chain(k, Log, a=says("a"), b=says("b"))


@scenario({"n": 1}, Run(None, options={"control": asked("again")}), None)
def asked_again_when_it_goes_on(k):
    return chain(k, Log, a=says("a"), asks=asks(k), b=says("b"), c=says("c"))


@scenario({"n": 1}, None, awaits=True)
def siblings_run_to_their_end(k):
    async def b(state):
        return {"log": ["b"]}

    async def a(state, runtime: k.Runtime):
        runtime.control.request_drain()
        return {"log": ["a"]}

    builder = k.StateGraph(Log).add_node("a", a).add_node("b", b).add_node("c", says("c"))
    return edges(builder, k, "^>a ^>b a+b>c")


# with durability "exit" LangGraph forgets what a graph inside had come to
@scenario({"n": 1}, None, order="per graph", compare="call chunks")
def a_graph_stops_inside(k):
    inner = chain(k, Log, asks=asks(k), last=says("last")).compile()
    return chain(k, Log, sub=inner, after=says("after"))


@scenario({"n": 1}, None, order="per graph", compare="call chunks")
def a_graph_stops_beside_a_sibling(k):
    inner = chain(k, Log, asks=asks(k), last=says("last")).compile()
    builder = k.StateGraph(Log).add_node("sub", inner).add_node("beside", says("beside"))
    return edges(builder.add_node("after", says("after")), k, "^>sub ^>beside sub+beside>after")


@scenario({"n": 1}, None)
def a_stop_before_a_pause_waits_for_it(k):
    def pauses(state):
        return {"log": [k.interrupt("go on?")]}

    return chain(k, Log, asks=asks(k), pauses=pauses)


@scenario({"n": 1})
def nobody_asks(k):
    def node(state, runtime: k.Runtime):
        return {"log": [runtime.drain_requested, runtime.drain_reason, runtime.control is None]}

    return chain(k, Log, a=node)
