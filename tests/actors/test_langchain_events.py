"""LangChain's objects inside of nodes: each is a span of its task, wherever it is called."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import Annotated, Any, TypedDict

from langchain_core.callbacks import BaseCallbackHandler, CallbackManager, dispatch_custom_event
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda
from langchain_core.tools import tool

from actors import START, StateGraph, stream_message


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]


def model(**known: Any) -> GenericFakeChatModel:
    def replies() -> Iterator[AIMessage]:
        while True:
            yield AIMessage("a b")

    return GenericFakeChatModel(messages=replies(), **known)


@tool
def add(a: int, b: int) -> int:
    """Add."""
    return a + b


def one(node: Any, name: str = "call") -> Any:
    return StateGraph(State).add_node(name, node).add_edge(START, name).compile(name=f"of {name}")


def events(graph: Any, *options: Any, **more: Any) -> list[Any]:
    return list(graph.stream_events({"log": []}, *options, **more))


def path(event: Any, shown: list[Any]) -> list[str]:
    """Names of the spans around an event, the outermost first."""
    named = {e["run_id"]: e["name"] for e in shown if e["event"].endswith("_start")}
    return [named[parent] for parent in event["parent_ids"]]


def start_of(name: str, shown: list[Any]) -> Any:
    return next(e for e in shown if e["name"] == name and e["event"].endswith("_start"))


def test_a_span_inside_of_another_one_has_all_parents() -> None:
    inner = one(lambda state: {"log": [add.invoke({"a": 1, "b": 2})]}, "adds")

    def node(state: State) -> dict[str, Any]:
        RunnableLambda(inner.invoke, name="step").invoke({"log": []})
        return {}

    shown = events(one(node))
    assert path(start_of("add", shown), shown) == ["of call", "call", "step", "of adds", "adds"]


def test_a_config_that_is_handed_on_shows_nothing_twice() -> None:
    inner = one(lambda state: {"log": [add.invoke({"a": 1, "b": 2})]}, "adds")

    def node(state: State, config: Any) -> dict[str, Any]:
        add.invoke({"a": 3, "b": 4}, config)
        inner.invoke({"log": []}, config)
        return {}

    shown = events(one(node))
    added = [e for e in shown if e["event"] == "on_tool_start"]
    assert [e["data"]["input"]["a"] for e in added] == [3, 1]
    assert [path(e, shown) for e in added] == [
        ["of call", "call"],
        ["of call", "call", "of adds", "adds"],
    ]


def test_callbacks_of_the_caller_hear_what_they_heard_before() -> None:
    class Ear(BaseCallbackHandler):
        heard: list[str] = []  # noqa: RUF012

        def on_tool_start(self, serialized: Any, *_: Any, **__: Any) -> None:
            Ear.heard.append(serialized["name"])

    manager = CallbackManager([])
    manager.add_handler(Ear())
    graph = one(lambda state: {"log": [add.invoke({"a": 1, "b": 2})]})
    for callbacks in (manager, [Ear()]):
        shown = events(graph, {"callbacks": callbacks})
        assert [e["event"] for e in shown].count("on_tool_start") == 1
    assert Ear.heard == ["add", "add"]
    assert len(manager.handlers) == 1


def test_tokens_are_shown_in_both_modes_at_once() -> None:
    graph = one(lambda state: {"log": [model().invoke("hi").content]})
    modes = [mode for mode, _ in graph.stream({"log": []}, stream_mode=["messages", "events"])]
    assert modes.count("messages") == 3
    shown = events(graph)
    assert [e["event"] for e in shown].count("on_chat_model_stream") == 3


def test_what_a_chain_streams_is_shown_beside_messages_too() -> None:
    chain = RunnableLambda(lambda x: x) | model()

    def node(state: State) -> dict[str, Any]:
        return {"log": [chunk.content for chunk in chain.stream("hi")]}

    shown = one(node).stream({"log": []}, stream_mode=["messages", "events"])
    said = [e for mode, e in shown if mode == "events" and e["event"] == "on_chain_stream"]
    assert [e["data"]["chunk"].content for e in said if e["name"] == "RunnableSequence"] == [
        "a",
        " ",
        "b",
    ]


def test_an_event_of_ones_own_may_be_dispatched_in_any_run() -> None:
    heard: list[Any] = []

    class Ear(BaseCallbackHandler):
        def on_custom_event(self, name: str, data: Any, **_: Any) -> None:
            heard.append((name, data))

    def node(state: State) -> dict[str, Any]:
        dispatch_custom_event("progress", 1)
        return {}

    one(node).invoke({"log": []}, {"callbacks": [Ear()]})
    assert heard == [("progress", 1)]
    [custom] = [e for e in events(one(node)) if e["event"] == "on_custom_event"]
    assert (custom["name"], custom["data"]) == ("progress", 1)


def test_nobody_who_asks_for_no_events_makes_a_model_stream() -> None:
    class Quiet(GenericFakeChatModel):
        def _stream(self, *args: Any, **kwargs: Any) -> Any:
            raise AssertionError("streamed")

    quiet = Quiet(messages=iter([AIMessage("x")]))
    assert one(lambda state: {"log": [quiet.invoke("x").content]}).invoke({})["log"] == ["x"]


def test_a_message_that_is_streamed_in_a_tool_is_a_span_of_the_tool() -> None:
    @tool
    def ask(text: str) -> str:
        """Ask a model of another kind."""
        with stream_message(model="m") as message:
            message.write(text)
        return message.content

    shown = events(one(lambda state: {"log": [ask.invoke({"text": "hi"})]}))
    start = start_of("m", shown)
    assert path(start, shown) == ["of call", "call", "ask"]
    assert "seq:step:1" not in start["tags"]
