"""Messages that nodes show without LangChain: where they come from, once each, who may ask."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any, TypedDict

import pytest

from actors import (
    START,
    ActorSystem,
    ModeNotAskedError,
    StateGraph,
    TimeoutPolicy,
    entrypoint,
    stream_message,
    task,
)
from streaming import MessageChunk


class State(TypedDict, total=False):
    messages: list[Any]
    n: int


async def say(state: State) -> dict[str, Any]:
    async with stream_message(id="m1", tags=["joke"]) as message:
        await message.token("knock ")
        await message.token("knock")
    return {"messages": [message.message]}


def one(node: Any) -> Any:
    return StateGraph(State).add_node("say", node).add_edge(START, "say").compile()


async def said(graph: Any, **options: Any) -> list[tuple[str, dict[str, Any]]]:
    found = graph.astream({"n": 1}, stream_mode="messages", **options)
    return [(chunk.content, metadata) async for chunk, metadata in found]


async def test_pieces_come_with_what_is_known_of_the_task() -> None:
    (first, metadata), (second, _) = await said(one(say), config={"metadata": {"user": "u"}})
    assert (first, second) == ("knock ", "knock")
    assert metadata.pop("langgraph_checkpoint_ns").startswith("say:")
    assert metadata == {
        "user": "u",
        "langgraph_step": 1,
        "langgraph_node": "say",
        "langgraph_triggers": ("branch:to:say",),
        "langgraph_path": ("__pregel_pull", "say"),
        "tags": ["joke"],
    }


async def test_pieces_arrive_while_the_node_still_runs() -> None:
    running = True

    async def node(state: State) -> None:
        nonlocal running
        async with stream_message() as message:
            await message.token("a")
            await read.wait()
        running = False

    read = asyncio.Event()
    stream = one(node).astream({"n": 1}, stream_mode="messages")
    chunk, _ = await anext(stream)
    assert (chunk.content, running) == ("a", True)
    read.set()
    assert [each async for each in stream] == []


def test_sync_nodes_and_sync_readers_too() -> None:
    def node(state: State) -> None:
        with stream_message(id="m") as message:
            message.write("hi")

    [(chunk, _)] = one(node).stream({"n": 1}, stream_mode="messages")
    assert chunk == MessageChunk("hi", "m")


async def test_a_subgraph_is_shown_with_subgraphs_only() -> None:
    async def only_say(state: State) -> None:
        await say(state)

    outer = StateGraph(State).add_node("sub", one(only_say)).add_edge(START, "sub").compile()
    assert await said(outer) == []
    found = [each async for each in outer.astream({}, stream_mode="messages", subgraphs=True)]
    assert [(len(ns), chunk.content) for ns, (chunk, _) in found] == [(1, "knock "), (1, "knock")]


async def test_a_node_that_reads_a_graph_it_calls_sees_its_messages() -> None:
    inner, heard = one(say), list[str]()

    async def node(state: State) -> None:
        async for chunk, _ in inner.astream({"n": 1}, stream_mode="messages"):
            heard.append(chunk.content)

    await one(node).ainvoke({"n": 1})
    assert heard == ["knock ", "knock"]


async def test_a_called_task_shows_messages_as_one_of_its_graph() -> None:
    @task
    async def model(text: str) -> str:
        async with stream_message() as message:
            await message.token(text)
        return message.content

    @entrypoint()
    async def flow(text: str) -> str:
        return await model(text)

    [(chunk, metadata)] = [each async for each in flow.astream("x", stream_mode="messages")]
    assert (chunk.content, metadata["langgraph_node"]) == ("x", "model")


async def test_tokens_keep_an_idle_timeout_from_ending_the_node() -> None:
    clock = TimeoutPolicy(idle_timeout=30)
    graph = StateGraph(State).add_node("say", say, timeout=clock).add_edge(START, "say").compile()
    assert [text for text, _ in await said(graph)] == ["knock ", "knock"]


async def test_a_run_of_a_system_is_asked_for_messages_when_it_begins() -> None:
    async with ActorSystem() as system:
        run = await system.start(one(say), {"n": 1}, stream_mode=["updates", "messages"])
        chunks = [chunk async for chunk in run.stream("messages")]
        assert [chunk.data[0].content for chunk in chunks] == ["knock ", "knock"]
        again = [chunk async for chunk in run.stream("messages", after=chunks[0].id)]
        assert again == chunks[1:]


async def test_a_joiner_who_asks_in_vain_is_told() -> None:
    async with ActorSystem() as system:
        run = await system.start(one(say), {"n": 1}, stream_mode="updates")
        with pytest.raises(ModeNotAskedError, match=r"start it with stream_mode=\[…, 'messages'\]"):
            run.stream("messages")
        await run.result()


RETURNED = """
import asyncio, sys
from typing import Any, TypedDict
from actors import START, StateGraph, task

class State(TypedDict):
    messages: list[Any]

old = {"role": "user", "content": "hi", "id": "old"}
nameless = {"role": "user", "content": "I am nobody"}
new = {"role": "assistant", "content": "yo"}
call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
typed = {"type": "human", "content": "as LangChain writes it", "id": "typed"}
calls = {"role": "assistant", "content": None, "tool_calls": [call], "id": "calls"}

@task
def greet():
    return new

async def node(state):
    return {"messages": [old, nameless, await greet(), new, typed, calls, {"no": "message"}]}

graph = StateGraph(State).add_node(node).add_edge(START, "node").compile()
seen = set()
for _ in range(2):
    chunks = graph.stream({"messages": [old, nameless]}, stream_mode="messages")
    first, third, second = [chunk for chunk, _ in chunks]
    assert (first.content, second.id) == ("yo", "calls"), (first, second)
    assert [each["name"] for each in second.tool_call_chunks] == ["f"]
    assert (third.id, third.role) == ("typed", "user")
    seen.add(first.id)
assert len(seen) == 2, "a constant is another message in another run"
assert new == {"role": "assistant", "content": "yo"}
assert not any(name.startswith("langchain") for name in sys.modules)
"""


def test_without_langchain_plain_messages_that_a_node_returns_are_shown_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", RETURNED], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
