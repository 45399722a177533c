"""The second version of what calls give, and what is printed besides."""

import operator
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

from pydantic import BaseModel

from .chains import chain, says
from .interrupts import NEW, Log, asks, beside, sync_asks
from .scenario import Run, go, resume, resume_map, scenario
from .subgraphs import Outer, greet, shared

V2 = {"version": "v2"}


class Model(BaseModel):
    log: Annotated[list, operator.add] = []
    n: int = 0


@dataclass
class Data:
    log: Annotated[list, operator.add] = field(default_factory=list)
    n: int = 0


class Little(TypedDict, total=False):
    n: int


def count(state: Any) -> Any:
    """Counts in `n` of an instance."""
    return {"n": state.n + 1}


@scenario(Run(NEW, options=V2))
def parts_of_a_chain(k):
    return chain(k, Log, a=says("a"), b=says("b"))


@scenario(Run(NEW, options={"version": "v1"}))
def the_first_version_by_name(k):
    return chain(k, Log, a=says("a"), b=says("b"))


@scenario(Run(NEW, options=V2), resume("yes", **V2))
def parts_of_a_run_that_asks(k):
    return chain(k, Log, a=says("a"), ask=sync_asks(k, "ask"))


@scenario(Run(NEW, options=V2), resume_map(lambda ids: dict.fromkeys(ids, "x")), awaits=True)
def parts_of_two_nodes_that_ask(k):
    return beside(k, a=asks(k, "a"), b=asks(k, "b"))


@scenario(Run(NEW, options=V2), Run(None, options=V2), interrupt_before=["b"])
def parts_of_a_run_that_pauses(k):
    return chain(k, Log, a=says("a"), b=says("b"))


@scenario(Run({"n": 1}, options=V2))
def parts_with_instances_of_a_model(k):
    return chain(k, Model, count=count)


@scenario(Run({"n": 1}, options=V2))
def parts_with_instances_of_a_dataclass(k):
    return chain(k, Data, count=count)


@scenario(Run({"n": 1}, options=V2), resume("yes", **V2))
def parts_with_instances_of_a_run_that_asks(k):
    return chain(k, Data, count=count, ask=sync_asks(k, "ask"))


@scenario(Run({"n": 1, "log": ["x"]}, options=V2))
def parts_of_a_graph_with_an_output_schema(k):
    builder = k.StateGraph(Log, output_schema=Little).add_node("a", says("a"))
    return builder.add_edge(k.START, "a")


@scenario(Run({"n": 1, "log": ["x"]}, options={**V2, "output_keys": "n"}))
def parts_of_one_key(k):
    return chain(k, Log, a=says("a"), b=lambda s: {"n": 2})


@scenario(Run({"n": 1, "log": ["x"]}, options={**V2, "output_keys": ["n"]}))
def parts_of_some_keys(k):
    return chain(k, Log, a=says("a"), b=lambda s: {"n": 2})


@scenario(Run({"foo": "foo"}, options=V2))
def parts_of_a_graph_and_its_subgraph(k):
    return chain(k, Outer, greet=greet, sub=shared(k))


@scenario(go(lambda k: {"n": 1}, **V2))
def parts_of_a_node_that_fails(k):
    def bad(state):
        raise ValueError("no")

    return chain(k, Log, a=says("a"), bad=bad)


@scenario(Run(5, options=V2))
def parts_of_a_graph_of_one_value(k):
    builder = k.StateGraph(Annotated[int, operator.add]).add_node("a", lambda s: 2)
    return builder.add_edge(k.START, "a")


@scenario(Run(NEW, options={"print_mode": "updates"}))
def printed_updates(k):
    return chain(k, Log, a=says("a"), b=says("b"))


@scenario(Run(NEW, options={"print_mode": ["values", "updates"]}))
def printed_values_and_updates(k):
    return chain(k, Log, a=says("a"), b=says("b"))


@scenario(Run(NEW, options={"print_mode": "custom"}))
def printed_custom_chunks(k):
    def write(state, writer):
        writer("one")
        writer({"two": 2})
        return {"log": ["a"]}

    return chain(k, Log, write=write)


@scenario(Run(NEW, options={"debug": True}), Run(NEW))
def printed_for_debugging_one_call(k):
    return chain(k, Log, a=says("a"))


@scenario(NEW, Run(NEW, options={"print_mode": "custom"}), debug=True)
def printed_for_debugging_every_call(k):
    return chain(k, Log, a=says("a"))


@scenario(Run(NEW, options={"print_mode": "updates", "version": "v2"}))
def printed_and_given_in_parts(k):
    return chain(k, Log, a=says("a"), b=says("b"))


@scenario(Run({"n": 1, "log": []}, options={"print_mode": "values", "output_keys": ["n"]}))
def printed_with_some_keys(k):
    return chain(k, Log, a=says("a"), b=lambda s: {"n": 2})


# what is printed of a subgraph holds the id of its task
@scenario(Run({"foo": "foo"}, options={"print_mode": "updates"}), compare="call")
def printed_with_a_subgraph(k):
    return chain(k, Outer, greet=greet, sub=shared(k))
