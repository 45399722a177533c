"""What the documents of LangGraph's server show, with its own Python client, unchanged."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langgraph_sdk import get_sync_client
from langgraph_sdk.client import LangGraphClient

from tests.agent_server.harness.gate import Gate
from tests.agent_server.harness.server import ServerProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")

JOKE = "This is a joke about ice cream and cats"


async def started(client: LangGraphClient) -> str:
    thread = await client.threads.create()
    return thread["thread_id"]


async def test_basic_usage_and_the_printed_output(client: LangGraphClient) -> None:
    thread = await client.threads.create()
    thread_id = thread["thread_id"]
    printed = [
        chunk.data
        async for chunk in client.runs.stream(
            thread_id, "agent", input={"topic": "ice cream"}, stream_mode="updates"
        )
    ]
    first, *rest = printed
    assert first == {"run_id": first["run_id"], "attempt": 1}
    assert rest == [
        {"refine_topic": {"topic": "ice cream and cats"}},
        {"generate_joke": {"joke": JOKE}},
    ]


async def test_values_after_every_step(client: LangGraphClient) -> None:
    printed = [
        chunk.data
        async for chunk in client.runs.stream(
            await started(client), "agent", input={"topic": "ice cream"}, stream_mode="values"
        )
    ]
    assert printed[1:] == [
        {"topic": "ice cream"},
        {"topic": "ice cream and cats"},
        {"topic": "ice cream and cats", "joke": JOKE},
    ]


async def test_several_modes_at_once(client: LangGraphClient) -> None:
    chunks = [
        (chunk.event, chunk.data)
        async for chunk in client.runs.stream(
            await started(client), "custom", input={"query": "q"}, stream_mode=["updates", "custom"]
        )
    ]
    assert chunks[0][0] == "metadata"
    assert chunks[1:] == [
        ("custom", {"custom_key": "Generating custom data inside node"}),
        ("custom", "plain string"),
        ("custom", 42),
        ("updates", {"node": {"answer": "some data"}}),
    ]


async def test_subgraphs_come_with_their_namespace(client: LangGraphClient) -> None:
    chunks = [
        chunk
        async for chunk in client.runs.stream(
            await started(client),
            "sub",
            input={"foo": "foo"},
            stream_subgraphs=True,
            stream_mode="updates",
        )
    ]
    _, first, inner, other, last = chunks
    assert (first.event, first.data) == ("updates", {"node_1": {"foo": "hi! foo"}})
    name, _, namespace = inner.event.partition("|")
    assert (name, namespace.partition(":")[0]) == ("updates", "node_2")
    assert inner.data == {"subgraph_node_1": {"bar": "bar"}}
    assert (other.event, other.data) == (
        inner.event,
        {"subgraph_node_2": {"foo": "hi! foobar"}},
    )
    assert (last.event, last.data) == ("updates", {"node_2": {"foo": "hi! foobar"}})


async def test_debug_tells_of_checkpoints_and_tasks(client: LangGraphClient) -> None:
    told = [
        chunk.data
        async for chunk in client.runs.stream(
            await started(client), "agent", input={"topic": "ice cream"}, stream_mode="debug"
        )
    ]
    kinds = [each["type"] for each in told[1:]]
    assert kinds == [
        *("checkpoint", "checkpoint", "task", "task_result"),
        *("checkpoint", "task", "task_result", "checkpoint"),
    ]
    assert set(told[1]) == {"step", "timestamp", "type", "payload"}
    task = next(each for each in told[1:] if each["type"] == "task")
    assert task["payload"]["name"] == "refine_topic"


async def test_a_stateless_run_has_no_thread(client: LangGraphClient) -> None:
    printed = [
        chunk.data
        async for chunk in client.runs.stream(
            None, "agent", input={"topic": "ice cream"}, stream_mode="updates"
        )
    ]
    assert printed[1:] == [
        {"refine_topic": {"topic": "ice cream and cats"}},
        {"generate_joke": {"joke": JOKE}},
    ]


async def test_a_background_run_can_be_joined(
    server: ServerProcess, client: LangGraphClient
) -> None:
    thread_id = await started(client)
    async with Gate() as gate, asyncio.TaskGroup() as tasks:
        run = await client.runs.create(
            thread_id, "slow", input={"gate": gate.address}, stream_mode=["updates", "custom"]
        )
        assert await gate.arrival() == "step1"
        reading = tasks.create_task(joined(client, thread_id, run["run_id"]))
        await server.has_streams(1)
        gate.open()
    events = await reading
    assert events[0] == ("updates", {"step1": {"n": 1, "log": ["step1"]}})
    assert events[-1] == ("updates", {"step5": {"n": 5, "log": ["step5"]}})
    assert [name for name, _ in events] == ["updates", *["custom", "updates"] * 4]


async def joined(client: LangGraphClient, thread_id: str, run_id: str) -> list[tuple[str, Any]]:
    return [(chunk.event, chunk.data) async for chunk in client.runs.join_stream(thread_id, run_id)]


async def test_a_graph_asks_and_goes_on_with_the_answer(client: LangGraphClient) -> None:
    thread_id = await started(client)
    asked = await client.runs.wait(thread_id, "hitl", input={"text": "a"})
    assert isinstance(asked, dict)
    (question,) = asked["__interrupt__"]
    assert question["value"] == {"question": "ok?", "text": "a!"}
    thread = await client.threads.get(thread_id)
    assert thread["status"] == "interrupted"
    done = await client.runs.wait(thread_id, "hitl", command={"resume": "yes"})
    assert done == {"text": "a! done", "approved": "yes"}
    assert (await client.threads.get(thread_id))["status"] == "idle"


async def test_a_failing_run_tells_its_error(client: LangGraphClient) -> None:
    chunks = [
        (chunk.event, chunk.data)
        async for chunk in client.runs.stream(
            await started(client), "fail", input={"topic": "x"}, stream_mode="updates"
        )
    ]
    assert chunks[-1] == ("error", {"error": "ValueError", "message": "boom: x"})
    with pytest.raises(Exception, match="ValueError: boom: x"):
        await client.runs.wait(None, "fail", input={"topic": "x"})


async def test_events_of_the_whole_run(client: LangGraphClient) -> None:
    names = [
        chunk.data["event"]
        async for chunk in client.runs.stream(
            await started(client), "agent", input={"topic": "x"}, stream_mode="events"
        )
        if chunk.event == "events"
    ]
    assert names[0] == "on_chain_start"
    assert names[-1] == "on_chain_end"


async def test_the_client_of_sync_code_prints_the_same(server: ServerProcess) -> None:
    with get_sync_client(url=server.url) as client:
        thread = client.threads.create()
        printed = [
            chunk.data
            for chunk in client.runs.stream(
                thread["thread_id"], "agent", input={"topic": "ice cream"}, stream_mode="updates"
            )
        ]
    assert printed[2] == {"generate_joke": {"joke": JOKE}}


async def test_tokens_of_a_model(chat_server: ServerProcess) -> None:
    printed: list[Any] = []
    async with chat_server.client() as client:
        async for chunk in client.runs.stream(
            None,
            "chat",
            input={"messages": [{"role": "user", "content": "hi"}]},
            stream_mode="messages-tuple",
        ):
            if chunk.event != "messages":
                continue
            message_chunk, metadata = chunk.data
            if message_chunk["content"]:
                printed.append(message_chunk["content"])
                assert metadata["langgraph_node"] == "call_model"
    assert "|".join(printed) == "Hello| |there,| |human| |friend"
