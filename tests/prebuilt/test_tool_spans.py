"""Plain tools as spans of the task that runs them."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

from actors import START, MessagesState, StateGraph, stream_message
from actors.prebuilt import Tool, ToolInvocationError, ToolNode, ToolResultError

from .scripts import Message, add, asks, call


async def think(word: str) -> str:
    """Think."""
    async with stream_message(model="thinker") as message:
        await message.token(word)
    return message.content


async def delegate(word: str) -> str:
    """Let a graph do it."""
    graph = StateGraph(MessagesState).add_node(echo).add_edge(START, "echo").compile(name="inner")
    state = await graph.ainvoke({"messages": [{"role": "user", "content": word}]})
    return str(len(state["messages"]))


def echo(state: MessagesState) -> dict[str, Any]:
    return {}


def wrong(n: int) -> list[Any]:
    """Answer twice."""
    message = {"role": "tool", "content": "x", "tool_call_id": "1"}
    return [message, message]


def graph_of(*functions: Any, **options: Any) -> Any:
    node = ToolNode([Tool(function) for function in functions], **options)
    return StateGraph(MessagesState).add_node("tools", node).add_edge(START, "tools").compile()


async def events(graph: Any, *calls: Message, **options: Any) -> list[Any]:
    value = {"messages": [asks(*calls)]}
    return [event async for event in graph.astream_events(value, **options)]


def of(found: list[Any], name: str) -> list[Any]:
    return [event for event in found if event["name"] == name]


async def test_a_tool_begins_with_its_arguments_and_ends_with_what_answers_the_call() -> None:
    begun, ended = of(await events(graph_of(add), call("add", "1", a=1)), "add")
    assert (begun["event"], begun["data"]) == ("on_tool_start", {"input": {"a": 1}})
    assert ended["event"] == "on_tool_end"
    assert ended["data"].keys() == {"output", "input"}
    said = ended["data"]["output"]
    assert (said.content, said.tool_call_id) == ("2", "1")
    assert begun["run_id"] == ended["run_id"]
    assert begun["tags"] == ["seq:step:1"]


async def test_what_a_tool_calls_is_a_part_of_it() -> None:
    calls = call("think", "1", word="hm"), call("delegate", "2", word="go")
    found = await events(graph_of(think, delegate), *calls)
    spans = {event["run_id"]: event for event in found if event["event"].endswith("_start")}

    def path(name: str) -> list[str]:
        (event,) = [each for each in spans.values() if each["name"] == name]
        return [spans[parent]["name"] for parent in event["parent_ids"]]

    assert path("thinker") == ["LangGraph", "tools", "think"]
    assert path("inner") == ["LangGraph", "tools", "delegate"]
    assert path("echo") == ["LangGraph", "tools", "delegate", "inner"]
    (inner,) = [each for each in spans.values() if each["name"] == "inner"]
    assert inner["tags"] == []


@pytest.mark.parametrize(
    ("function", "asked", "error"),
    [
        (add, call("add", "1", a="x"), ToolInvocationError),
        (wrong, call("wrong", "1", n=1), ToolResultError),
    ],
)
async def test_wrong_arguments_and_results_are_errors_of_the_tool(
    function: Any, asked: Message, error: type[Exception]
) -> None:
    found = await events(graph_of(function, handle_tool_errors=True), asked)
    begun, failed = of(found, asked["name"])
    assert (begun["event"], failed["event"]) == ("on_tool_start", "on_tool_error")
    assert isinstance(failed["data"]["error"], error)
    assert failed["data"]["input"] == asked["args"]
    assert failed["data"]["tool_call_id"] == "1"


async def test_a_models_callbacks_know_a_parent_that_they_were_told_of() -> None:
    """They are not told of plain tools: what these call is a part of the node for them."""
    begun: dict[str, Any] = {}
    parents = list[Any]()

    class Teller(BaseCallbackHandler):
        def on_chain_start(self, *_: Any, name: str, run_id: Any, **__: Any) -> None:
            begun[name] = run_id

        def on_chat_model_start(self, *_: Any, parent_run_id: Any, **__: Any) -> None:
            parents.append(parent_run_id)

    async def ask(word: str) -> str:
        """Ask a model."""
        model = GenericFakeChatModel(messages=iter([AIMessage("Cats nap.")]))
        return (await model.ainvoke(word)).content

    graph = graph_of(ask)
    asked = call("ask", "1", word="hi")
    found = await events(graph, asked, config={"callbacks": [Teller()]})
    assert parents == [begun["tools"]]
    tool, model = of(found, "ask")[0], of(found, "GenericFakeChatModel")[0]
    assert model["parent_ids"][-1] == tool["run_id"]


async def test_nothing_is_a_span_where_nobody_asked_for_events() -> None:
    state = {"messages": [asks(call("add", "1", a=1))]}
    chunks = [chunk async for chunk in graph_of(add).astream(state, stream_mode="updates")]
    assert chunks[0]["tools"]["messages"][0].content == "2"
    assert (await ToolNode([Tool(add)]).ainvoke(state))["messages"][0]["content"] == "2"
