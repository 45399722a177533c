"""Raw graphs: nodes that subscribe to channels, without a schema and without edges."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import Callable
from typing import Any

import pytest

from actors import (
    START,
    BinaryOperatorAggregate,
    ChannelWriteEntry,
    Command,
    EmptyInputError,
    EphemeralValue,
    GraphBuildError,
    InvalidUpdateError,
    LastValue,
    NodeBuilder,
    Pregel,
    RetryPolicy,
    StateGraph,
    Topic,
    interrupt,
)
from checkpoint import MemorySaver
from tests.actors.engine import State

THREAD = {"configurable": {"thread_id": "t"}}


def doubling(source: str, target: str) -> NodeBuilder:
    return NodeBuilder().subscribe_only(source).do(lambda x: x + x).write_to(target)


def graph(**changes: Any) -> Pregel:
    given: dict[str, Any] = {
        "nodes": {"double": doubling("a", "b")},
        "channels": {"a": LastValue(int), "b": LastValue(int)},
        "input_channels": "a",
        "output_channels": "b",
    }
    return Pregel(**(given | changes))


def test_a_node_runs_when_its_channel_was_written() -> None:
    assert graph().invoke(3) == 6


def test_several_channels_come_and_go_as_dicts() -> None:
    both = NodeBuilder().subscribe_to("a", "b").do(lambda d: sum(d.values())).write_to("c")
    channels = {name: EphemeralValue(int) for name in "abc"}
    adding = graph(
        nodes={"add": both}, channels=channels, input_channels=["a", "b"], output_channels=["c"]
    )
    assert adding.invoke({"a": 1, "b": 2}) == {"c": 3}
    assert adding.invoke({"a": 1}) == {"c": 1}


def test_a_chain_of_nodes_goes_step_by_step() -> None:
    nodes = {"one": doubling("a", "b"), "two": doubling("b", "c")}
    channels = {name: EphemeralValue(str) for name in "abc"}
    chain = graph(nodes=nodes, channels=channels, output_channels=["b", "c"])
    assert list(chain.stream("x")) == [{"b": "xx"}, {"c": "xxxx"}]
    assert list(chain.stream("x", stream_mode="updates")) == [
        {"one": {"b": "xx"}},
        {"two": {"c": "xxxx"}},
    ]


def test_two_nodes_of_one_channel_run_in_one_step() -> None:
    nodes = {"left": doubling("a", "log"), "right": doubling("a", "log")}
    channels = {"a": LastValue(int), "log": BinaryOperatorAggregate(list, operator.add)}
    wrapped = {
        name: NodeBuilder().subscribe_only("a").do(lambda x, n=name: [n, x]).write_to("log")
        for name in nodes
    }
    both = graph(nodes=wrapped, channels=channels, output_channels="log")
    assert both.invoke(1) == ["left", 1, "right", 1]


def test_a_topic_gathers_what_nodes_write() -> None:
    nodes = {
        "one": NodeBuilder().subscribe_only("a").do(lambda x: x + "1").write_to("b", "all"),
        "two": NodeBuilder().subscribe_only("b").do(lambda x: x + "2").write_to("all"),
    }
    channels = {"a": LastValue(str), "b": LastValue(str), "all": Topic(str, accumulate=True)}
    assert graph(nodes=nodes, channels=channels, output_channels="all").invoke("x") == ["x1", "x12"]


def test_a_cycle_ends_when_nothing_is_written() -> None:
    loop = (
        NodeBuilder()
        .subscribe_only("value")
        .do(lambda x: x + x if len(x) < 10 else None)
        .write_to(ChannelWriteEntry("value", skip_none=True))
    )
    cycle = graph(
        nodes={"loop": loop},
        channels={"value": EphemeralValue(str)},
        input_channels=["value"],
        output_channels=["value"],
    )
    assert cycle.invoke({"value": "a"}) == {"value": "a" * 16}


def test_writes_may_be_mapped_or_fixed() -> None:
    node = (
        NodeBuilder()
        .subscribe_to("a")
        .read_from("c")
        .do(lambda d: d["a"] + d.get("c", 0))
        .write_to(b=lambda total: total * 10, c=7)
    )
    channels = {name: LastValue(int) for name in "abc"}
    target = graph(nodes={"n": node}, channels=channels, checkpointer=MemorySaver())
    assert target.invoke(1, THREAD) == 10
    assert target.invoke(2, THREAD) == 90


def test_a_channel_may_trigger_without_being_read() -> None:
    node = NodeBuilder().subscribe_to("a", read=False).read_from("b").do(dict).write_to("c")
    channels = {name: LastValue(Any) for name in "abc"}
    target = graph(nodes={"n": node}, channels=channels, output_channels="c")
    assert target.invoke(1) == {}


def test_functions_are_piped_sync_or_async() -> None:
    async def later(x: int) -> int:
        return x + 1

    node = NodeBuilder().subscribe_only("a").do(later).do(lambda x: x * 10).write_to("b")
    assert graph(nodes={"n": node}).invoke(1) == 20


def test_a_thread_goes_on_with_what_its_channels_hold() -> None:
    channels = {"a": EphemeralValue(int), "sum": BinaryOperatorAggregate(int, operator.add)}
    kept = NodeBuilder().subscribe_only("a").do(lambda x: x).write_to("sum")
    adding = graph(
        nodes={"n": kept}, channels=channels, output_channels="sum", checkpointer=MemorySaver()
    )
    assert [adding.invoke(n, THREAD) for n in (1, 2, 3)] == [1, 3, 6]
    assert adding.get_state(THREAD).values == {"sum": 6}
    assert [s.metadata["step"] for s in adding.get_state_history(THREAD)] == [4, 3, 2, 1, 0, -1]


def test_a_node_can_be_interrupted_and_paused_at() -> None:
    asking = NodeBuilder().subscribe_only("a").do(interrupt).write_to("b")
    asks = graph(nodes={"ask": asking}, checkpointer=MemorySaver())
    [question] = asks.invoke(1, THREAD)["__interrupt__"]
    assert question.value == 1
    assert asks.invoke(Command(resume=5), THREAD) == 5
    paused = graph(checkpointer=MemorySaver(), interrupt_before_nodes="*")
    assert paused.invoke(1, THREAD) is None
    assert paused.invoke(None, THREAD) == 2


def test_an_update_from_outside_goes_through_a_nodes_writes() -> None:
    target = graph(checkpointer=MemorySaver())
    target.invoke(1, THREAD)
    target.update_state(THREAD, 50, as_node="double")
    assert target.get_state(THREAD).values == {"a": 1, "b": 50}


def test_a_command_as_the_first_input_writes_channels_that_trigger() -> None:
    target = graph(checkpointer=MemorySaver())
    assert target.invoke(Command(update={"a": 4}), THREAD) == 8


async def test_a_node_may_be_tried_again_and_given_up_in_time() -> None:
    left = [asyncio.Event().wait]

    async def slow_once(x: int) -> int:
        while left:
            await left.pop()()
        return x + 1

    policy = RetryPolicy(initial_interval=0, jitter=False)
    node = NodeBuilder().subscribe_only("a").do(slow_once).write_to("b")
    node.add_retry_policies(policy).set_timeout(0.002)
    assert await graph(nodes={"slow": node}).ainvoke(1) == 2


@pytest.mark.parametrize(
    "change", [lambda node: node.add_retry_policies(3), lambda node: node.set_timeout("soon")]
)
def test_what_is_no_policy_is_refused_with_the_nodes_name(change: Callable[[Any], Any]) -> None:
    with pytest.raises(GraphBuildError, match=r"Node 'double' has (retry_policy|timeout)="):
        graph(nodes={"double": change(doubling("a", "b"))})


def test_it_can_be_a_node_of_a_graph() -> None:
    def wrap(state: Any) -> dict[str, Any]:
        return {"n": graph().invoke(state["n"])}

    outer = StateGraph(State).add_node("wrap", wrap).add_edge(START, "wrap").compile()
    assert outer.invoke({"log": [], "n": 4})["n"] == 8


def test_metadata_and_tags_are_shown() -> None:
    node = doubling("a", "b").meta("fast", owner="ada")
    [start] = [
        task for task in graph(nodes={"n": node}).stream(1, stream_mode="tasks") if "input" in task
    ]
    assert start["metadata"] == {"owner": "ada", "tags": ["fast"]}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"nodes": {"n": doubling("zz", "b")}}, "reads channel 'zz' not in known channels"),
        ({"nodes": {"n": doubling("a", "zz")}}, "writes to channel 'zz' not in known channels"),
        ({"nodes": {"n": NodeBuilder().do(str).write_to("b")}}, "would never run"),
        ({"nodes": {}}, "is not subscribed to by any node"),
        ({"input_channels": "zz"}, "Input channel 'zz' not in known channels"),
        ({"output_channels": ["zz"]}, "Output channel 'zz' not in known channels"),
        ({"channels": {"a": int, "b": LastValue(int)}}, "a channel such as LastValue"),
        ({"channels": {"__a": LastValue(int)}}, "without leading underscores"),
        ({"nodes": {"a|b": doubling("a", "b")}}, "a|b"),
        ({"interrupt_before_nodes": ["nobody"]}, "nobody"),
    ],
)
def test_a_graph_that_cannot_run_says_why(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError, match=text.replace("|", r"\|")):
        graph(**changes)


def test_one_channel_alone_or_several() -> None:
    with pytest.raises(GraphBuildError, match="when other channels are already"):
        NodeBuilder().subscribe_to("a").subscribe_only("b")
    with pytest.raises(GraphBuildError, match="subscribed to the single channel 'a'"):
        NodeBuilder().subscribe_only("a").read_from("b")


def test_piped_functions_cannot_ask_for_more_than_their_input() -> None:
    node = NodeBuilder().subscribe_only("a").do(lambda x, config: x).do(str).write_to("b")
    with pytest.raises(GraphBuildError, match="give that to do"):
        graph(nodes={"n": node})


@pytest.mark.parametrize(
    ("value", "error"),
    [({"zz": 1}, InvalidUpdateError), ({}, EmptyInputError), (5, InvalidUpdateError)],
)
def test_an_input_of_other_channels_is_refused(value: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="a"):
        graph(input_channels=["a"]).invoke(value)
