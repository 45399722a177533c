"""Functions that no library makes tools of, as spans: the same that LangGraph's tools have."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from langchain_core.messages import AIMessage
from langgraph.prebuilt import InjectedState
from langgraph.prebuilt import ToolNode as TheirToolNode

from actors import StateGraph
from actors.prebuilt import Tool, ToolNode

from .lib import Engine
from .spans import events_of, told, traced
from .spans_of_langchain import model


def add(a: int, b: int = 1) -> int:
    """Add."""
    return a + b


async def shout(word: str) -> str:
    """Shout."""
    return word.upper()


def fail(a: int) -> int:
    """Fail."""
    raise LookupError("no way")


def count(word: str, state: Annotated[dict[str, Any], InjectedState]) -> str:
    """Count messages."""
    return f"{word} {len(state['messages'])}"


async def ask(word: str) -> str:
    """Ask a model."""
    return (await model(tags=["joke"]).ainvoke(word)).content


def chatter(word: str) -> list[str]:
    """Ask it in a thread."""
    return [chunk.content for chunk in model().stream(word)]


def asks(*calls: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    made: Any = [
        {"name": name, "args": args, "id": f"c{place}", "type": "tool_call"}
        for place, (name, args) in enumerate(calls)
    ]
    return {"messages": [AIMessage("", tool_calls=made, id="m")]}


def graph_of(engine: Any, functions: list[Any], saver: Any = None) -> Any:
    """A graph of one node: ours runs plain functions, LangGraph's makes tools of them."""
    options: Any = {"handle_tool_errors": lambda error: "failed"}
    if engine.StateGraph is StateGraph:
        node: Any = ToolNode([Tool(function) for function in functions], **options)
    else:
        node = TheirToolNode(functions, **options)
    builder = engine.StateGraph(engine.MessagesState).add_node("tools", node)
    return builder.add_edge(engine.START, "tools").compile(checkpointer=saver)


CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "sync": ("add", {"a": 1}),
    "async": ("shout", {"word": "hey"}),
    "failing": ("fail", {"a": 1}),
    "given the state": ("count", {"word": "so"}),
    "calling a model": ("ask", {"word": "hi"}),
    "calling a model in a thread": ("chatter", {"word": "hi"}),
    "unknown": ("none", {}),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
async def test_a_plain_tool_has_the_events_of_langgraphs(
    call: tuple[str, dict[str, Any]], ours: Engine, theirs: Engine
) -> None:
    @traced(asks(call), config={"tags": ["run"], "metadata": {"m": 1}})
    def graph(engine: Any) -> Any:
        return graph_of(engine, [add, shout, fail, count, ask, chatter])

    assert await events_of(graph, ours) == await events_of(graph, theirs)


async def test_a_plain_tool_that_asks_has_the_events_of_langgraphs(
    ours: Engine, theirs: Engine
) -> None:
    def graph_that_asks(engine: Any) -> Any:
        def approve(word: str) -> str:
            """Ask."""
            return engine.interrupt(word)

        return lambda saver: graph_of(engine, [approve], saver)

    async def shown(engine: Any) -> Any:
        resume = engine.Command(resume="yes")
        graph = traced(asks(("approve", {"word": "go?"})), resume, saver="memory")(graph_that_asks)
        turns = await events_of(graph, engine)
        return [
            [(e["event"], e["name"], e["data"].keys()) for e in events if e["name"] == "approve"]
            for events in turns
        ]

    expected = await shown(theirs)
    assert [[event for event, *_ in turn] for turn in expected] == [
        ["on_tool_start", "on_tool_error"],
        ["on_tool_start", "on_tool_end"],
    ]
    assert await shown(ours) == expected


async def test_what_each_of_several_tools_calls_is_a_part_of_it(
    ours: Engine, theirs: Engine
) -> None:
    calls = asks(("ask", {"word": "a"}), ("chatter", {"word": "b"}), ("ask", {"word": "c"}))

    async def models(engine: Any) -> list[Any]:
        events = await told(graph_of(engine, [ask, chatter]), calls)
        inputs = {e["run_id"]: e["data"]["input"] for e in events if e["event"] == "on_tool_start"}
        asked = [e for e in events if e["event"] == "on_chat_model_start"]
        return sorted(
            (e["data"]["input"]["messages"][0][0].content, inputs[e["parent_ids"][-1]]["word"])
            for e in asked
        )

    assert await models(ours) == await models(theirs) == [("a", "a"), ("b", "b"), ("c", "c")]
