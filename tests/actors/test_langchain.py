"""LangChain's models inside of nodes: streamed wherever they are called, as part of their task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypedDict

import pytest
from langchain_core.callbacks import BaseCallbackHandler, CallbackManager
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda

from actors import START, StateGraph, get_config


class State(TypedDict, total=False):
    messages: list[Any]


def model(text: str = "a b", **known: Any) -> GenericFakeChatModel:
    def replies() -> Iterator[AIMessage]:
        while True:
            yield AIMessage(text)

    return GenericFakeChatModel(messages=replies(), **known)


def one(node: Any) -> Any:
    return StateGraph(State).add_node("call", node).add_edge(START, "call").compile()


def texts(graph: Any, **options: Any) -> list[str]:
    return [m.content for m, _ in graph.stream({}, stream_mode="messages", **options)]


def test_a_model_that_is_invoked_without_a_config_streams() -> None:
    found = list(
        one(lambda s: {"messages": [model().invoke("x")]}).stream({}, stream_mode="messages")
    )
    assert [m.content for m, _ in found] == ["a", " ", "b"]
    assert len({m.id for m, _ in found}) == 1
    assert {"ls_provider", "ls_model_type", "langgraph_node"} <= found[0][1].keys()
    assert "tags" not in found[0][1]


async def test_the_same_in_async_code() -> None:
    async def node(state: State) -> dict[str, Any]:
        return {"messages": [await model().ainvoke("x")]}

    found = [each async for each in one(node).astream({}, stream_mode="messages")]
    assert [m.content for m, _ in found] == ["a", " ", "b"]


def test_tags_of_a_model_are_exactly_its_own() -> None:
    [*_, (_, metadata)] = one(lambda s: {"messages": [model(tags=["joke"]).invoke("x")]}).stream(
        {}, stream_mode="messages"
    )
    assert metadata["tags"] == ["joke"]


def test_a_model_inside_of_a_chain_is_streamed_too() -> None:
    chain = RunnableLambda(lambda x: x) | model(tags=["inner"])
    [*_, (_, metadata)] = one(lambda s: chain.invoke("x") and None).stream(
        {}, {"tags": ["run"]}, stream_mode="messages"
    )
    assert metadata["tags"] == ["run", "inner"]


def test_a_config_that_is_handed_on_shows_nothing_twice() -> None:
    def node(state: State, config: Any) -> dict[str, Any]:
        return {"messages": [model().invoke("x", config)]}

    assert texts(one(node), config={"callbacks": [BaseCallbackHandler()]}) == ["a", " ", "b"]

    def outer(state: State, config: Any) -> Any:
        return one(node).invoke(state, config)

    assert texts(one(outer)) == ["a b"]
    shown = one(outer).stream({}, stream_mode="messages", subgraphs=True)
    assert [m.content for _, (m, _) in shown] == ["a", " ", "b"]


def test_a_callback_manager_of_the_caller_keeps_its_handlers() -> None:
    class Ear(BaseCallbackHandler):
        heard = 0

        def on_llm_new_token(self, token: Any, **_: Any) -> None:
            Ear.heard += 1

    manager = CallbackManager([])
    manager.add_handler(Ear())
    graph = one(lambda s: {"messages": [model().invoke("x")]})
    assert texts(graph, config={"callbacks": manager}) == ["a", " ", "b"]
    assert Ear.heard == 3
    assert [type(handler) for handler in manager.handlers] == [Ear]


def test_nobody_who_asks_for_no_messages_makes_a_model_stream() -> None:
    class Quiet(GenericFakeChatModel):
        def _stream(self, *args: Any, **kwargs: Any) -> Any:
            raise AssertionError("streamed")

    quiet = Quiet(messages=iter([AIMessage("x")]))
    assert one(lambda s: {"messages": [quiet.invoke("x")]}).invoke({})["messages"][0].content == "x"


def test_the_tag_nostream_shows_the_message_when_the_node_returns_it_and_not_before() -> None:
    assert texts(one(lambda s: {"messages": [model(tags=["nostream"]).invoke("x")]})) == ["a b"]
    assert texts(one(lambda s: model(tags=["nostream"]).invoke("x") and None)) == []


def test_returned_messages_are_shown_once_and_known_ones_never() -> None:
    old, new = AIMessage("old", id="1"), AIMessage("new")
    graph = one(lambda s: {"messages": [old, new, new]})
    found = list(graph.stream({"messages": [old]}, stream_mode="messages"))
    assert [m for m, _ in found] == [new]
    assert new.id


def test_a_model_that_breaks_in_the_middle_leaves_what_it_said() -> None:
    class Broken(GenericFakeChatModel):
        def _stream(self, *args: Any, **kwargs: Any) -> Any:
            yield from list(super()._stream(*args, **kwargs))[:2]
            raise ConnectionError("gone")

    broken = Broken(messages=iter([AIMessage("a b c")]))
    stream = one(lambda s: broken.invoke("x") and None).stream({}, stream_mode="messages")
    assert [m.content for m, _ in (next(stream), next(stream))] == ["a", " "]
    with pytest.raises(ConnectionError, match="gone"):
        next(stream)


def test_runnables_inherit_tags_and_metadata_of_their_task() -> None:
    seen: dict[str, Any] = {}

    class Ear(BaseCallbackHandler):
        def on_chat_model_start(self, *_: Any, **known: Any) -> None:
            seen.update(known)

    one(lambda s: model(callbacks=[Ear()]).invoke("x") and None).invoke(
        {}, {"tags": ["run"], "metadata": {"user": "u"}}
    )
    assert seen["tags"] == ["run"]
    assert (seen["metadata"]["user"], seen["metadata"]["langgraph_node"]) == ("u", "call")


def test_a_config_of_a_node_names_no_run_that_a_model_would_take_for_its_own() -> None:
    configs: list[Any] = []
    one(lambda s: configs.append(get_config())).invoke({}, {"run_name": "n"})
    assert "run_id" not in configs[0]
    assert "run_name" not in configs[0]
