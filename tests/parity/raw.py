"""Raw graphs: nodes over channels, without a schema or edges."""

import operator
from dataclasses import dataclass
from typing import Any

from .scenario import Run, Update, go, resume, scenario


@dataclass(frozen=True)
class Raw:
    """Parts of a raw graph; compiled like a builder's."""

    engine: Any
    nodes: dict[str, Any]
    channels: dict[str, Any]
    inputs: Any
    outputs: Any

    def compile(self, checkpointer: Any = None, **pauses: Any) -> Any:
        return self.engine.Pregel(
            nodes=self.nodes,
            channels=self.channels,
            input_channels=self.inputs,
            output_channels=self.outputs,
            checkpointer=checkpointer,
            **pauses,
        )


def doubling(k: Any, source: str, *targets: str) -> Any:
    return k.NodeBuilder().subscribe_only(source).do(lambda x: x + x).write_to(*targets)


def last(k: Any, names: str, kind: type = str) -> dict[str, Any]:
    return {name: k.LastValue(kind) for name in names}


@scenario({"a": "foo"})
def one_node_between_two_channels(k):
    channels = {name: k.EphemeralValue(str) for name in "ab"}
    return Raw(k, {"one": doubling(k, "a", "b")}, channels, ["a"], ["b"])


@scenario({"a": "foo"})
def a_chain_of_channels(k):
    nodes = {"one": doubling(k, "a", "b"), "two": doubling(k, "b", "c")}
    return Raw(k, nodes, last(k, "abc"), ["a"], ["b", "c"])


@scenario({"a": "foo"})
def a_topic_of_all_steps(k):
    channels = {**last(k, "ab"), "c": k.Topic(str, accumulate=True)}
    nodes = {"one": doubling(k, "a", "b", "c"), "two": doubling(k, "b", "c")}
    return Raw(k, nodes, channels, ["a"], ["c"])


@scenario({"a": "foo"}, {"a": "bar"})
def a_reduced_channel_of_both_turns(k):
    channels = {**last(k, "ab"), "c": k.BinaryOperatorAggregate(str, operator.add)}
    nodes = {"one": doubling(k, "a", "b", "c"), "two": doubling(k, "b", "c")}
    return Raw(k, nodes, channels, ["a"], ["c"])


@scenario({"value": "a"})
def a_cycle(k):
    def grow(x):
        return x + x if len(x) < 10 else None

    entry = k.ChannelWriteEntry("value", skip_none=True)
    loop = k.NodeBuilder().subscribe_only("value").do(grow).write_to(entry)
    return Raw(k, {"loop": loop}, {"value": k.EphemeralValue(str)}, ["value"], ["value"])


@scenario(3, 4, None)
def bare_values_in_and_out(k):
    return Raw(k, {"one": doubling(k, "a", "b")}, last(k, "ab", int), "a", "b")


@scenario({"a": 1}, {"a": 2})
def a_channel_that_is_read_and_does_not_wake(k):
    node = k.NodeBuilder().subscribe_to("a").read_from("c")
    node = node.do(lambda d: d["a"] + d.get("c", 0)).write_to(b=lambda total: total, c=7)
    return Raw(k, {"n": node}, last(k, "abc", int), ["a"], ["b", "c"])


@scenario({"a": 1, "b": 2}, {"b": 5})
def one_node_of_two_channels(k):
    node = k.NodeBuilder().subscribe_to("a", "b").do(lambda d: sum(d.values())).write_to("c")
    return Raw(k, {"n": node}, last(k, "abc", int), ["a", "b"], ["c"])


@scenario({"a": 1}, awaits=True)
def two_nodes_of_one_channel(k):
    def wrapping(name):
        async def wrap(x):
            return [name, x]

        return k.NodeBuilder().subscribe_only("a").do(wrap).write_to("log")

    channels = {**last(k, "a", int), "log": k.BinaryOperatorAggregate(list, operator.add)}
    return Raw(k, {"z": wrapping("z"), "y": wrapping("y")}, channels, ["a"], ["log"])


@scenario({"a": 1}, awaits=True)
def async_nodes(k):
    async def more(x):
        return x + 1

    node = k.NodeBuilder().subscribe_only("a").do(more).write_to("b")
    return Raw(k, {"n": node}, last(k, "ab", int), ["a"], ["b"])


@scenario({"a": 1}, None)
def a_node_that_fails(k):
    def bad(x):
        raise ValueError("no")

    node = k.NodeBuilder().subscribe_only("a").do(bad).write_to("b")
    return Raw(k, {"n": node}, last(k, "ab", int), ["a"], ["b"])


@scenario({"a": 1}, resume(5))
def a_node_that_asks(k):
    node = k.NodeBuilder().subscribe_only("a").do(k.interrupt).write_to("b")
    return Raw(k, {"n": node}, last(k, "ab", int), ["a"], ["b"])


# without a saver LangGraph gives None, not an empty dict
@scenario({"a": "x"}, None, interrupt_before_nodes=["two"], compare="chunks state")
def a_pause_before_a_node_over_channels(k):
    nodes = {"one": doubling(k, "a", "b"), "two": doubling(k, "b", "c")}
    return Raw(k, nodes, last(k, "abc"), ["a"], ["c"])


@scenario({"a": "x"}, Update("new", "one"), None)
def an_update_as_a_node_writes_where_it_would(k):
    nodes = {"one": doubling(k, "a", "b"), "two": doubling(k, "b", "c")}
    return Raw(k, nodes, last(k, "abc"), ["a"], ["c"])


# in the history LangGraph shows what a Command wrote, and not that it woke a node
@scenario({"a": "x"}, go(lambda k: k.Command(update={"a": "y"})), compare="call chunks")
def a_command_writes_a_channel_that_wakes(k):
    return Raw(k, {"one": doubling(k, "a", "b")}, last(k, "ab"), ["a"], ["b"])


@scenario(Run({"a": "x"}, {"recursion_limit": 3}))
def an_endless_cycle(k):
    return Raw(k, {"one": doubling(k, "a", "a")}, last(k, "a"), ["a"], ["a"])
