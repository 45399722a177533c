"""The official OpenAI client in nodes: `follow` shows what it streams and puts it together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypedDict

import pytest
from openai import APIConnectionError, APIError, AsyncOpenAI, OpenAI

from actors import START, StateGraph, stream_message
from streaming import ModelBrokeOffError
from tests.llm.server import Break, Call, Event, Failure, Gate, ModelServer

USER = {"role": "user", "content": "hi"}
USAGE = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}
Create = Callable[[Any, str], Any]


class State(TypedDict, total=False):
    reply: dict[str, Any]


def completions(client: Any, model: str) -> Any:
    return client.chat.completions.create(
        model=model, messages=[USER], stream=True, stream_options={"include_usage": True}
    )


def responses(client: Any, model: str) -> Any:
    return client.responses.create(model=model, input="hi", stream=True)


both_apis = pytest.mark.parametrize("create", [completions, responses])


def graph_of(node: Any) -> Any:
    return StateGraph(State).add_node("talk", node).add_edge(START, "talk").compile()


def talk(client: AsyncOpenAI, create: Create, model: str) -> Any:
    async def node(state: State) -> State:
        async with stream_message(id="m", tags=["reply"]) as message:
            await message.follow(await create(client, model))
        return {"reply": message.message}

    return graph_of(node)


@both_apis
async def test_texts_are_shown_piece_by_piece_and_put_together(
    server: ModelServer, client: AsyncOpenAI, create: Create
) -> None:
    server.says("client-text", ["one ", "two ", "three"])
    shown, state = list[Any](), {}
    graph = talk(client, create, "client-text")
    async for mode, chunk in graph.astream({}, stream_mode=["messages", "values"]):
        if mode == "messages":
            shown.append(chunk)
        else:
            state = chunk
    assert [piece.content for piece, _ in shown] == ["one ", "two ", "three", ""]
    assert {metadata["langgraph_node"] for _, metadata in shown} == {"talk"}
    assert shown[-1][0].usage_metadata == USAGE
    assert state["reply"] == {
        "role": "assistant",
        "content": "one two three",
        "id": "m",
        "usage_metadata": USAGE,
    }


async def test_helpers_of_the_client_that_put_things_together_themselves_are_followed_too(
    server: ModelServer, client: AsyncOpenAI
) -> None:
    said = ["one ", "two"]
    server.says("client-helper", said)

    async def node(state: State) -> State:
        api: Any = client
        chat = api.chat.completions.stream(model="client-helper", messages=[USER])
        async with stream_message() as first, chat as helper:
            await first.follow(helper)
        response = api.responses.stream(model="client-helper", input="hi")
        async with stream_message() as second, response as helper:
            await second.follow(helper)
        return {"reply": {"contents": [first.content, second.content]}}

    chunks = [c async for c in graph_of(node).astream({}, stream_mode=["messages", "values"])]
    shown = [chunk[0].content for mode, chunk in chunks if mode == "messages"]
    assert [text for text in shown if text] == [*said, *said]
    assert chunks[-1] == ("values", {"reply": {"contents": ["one two", "one two"]}})


@both_apis
async def test_calls_of_tools_are_shown_in_pieces_and_put_together(
    server: ModelServer, client: AsyncOpenAI, create: Create
) -> None:
    look, ask = Call("look", ('{"at":', " 1}"), "c1"), Call("ask", ("{}",), "c2")
    server.says("client-calls", ["so ", look, ask])
    graph = talk(client, create, "client-calls")
    pieces = [piece async for piece, _ in graph.astream({}, stream_mode="messages")]
    calls = [call for piece in pieces for call in piece.tool_call_chunks]
    assert [(call["name"], call["id"], call["args"]) for call in calls] == [
        ("look", "c1", ""),
        (None, None, '{"at":'),
        (None, None, " 1}"),
        ("ask", "c2", ""),
        (None, None, "{}"),
    ]
    assert len({call["index"] for call in calls[:3]}) == 1
    reply = (await graph.ainvoke({}))["reply"]
    assert reply["tool_calls"] == [
        {
            "id": "c1",
            "type": "function",
            "function": {"name": "look", "arguments": '{"at": 1}'},
        },
        {"id": "c2", "type": "function", "function": {"name": "ask", "arguments": "{}"}},
    ]


async def test_the_message_can_be_sent_back_as_it_is(
    server: ModelServer, client: AsyncOpenAI
) -> None:
    script = server.says("client-back", [Call("look", ("{}",))], ["seen"])
    first = (await talk(client, completions, "client-back").ainvoke({}))["reply"]
    sent = {name: first[name] for name in ("role", "content", "tool_calls")}
    answer = {"role": "tool", "tool_call_id": "call_1", "content": "a cat"}
    await client.chat.completions.create(model="client-back", messages=[USER, sent, answer])
    assert script.requests[1]["messages"][1] == sent


@both_apis
async def test_pieces_arrive_while_the_model_still_speaks(
    server: ModelServer, client: AsyncOpenAI, create: Create
) -> None:
    gate = Gate()
    server.says("client-slow", ["first", gate, "second"])
    stream = talk(client, create, "client-slow").astream({}, stream_mode="messages")
    piece, _ = await anext(stream)
    assert piece.content == "first"
    gate.open()
    assert "".join([piece.content async for piece, _ in stream]) == "second"


@both_apis
def test_sync_clients_in_sync_nodes(
    server: ModelServer, sync_client: OpenAI, create: Create
) -> None:
    server.says("client-sync", ["one ", Call("look", ("{}",))])

    def node(state: State) -> State:
        with stream_message() as message:
            return {"reply": message.follow_sync(create(sync_client, "client-sync"))}

    chunks = list(graph_of(node).stream({}, stream_mode=["messages", "values"]))
    assert chunks[0][1][0].content == "one "
    reply = chunks[-1][1]["reply"]
    assert reply["content"] == "one "
    assert reply["tool_calls"][0]["function"]["name"] == "look"


async def broken(graph: Any) -> tuple[str, BaseException]:
    """What was shown, and what was raised."""
    shown = ""
    try:
        async for piece, _ in graph.astream({}, stream_mode="messages"):
            shown += piece.content
    except Exception as error:  # what the test looks at
        return shown, error
    raise AssertionError("it ended well")


@both_apis
async def test_a_connection_that_breaks_leaves_what_came_and_raises(
    server: ModelServer, client: AsyncOpenAI, create: Create
) -> None:
    server.says("client-break", ["half ", "a sen", Break()])
    shown, error = await broken(talk(client, create, "client-break"))
    assert shown == "half a sen"
    assert isinstance(error, APIConnectionError)


async def test_a_model_that_fails_leaves_what_it_said_and_raises(
    server: ModelServer, client: AsyncOpenAI
) -> None:
    server.says("client-fails", ["half ", Failure()])
    shown, error = await broken(talk(client, completions, "client-fails"))
    assert (shown, type(error)) == ("half ", APIError)
    shown, error = await broken(talk(client, responses, "client-fails"))
    assert (shown, type(error)) == ("half ", ModelBrokeOffError)
    assert "'server_error': overloaded" in str(error)


async def test_a_reader_that_leaves_ends_the_connection(
    server: ModelServer, client: AsyncOpenAI
) -> None:
    gate, streams = Gate(), list[Any]()
    server.says("client-left", ["first", gate, "second"])

    async def node(state: State) -> None:
        streams.append(await completions(client, "client-left"))
        async with stream_message() as message:
            await message.follow(streams[0])

    stream = graph_of(node).astream({}, stream_mode="messages")
    await anext(stream)
    await stream.aclose()
    assert streams[0].response.is_closed
    gate.open()


async def test_what_other_services_say_in_chat_completions_is_kept(
    server: ModelServer, client: AsyncOpenAI
) -> None:
    cited = {"type": "url_citation", "url_citation": {"url": "https://cats", "title": "Cats"}}
    fields = [
        {"reasoning_content": "H"},
        {"reasoning": "m"},
        {"audio": {"transcript": "Hi", "data": "UklGRg=="}},
        {"annotations": [cited]},
    ]
    server.says("client-more", [Event("delta", each) for each in fields])
    reply = (await talk(client, completions, "client-more").ainvoke({}))["reply"]
    assert reply["content"] == "Hi"
    assert reply["reasoning_content"] == "Hm"
    assert reply["annotations"] == [cited]
