"""The spec of a graph: its channels, and who writes and reads them."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, TypedDict

from actors.channels import (
    EphemeralValue,
    LastValueAfterFinish,
    NamedBarrierValue,
    NamedBarrierValueAfterFinish,
    Topic,
)
from actors.graph import StateGraph
from actors.spec import INPUT, KEPT, TASKS
from actors.values import END, START, TAG_HIDDEN


class Color(Enum):
    RED = 1


@dataclass
class Part:
    color: Color


class State(TypedDict):
    n: int
    parts: Annotated[list[Part], operator.add]


class Narrow(TypedDict):
    n: int


class Wide(TypedDict):
    more: Color


def node(state: Any) -> None: ...


def choose(state: Any) -> str:
    return END


def with_nodes(*names: str, defer: str = "") -> StateGraph:
    builder = StateGraph(State)
    for name in names:
        builder.add_node(name, node, defer=name in defer)
    return builder


def test_channels_are_state_keys_then_control_in_the_order_added() -> None:
    builder = with_nodes("a", "b", "c").add_edge(START, "a").add_edge("a", "b")
    spec = builder.add_edge(["b", "a"], "c").compile().spec

    assert list(spec.channels) == [
        "n",
        "parts",
        INPUT,
        TASKS,
        KEPT,
        "branch:to:a",
        "branch:to:b",
        "branch:to:c",
        "join:b+a:c",
    ]
    assert all(channel.key == name for name, channel in spec.channels.items())
    assert isinstance(spec.channels[INPUT], EphemeralValue)
    assert isinstance(spec.channels[TASKS], Topic)
    assert isinstance(spec.channels["join:b+a:c"], NamedBarrierValue)


def test_a_trigger_may_be_written_by_several_in_one_step() -> None:
    spec = with_nodes("a").add_edge(START, "a").compile().spec

    assert spec.channels["branch:to:a"].fresh().update([None, None]) is True


def test_a_node_is_triggered_by_its_edges_then_its_joins() -> None:
    builder = with_nodes("a", "b", "c", "d").add_edge(START, "a").add_edge(["b", "a"], "c")
    builder.add_edge("a", "c").add_edge(["a", "b"], "c").add_edge(["a", "b"], "d")
    spec = builder.compile().spec

    assert spec.nodes["c"].triggers == ("branch:to:c", "join:b+a:c", "join:a+b:c")
    assert spec.nodes["d"].triggers == ("branch:to:d", "join:a+b:d")
    assert spec.triggers["join:a+b:d"] == ("d",)
    assert spec.triggers["branch:to:a"] == ("a",)
    assert INPUT not in spec.triggers


def test_edges_and_joins_are_what_a_node_writes_when_it_has_run() -> None:
    builder = with_nodes("a", "b", "c").add_edge(START, "a").add_edge("a", "c").add_edge("a", "b")
    spec = builder.add_edge(["a", "b"], "c").add_edge("c", END).compile().spec

    assert spec.start.targets == (("branch:to:a", None),)
    assert spec.nodes["a"].targets == (
        ("branch:to:c", None),
        ("branch:to:b", None),
        ("join:a+b:c", "a"),
    )
    assert spec.nodes["b"].targets == (("join:a+b:c", "b"),)
    assert spec.nodes["c"].targets == ()


def test_the_same_edge_twice_counts_once() -> None:
    builder = with_nodes("a", "b").add_edge(START, "a").add_edge(START, "a")
    spec = builder.add_edge(["a", "a"], "b").add_edge(["a", "a"], "b").compile().spec

    assert spec.start.targets == (("branch:to:a", None),)
    assert spec.nodes["a"].targets == (("join:a+a:b", "a"),)


def test_edges_and_joins_into_end_write_nothing() -> None:
    builder = with_nodes("a", "b").add_edge(START, "a").add_edge(["a", "b"], END)
    spec = builder.add_edge(START, END).compile().spec

    assert spec.nodes["a"].targets == ()
    assert not any(name.startswith("join:") for name in spec.channels)


def test_deferred_nodes_have_triggers_that_open_at_the_end() -> None:
    builder = with_nodes("a", "b", "c", defer="c").add_edge(START, "a").add_edge("a", "c")
    spec = builder.add_edge(["a", "b"], "c").compile().spec

    assert spec.nodes["c"].defer
    assert not spec.nodes["a"].defer
    assert isinstance(spec.channels["branch:to:c"], LastValueAfterFinish)
    assert isinstance(spec.channels["join:a+b:c"], NamedBarrierValueAfterFinish)
    assert isinstance(spec.channels["branch:to:a"], EphemeralValue)


def test_start_is_a_node_without_code_that_writes_the_input() -> None:
    builder = StateGraph(State, input_schema=Narrow).add_node("a", node)
    start = builder.add_conditional_edges(START, choose).compile().spec.start

    assert start.name == START
    assert start.call is None
    assert start.triggers == (INPUT,)
    assert start.writes == {"n"}
    assert [branch.name for branch in start.branches] == ["choose"]
    assert start.branches[0].reads == ("n", "parts")


def test_whoever_reads_the_whole_state_shares_one_tuple_of_keys() -> None:
    builder = with_nodes("a").add_edge(START, "a").add_conditional_edges("a", choose)
    spec = builder.compile().spec

    assert spec.nodes["a"].reads is spec.state_keys
    assert spec.nodes["a"].branches[0].reads is spec.state_keys
    assert spec.output_keys is spec.state_keys
    assert spec.input_keys is spec.state_keys


def test_every_node_may_write_every_key_of_any_schema() -> None:
    builder = StateGraph(State).add_node("a", node)
    builder.add_node("b", node, input_schema=Wide).add_edge(START, "a")
    spec = builder.compile().spec

    assert spec.state_keys == ("n", "parts", "more")
    assert spec.nodes["a"].writes == {"n", "parts", "more"}
    assert spec.nodes["a"].reads == ("n", "parts")
    assert spec.output_keys == ("n", "parts")


def test_a_branch_keeps_what_it_was_given() -> None:
    def path(state: Narrow, config: Any) -> str: ...

    builder = with_nodes("a", "b").add_edge(START, "a").add_conditional_edges("a", path, ["b", END])
    branch = builder.compile().spec.nodes["a"].branches[0]

    assert branch.name == "path"
    assert branch.path is path
    assert branch.params == {"config": "config"}
    assert branch.ends == {"b": "b", END: END}
    assert branch.reads == ("n",)
    assert branch.coerce is None


def test_a_branch_reads_what_its_source_reads() -> None:
    builder = StateGraph(State).add_node("a", node, input_schema=Narrow).add_edge(START, "a")
    spec = builder.add_conditional_edges("a", choose).compile().spec

    assert spec.nodes["a"].branches[0].reads == ("n",)


def test_a_hidden_node_is_tagged_in_its_metadata() -> None:
    builder = StateGraph(State).add_node("a", node, metadata={"tags": [TAG_HIDDEN], "x": 1})
    builder.add_node("b", node, metadata={"x": 1}).add_node("c", node).add_edge(START, "a")
    nodes = builder.compile().spec.nodes

    assert nodes["a"].hidden
    assert nodes["a"].metadata == {"tags": [TAG_HIDDEN], "x": 1}
    assert not nodes["b"].hidden
    assert not nodes["c"].hidden


def test_the_classes_of_all_schemas_are_listed_once() -> None:
    builder = StateGraph(State).add_node("a", node, input_schema=Wide).add_edge(START, "a")

    assert builder.compile().spec.types == (Part, Color)


def test_a_name_is_the_specs_name() -> None:
    builder = with_nodes("a").add_edge(START, "a")

    assert builder.compile(name="mine").spec.name == "mine"
    assert builder.compile().spec.name
