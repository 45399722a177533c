"""LangChain's models inside of nodes: streamed wherever they are called, as part of their task."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypedDict

import pytest
from langchain_core.callbacks import BaseCallbackHandler, BaseCallbackManager, CallbackManager
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableLambda

from actors import (
    START,
    ActorSystem,
    Command,
    MessagesState,
    NodeError,
    StateGraph,
    entrypoint,
    get_config,
)
from actors.langchain import Adapter, TokenHandler
from checkpoint import MemorySaver, UnregisteredTypeError
from streaming import RunLog, ShownMessages, TokenWriter
from streaming.testing import JsonCodec, MemoryEventLog


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


# --- who inherits what --------------------------------------------------------------------------


class Ear(BaseCallbackHandler):
    """Hears which models begin, and with which tags and metadata."""

    def __init__(self) -> None:
        self.heard: list[tuple[list[str], dict[str, Any]]] = []

    def on_chat_model_start(self, *_: Any, tags: Any, metadata: Any, **__: Any) -> None:
        self.heard.append((tags, metadata))


def test_a_call_with_tags_and_metadata_of_its_own_keeps_those_of_its_task() -> None:
    own = {"tags": ["call"], "metadata": {"call": 1}}
    [*_, (_, metadata)] = one(lambda s: model().invoke("x", own) and None).stream(
        {}, {"tags": ["run"], "metadata": {"user": "u"}}, stream_mode="messages"
    )
    assert sorted(metadata["tags"]) == ["call", "run"]
    assert (metadata["call"], metadata["user"], metadata["langgraph_node"]) == (1, "u", "call")


def test_a_graph_called_in_a_runnable_inherits_its_tags_metadata_callbacks_and_thread() -> None:
    ear, configs = Ear(), list[dict[str, Any]]()

    def node(state: State) -> None:
        configs.append(get_config())
        model().invoke("x")

    graph = one(node)
    runnable = RunnableLambda(lambda s: graph.invoke(s, {"tags": ["graph"]}))
    runnable.invoke(
        {},
        {
            "tags": ["outer"],
            "metadata": {"user": "u"},
            "callbacks": [ear],
            "configurable": {"thread_id": "7", "checkpoint_id": "not ours"},
        },
    )
    [(tags, metadata)] = ear.heard
    assert sorted(tags) == ["graph", "outer", "seq:step:1"]
    assert (metadata["user"], metadata["langgraph_node"]) == ("u", "call")
    assert configs[0]["configurable"]["thread_id"] == "7"
    assert "checkpoint_id" not in configs[0]["configurable"]


def test_a_graph_inside_of_a_runnable_inside_of_a_node_inherits_from_both() -> None:
    ear = Ear()
    inner = one(lambda s: model().invoke("x") and None)
    runnable = RunnableLambda(inner.invoke).with_config({"tags": ["runnable"], "callbacks": [ear]})
    one(lambda s: runnable.invoke(s) and None).invoke({}, {"tags": ["run"]})
    [(tags, _)] = ear.heard
    assert sorted(tags) == ["run", "runnable", "seq:step:1"]


def test_callbacks_of_a_graph_and_of_the_one_around_it_are_all_called_once() -> None:
    outer_ear, inner_ear = Ear(), Ear()
    inner = one(lambda s: model().invoke("x") and None)

    def node(state: State, config: Any) -> None:
        inner.invoke(state, {"callbacks": [inner_ear]})
        inner.invoke(state, config)

    one(node).invoke({}, {"callbacks": [outer_ear]})
    assert (len(outer_ear.heard), len(inner_ear.heard)) == (2, 1)


def handlers_of(callbacks: Any) -> list[Any]:
    return callbacks.handlers if isinstance(callbacks, BaseCallbackManager) else callbacks


def test_callbacks_join_in_order_and_each_once_whether_lists_or_managers() -> None:
    a, b, c = Ear(), Ear(), Ear()
    manager = CallbackManager([], inheritable_tags=["managed"])
    manager.add_handler(b)
    for first, second in (([a, b], [b, c]), ([a, b], manager), (manager, [b, c])):
        joined = Adapter.joined(first, second)
        both = dict.fromkeys([*handlers_of(first), *handlers_of(second)])
        assert handlers_of(joined) == list(both)
    assert handlers_of(manager) == [b]


# --- where more is shown than in LangGraph ------------------------------------------------------


def test_messages_of_a_command_to_the_graph_above_are_shown_there() -> None:
    def up(state: State) -> Any:
        return Command(graph=Command.PARENT, update={"messages": [AIMessage("up", id="m")]})

    outer = StateGraph(MessagesState).add_node("sub", one(up)).add_edge(START, "sub").compile()
    assert texts(outer) == ["up"]


def test_messages_in_the_pairs_of_a_command_are_shown() -> None:
    assert texts(one(lambda s: Command(update=[("messages", [AIMessage("m")])]))) == ["m"]


def test_what_an_entrypoint_was_given_is_not_shown_to_its_caller() -> None:
    @entrypoint()
    def flow(given: list[Any]) -> list[Any]:
        return [*given, AIMessage("new")]

    shown = flow.stream([AIMessage("old", id="1")], stream_mode="messages")
    assert [message.content for message, _ in shown] == ["new"]


def test_messages_of_an_error_handler_are_shown() -> None:
    def fails(state: State) -> None:
        raise ValueError

    def mends(state: State, error: NodeError) -> dict[str, Any]:
        return {"messages": [AIMessage("sorry")]}

    graph = StateGraph(State).add_node("call", fails, error_handler=mends).add_edge(START, "call")
    assert texts(graph.compile()) == ["sorry"]


def test_a_piece_that_cannot_be_kept_is_an_error_of_the_node() -> None:
    log = RunLog("run", event_log=MemoryEventLog(), codec=JsonCodec())
    tokens = TokenWriter(log, metadata=dict, shown=ShownMessages())
    with pytest.raises(TypeError, match="not JSON serializable"):
        model().invoke("x", {"callbacks": [TokenHandler(tokens)]})


async def test_a_message_that_a_node_returns_and_that_cannot_be_kept_is_an_error_of_the_node() -> (
    None
):
    class Unknown(AIMessage):
        """A class that no thread knows."""

    class Loose(TypedDict, total=False):
        said: Any

    graph = StateGraph(Loose).add_node("call", lambda s: {"said": Unknown("x")})
    saver = MemorySaver()
    async with ActorSystem(event_log=saver.events) as system:
        run = await system.start(
            graph.add_edge(START, "call").compile(checkpointer=saver),
            {},
            {"configurable": {"thread_id": "t"}},
            stream_mode="messages",
        )
        with pytest.raises(UnregisteredTypeError, match="is not registered") as caught:
            await run.result()
    assert any("During task with name 'call'" in note for note in caught.value.__notes__)
