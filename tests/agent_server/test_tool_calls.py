"""Calls of tools on the channel `tools`, as tasks of real agents tell of them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from langchain_core.messages import ToolMessage
from langgraph_sdk import get_client

from actors import END, START, CompiledGraph, MessagesState, StateGraph
from actors.prebuilt import ToolNode, create_react_agent
from agent_server.app import create_app
from agent_server.jsontext import to_json
from agent_server.protocol import Narrator
from agent_server.settings import Settings
from agent_server.tool_calls import ToolCalls
from streaming import Event, TaskFailed, TaskFinished, TaskStarted
from tests.agent_server.lib_streams import engine, events_of, listening, started

ASKED = {"messages": [{"role": "user", "content": "go"}]}


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def breaks(a: int) -> int:
    """Never works."""
    raise ValueError("it broke")


def calling(*calls: tuple[str, dict[str, Any]]) -> Any:
    """A model that asks for calls once."""

    async def model(messages: Any, tools: Any) -> Any:
        if messages[-1]["role"] == "tool":
            return {"role": "assistant", "content": "done"}
        asked = [{"name": n, "args": args, "id": f"call-{n}"} for n, args in calls]
        return {"role": "assistant", "content": "", "tool_calls": asked}

    return model


async def events(path: Path, graph: CompiledGraph) -> list[Event]:
    async with engine(path / "a.db") as (system, saver):
        _, run = await started(system, graph, ASKED, saver=saver)
        return await events_of(run.log)


def told(given: Sequence[Event]) -> list[dict[str, Any]]:
    narrator = Narrator("run-1", "graph")
    notices = [notice for event in given for notice in narrator.tell(event)]
    assert all(each.method == "tools" for each in notices if each.channel == "tools")
    return [each.data for each in notices if each.channel == "tools"]


def start_of(name: str, args: Any) -> dict[str, Any]:
    named = {"tool_call_id": f"call-{name}", "tool_name": name, "input": args}
    return {"event": "tool-started", **named}


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_an_agents_calls_begin_and_end(tmp_path: Path, version: Literal["v1", "v2"]) -> None:
    model = calling(("add", {"a": 1, "b": 2}), ("nothing", {}))
    found = told(await events(tmp_path, create_react_agent(model, [add], version=version)))
    assert found[:2] == [start_of("add", {"a": 1, "b": 2}), start_of("nothing", {})]
    ends = {each["tool_call_id"]: each for each in found[2:]}
    assert len(found) == 4
    assert ends["call-add"]["event"] == "tool-finished"
    assert ends["call-add"]["output"]["content"] == "3"
    assert ends["call-add"]["output"]["type"] == "tool"
    assert ends["call-nothing"]["event"] == "tool-error"
    assert "nothing is not a valid tool" in ends["call-nothing"]["message"]


async def test_a_tool_that_raises_ends_with_an_error(tmp_path: Path) -> None:
    node = ToolNode([breaks], handle_tool_errors=False)
    agent = create_react_agent(calling(("breaks", {"a": 1})), node)
    assert told(await events(tmp_path, agent)) == [
        start_of("breaks", {"a": 1}),
        {"event": "tool-error", "tool_call_id": "call-breaks", "message": "it broke"},
    ]


def by_hand(name: str) -> CompiledGraph:
    """A graph whose own node carries out calls."""

    def ask(_state: MessagesState) -> Any:
        function = {"name": "look", "arguments": '{"for": "cats"}'}
        call = {"id": "call-look", "type": "function", "function": function}
        return {"messages": [{"role": "assistant", "content": "", "tool_calls": [call]}]}

    def carry_out(_state: MessagesState) -> Any:
        return {"messages": [ToolMessage("two cats", tool_call_id="call-look", name="look")]}

    builder = StateGraph(MessagesState).add_node(ask).add_node(name, carry_out)
    return builder.add_edge(START, "ask").add_edge("ask", name).add_edge(name, END).compile()


@pytest.mark.parametrize("name", ["tools", "search"])
async def test_calls_that_a_node_of_ones_own_carries_out_are_told(
    tmp_path: Path, name: str
) -> None:
    began, ended = told(await events(tmp_path, by_hand(name)))
    assert began == start_of("look", {"for": "cats"})
    output = json.loads(to_json(ended["output"]))
    assert (ended["event"], output["type"], output["content"]) == (
        "tool-finished",
        "tool",
        "two cats",
    )


def test_an_answer_to_a_call_that_nobody_asked_for_is_told_with_its_name() -> None:
    calls = ToolCalls()
    answer = {"role": "tool", "content": [1], "name": "x", "tool_call_id": "c", "status": "error"}
    event = TaskFinished(id=2, task_id="t", name="n", update=None, result={"messages": answer})
    assert list(calls.end(event)) == [
        {"event": "tool-started", "tool_call_id": "c", "tool_name": "x", "input": None},
        {"event": "tool-error", "tool_call_id": "c", "message": "[1]"},
    ]


@pytest.mark.parametrize(
    "given",
    [
        None,
        [],
        {},
        3,
        {"messages": []},
        {"messages": 3},
        {"messages": [{"tool_calls": 3}]},
        {"messages": [{"tool_calls": [3, {"id": 4}, {"name": "x"}]}]},
        {"tool_call": None},
        [{"type": "tool_call"}],
    ],
    ids=repr,
)
def test_what_asks_for_no_call_tells_of_none(given: Any) -> None:
    calls = ToolCalls()
    start = TaskStarted(id=1, task_id="t", name="tools", input=given, triggers=())
    assert list(calls.begin(start)) == []
    assert list(calls.end(TaskFailed(id=2, task_id="t", name="tools", error="x"))) == []


async def test_the_real_client_is_told_of_calls(tmp_path: Path) -> None:
    agent = create_react_agent(calling(("add", {"a": 1, "b": 2})), [add])
    app = create_app({"agent": agent}, settings=Settings(database=tmp_path / "server.db"))
    async with (
        listening(app) as port,
        asyncio.timeout(20),
        get_client(url=f"http://127.0.0.1:{port}") as client,
        client.threads.stream(assistant_id="agent") as stream,
    ):
        await stream.run.start(input=ASKED)
        [call] = [call async for call in stream.tool_calls]
        assert (call.name, call.input) == ("add", {"a": 1, "b": 2})
        assert (await call.output)["content"] == "3"
