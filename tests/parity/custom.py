"""What nodes stream themselves."""

import operator
from typing import Annotated, Any, TypedDict

from .chains import chain
from .fanout import edges
from .scenario import scenario


class Text(TypedDict, total=False):
    text: str
    log: Annotated[list, operator.add]


@scenario({"text": "x"})
def chunks_of_every_kind(k):
    def node(state):
        write = k.get_stream_writer()
        for chunk in (
            "text",
            5,
            1.5,
            True,
            ["list", 1],
            ("tuple", 2),
            {"dict": {"x": 1}},
            b"bytes",
        ):
            write(chunk)
        return {"text": "done"}

    return chain(k, Text, node=node)


@scenario({"text": "x"})
def none_as_a_chunk(k):
    def node(state):
        k.get_stream_writer()(None)

    return chain(k, Text, node=node)


@scenario({"text": "x"})
def a_writer_as_a_parameter(k):
    def node(state, writer: k.StreamWriter):
        writer({"progress": 50})
        writer({"progress": 100})
        return {"text": "done"}

    return chain(k, Text, node=node)


@scenario({"text": "x"}, awaits=True)
def an_async_node_with_a_writer(k):
    async def node(state, writer: k.StreamWriter):
        writer("a")
        return {"text": "done"}

    async def by_function(state):
        k.get_stream_writer()("b")

    return chain(k, Text, node=node, by_function=by_function)


@scenario({"text": "x"})
def a_writer_and_a_config_in_any_order(k):
    def node(state, *, config, writer: k.StreamWriter):
        writer(config["configurable"]["thread_id"])

    return chain(k, Text, node=node)


@scenario({"text": "x"}, awaits=True)
def siblings_that_stream(k):
    def node(name: str) -> Any:
        async def run(state):
            k.get_stream_writer()(name)
            return {"log": [name]}

        return run

    builder = k.StateGraph(Text)
    for name in ("a", "b", "c"):
        builder.add_node(name, node(name))
    return edges(builder, k, "^>b ^>a ^>c")


@scenario({"text": "x"})
def a_path_that_streams(k):
    def path(state):
        k.get_stream_writer()("deciding")
        return "b"

    builder = k.StateGraph(Text).add_node("a", lambda s: {"text": "a"})
    builder.add_node("b", lambda s: {"text": "b"}).add_edge(k.START, "a")
    return builder.add_conditional_edges("a", path, ["b"])


@scenario({"text": "x"})
def a_helper_that_streams(k):
    def helper():
        k.get_stream_writer()("from the helper")

    def node(state):
        helper()
        return {"text": "y"}

    return chain(k, Text, node=node)


@scenario({"text": "x"}, {"text": "y"})
def streams_on_two_turns(k):
    def node(state):
        k.get_stream_writer()(state["text"])
        return {"log": [state["text"]]}

    return chain(k, Text, node=node)
