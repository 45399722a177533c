"""Graphs inside graphs."""

import operator
from typing import Annotated, Any, TypedDict

from .chains import chain, says
from .scenario import scenario


class Outer(TypedDict, total=False):
    log: Annotated[list, operator.add]
    foo: str
    n: int


class Shared(TypedDict, total=False):
    foo: str
    bar: str


class Apart(TypedDict, total=False):
    baz: int


def shared(k: Any) -> Any:
    """A subgraph that shares the key foo with its parent and keeps bar to itself."""

    def first(state):
        return {"bar": "bar"}

    def second(state):
        return {"foo": state["foo"] + state["bar"]}

    return chain(k, Shared, first=first, second=second).compile()


def greet(state: Any) -> Any:
    """A node in front of the subgraph."""
    return {"foo": "hi! " + state["foo"]}


@scenario({"foo": "foo"})
def a_subgraph_that_shares_a_key(k):
    return chain(k, Outer, greet=greet, sub=shared(k), after=lambda s: {"n": len(s["foo"])})


@scenario({"foo": "foo"}, {"foo": "again"})
def a_subgraph_on_several_turns(k):
    return chain(k, Outer, greet=greet, sub=shared(k))


@scenario({"n": 3})
def a_subgraph_called_inside_a_node(k):
    inner = chain(k, Apart, double=lambda s: {"baz": s["baz"] * 2}).compile()

    def call(state):
        return {"n": inner.invoke({"baz": state["n"]})["baz"]}

    return chain(k, Outer, call=call)


@scenario({"n": 3}, awaits=True)
def a_subgraph_awaited_inside_a_node(k):
    async def double(state):
        return {"baz": state["baz"] * 2}

    inner = chain(k, Apart, double=double, once_more=double).compile()

    async def call(state):
        return {"n": (await inner.ainvoke({"baz": state["n"]}))["baz"]}

    return chain(k, Outer, call=call, after=says("after"))


@scenario({"n": 3}, awaits=True)
def a_subgraph_streamed_inside_a_node(k):
    async def double(state):
        return {"baz": state["baz"] * 2}

    inner = chain(k, Apart, double=double, once_more=double).compile()

    async def call(state):
        chunks = [c async for c in inner.astream({"baz": state["n"]}, stream_mode="updates")]
        return {"log": chunks}

    return chain(k, Outer, call=call)


@scenario({"foo": "x"})
def two_levels(k):
    middle = chain(k, Shared, inner=shared(k), more=lambda s: {"foo": s["foo"] + "!"}).compile()
    return chain(k, Outer, sub=middle, after=says("after"))


@scenario({"foo": "x"})
def three_levels(k):
    third = chain(k, Shared, c=lambda s: {"foo": s["foo"] + "c"}).compile()
    second = chain(k, Shared, b=lambda s: {"foo": s["foo"] + "b"}, third=third).compile()
    first = chain(k, Shared, a=lambda s: {"foo": s["foo"] + "a"}, second=second).compile()
    return chain(k, Outer, first=first, after=says("after"))


@scenario({"log": ["in"]})
def a_subgraph_that_reduces_the_same_key(k):
    class Inner(TypedDict, total=False):
        log: Annotated[list, operator.add]

    inner = chain(k, Inner, i1=says("i1"), i2=says("i2")).compile()
    return chain(k, Outer, sub=inner, after=says("after"))


@scenario({"foo": "x"}, awaits=True, order="per graph")
def a_subgraph_beside_a_node(k):
    async def aside(state):
        return {"log": ["aside"]}

    builder = k.StateGraph(Outer).add_node("sub", shared(k)).add_node("aside", aside)
    builder.add_node("end", says("end")).add_edge(k.START, "sub").add_edge(k.START, "aside")
    return builder.add_edge(["sub", "aside"], "end")


@scenario({"n": 0})
def a_subgraph_in_a_loop(k):
    class Inner(TypedDict, total=False):
        n: int

    inner = chain(k, Inner, count=lambda s: {"n": s["n"] + 1}).compile()
    builder = k.StateGraph(Outer).add_node("sub", inner).add_edge(k.START, "sub")
    return builder.add_conditional_edges("sub", lambda s: k.END if s["n"] >= 3 else "sub")


@scenario({"foo": "x"})
def one_subgraph_as_two_nodes(k):
    inner = shared(k)
    return chain(k, Outer, one=inner, two=inner)


@scenario({"foo": "x"})
def a_subgraph_that_fails(k):
    def fails(state):
        raise ValueError("inner")

    inner = chain(k, Shared, ok=lambda s: {"foo": "ok"}, fails=fails).compile()
    return chain(k, Outer, before=says("before"), sub=inner, after=says("after"))


@scenario({"foo": "x"}, None)
def a_subgraph_that_fails_and_goes_on(k):
    tries = []

    def fails_once(state):
        tries.append(1)
        if len(tries) == 1:
            raise ValueError("once")
        return {"foo": state["foo"] + " done"}

    inner = chain(k, Shared, ok=lambda s: {"foo": "ok"}, flaky=fails_once).compile()
    return chain(k, Outer, before=says("before"), sub=inner, after=says("after"))


@scenario({"foo": "x"})
def a_subgraph_that_streams_custom_chunks(k):
    def talk(state):
        k.get_stream_writer()({"from": "inside"})
        return {"foo": state["foo"] + "."}

    inner = chain(k, Shared, talk=talk, talk_again=talk).compile()

    def aloud(state):
        k.get_stream_writer()("outside")

    return chain(k, Outer, aloud=aloud, sub=inner)


@scenario({"n": 5})
def a_subgraph_with_a_conditional_edge(k):
    class Inner(TypedDict, total=False):
        n: int

    def path(state):
        return k.END if state["n"] == 8 else ("odd" if state["n"] % 2 else "even")

    inner = k.StateGraph(Inner).add_node("odd", lambda s: {"n": s["n"] * 3 + 1})
    inner.add_node("even", lambda s: {"n": s["n"] // 2})
    for source in (k.START, "odd", "even"):
        inner.add_conditional_edges(source, path)
    return chain(k, Outer, sub=inner.compile())


@scenario({"n": 2}, awaits=True)
def sends_inside_a_subgraph(k):
    class Inner(TypedDict, total=False):
        n: int
        log: Annotated[list, operator.add]

    async def leaf(state):
        return {"log": [state["i"]]}

    inner = k.StateGraph(Inner).add_node("leaf", leaf)
    inner.add_conditional_edges(
        k.START, lambda s: [k.Send("leaf", {"i": i}) for i in range(s["n"])], ["leaf"]
    )
    return chain(k, Outer, sub=inner.compile())


# LangGraph fails with an AttributeError when durability is "sync"
@scenario({"foo": "x"}, compare="call chunks")
def a_subgraph_that_opts_out_of_checkpoints(k):
    inner = chain(k, Shared, a=lambda s: {"foo": "a"}, b=lambda s: {"bar": "b"})
    return chain(k, Outer, sub=inner.compile(checkpointer=False), after=says("after"))


@scenario({"foo": "x"})
def a_subgraph_that_changes_nothing_shared(k):
    inner = chain(k, Shared, a=lambda s: {"bar": "only mine"}).compile()
    return chain(k, Outer, sub=inner, after=says("after"))


@scenario({"foo": "x"})
def a_subgraph_with_its_own_output_schema(k):
    class Out(TypedDict):
        foo: str

    builder = k.StateGraph(Shared, output_schema=Out)
    builder.add_node("a", lambda s: {"foo": "made", "bar": "hidden"}).add_edge(k.START, "a")
    return chain(k, Outer, sub=builder.compile())
