"""What happens to tokens of the real ChatOpenAI when much goes on, or something breaks."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from langchain_core.runnables import RunnableLambda

from actors import START, ActorSystem, MessagesState, StateGraph
from actors.prebuilt import create_react_agent
from checkpoint import SqliteSaver
from tests.llm.server import Break, Call, Gate, ModelServer

ASK = {"messages": [("user", "hi")]}


def talk(model: Any, **fittings: Any) -> Any:
    async def node(state: MessagesState) -> dict[str, Any]:
        return {"messages": [await model.ainvoke(state["messages"])]}

    return (
        StateGraph(MessagesState).add_node("talk", node).add_edge(START, "talk").compile(**fittings)
    )


def texts(chunks: Any) -> list[str]:
    return [message.content for message, _ in chunks if message.content]


async def test_a_model_that_breaks_leaves_what_it_said_and_the_error_comes_out(
    server: ModelServer, chat: Any
) -> None:
    server.says("chat-breaks", ["half ", "a sen", Break()])
    stream = talk(chat("chat-breaks")).astream(ASK, stream_mode="messages")
    shown = [await anext(stream) for _ in range(3)]
    assert texts(shown) == ["half ", "a sen"]
    with pytest.raises(Exception, match="Connection error") as caught:
        await anext(stream)
    assert any("During task with name 'talk'" in note for note in caught.value.__notes__)


async def test_sync_calls_from_any_thread_share_a_model_with_async_ones(
    server: ModelServer, chat: Any
) -> None:
    """Its async client keeps connections of the loop that it was first used on."""
    server.says("chat-anywhere", ["here"])
    model = chat("chat-anywhere")
    chain = (
        RunnableLambda(lambda state: state["messages"])
        | model
        | (lambda said: {"messages": [said]})
    )
    builder = StateGraph(MessagesState).add_node("talk", chain).add_edge(START, "talk")
    for graph in (create_react_agent(model, []), builder.compile()):
        assert (await graph.ainvoke(ASK))["messages"][-1].content == "here"
        calls = [asyncio.to_thread(graph.invoke, ASK) for _ in range(5)]
        for state in await asyncio.gather(*calls):
            assert state["messages"][-1].content == "here"
        assert graph.invoke(ASK)["messages"][-1].content == "here"


async def test_fifty_conversations_are_in_the_middle_of_a_sentence_at_once(
    server: ModelServer, chat: Any
) -> None:
    many, gate = range(50), Gate()
    half_way = asyncio.Barrier(len(many) + 1)
    for i in many:
        server.says(f"chat-many-{i}", [f"{i} ", gate, "done"])

    async def read(i: int) -> list[str]:
        shown = list[Any]()
        async for chunk in talk(chat(f"chat-many-{i}")).astream(ASK, stream_mode="messages"):
            shown.append(chunk)
            if chunk[0].content == f"{i} ":
                await half_way.wait()
        return texts(shown)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(read(i)) for i in many]
        await half_way.wait()
        gate.open()
    assert [task.result() for task in tasks] == [[f"{i} ", "done"] for i in many]


async def test_tool_calls_come_in_pieces_and_whole_in_the_state(
    server: ModelServer, chat: Any
) -> None:
    server.says("chat-calls", ["so ", Call("look", ('{"at"', ": 1}"))])
    shown, state = [], None
    graph = talk(chat("chat-calls"))
    async for mode, chunk in graph.astream(ASK, stream_mode=["messages", "values"]):
        if mode == "messages":
            shown.append(chunk[0])
        else:
            state = chunk
    pieces = [piece["args"] for message in shown for piece in message.tool_call_chunks]
    assert pieces == ["", '{"at"', ": 1}"]
    assert state is not None
    assert state["messages"][-1].tool_calls[0]["args"] == {"at": 1}
    assert state["messages"][-1].id == shown[0].id


async def test_tokens_of_a_run_with_a_log_are_read_again_by_who_comes_late(
    server: ModelServer, chat: Any, tmp_path: Any
) -> None:
    server.says("chat-log", ["one ", "two ", "three"])
    thread = {"configurable": {"thread_id": "1"}}
    async with (
        SqliteSaver.from_conn_string(str(tmp_path / "x.db")) as saver,
        ActorSystem() as system,
    ):
        graph = talk(chat("chat-log"), checkpointer=saver)
        run = await system.start(graph, ASK, thread, stream_mode=["updates", "messages"])
        await run.result()
        late = [chunk async for chunk in run.stream("messages")]
        again = [chunk async for chunk in run.stream("messages", after=late[1].id)]
    assert texts(chunk.data for chunk in late) == ["one ", "two ", "three"]
    assert again == late[2:]


async def test_a_cancelled_reader_closes_the_connection(server: ModelServer, chat: Any) -> None:
    gate = Gate()
    server.says("chat-left", ["first", gate, "second"])
    stream = talk(chat("chat-left")).astream(ASK, stream_mode="messages")
    while not (await anext(stream))[0].content:
        pass
    await stream.aclose()
    gate.open()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
