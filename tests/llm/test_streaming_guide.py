"""The guide's examples on tokens of models and on data from tools, with the real ChatOpenAI."""

from __future__ import annotations

from typing import Any, TypedDict

from langchain.chat_models import init_chat_model
from langchain_core.tools import tool
from openai import AsyncOpenAI

from actors import START, StateGraph, get_stream_writer
from actors.prebuilt import create_react_agent
from tests.llm.server import Call, Gate, ModelServer

JOKE = ("Why did ", "the ice cream ", "go to therapy?")
POEM = ("Cats ", "sleep ", "all day.")


class State(TypedDict, total=False):
    topic: str
    joke: str
    poem: str


def joke_graph(llm: Any) -> Any:
    def generate_joke(state: State) -> dict[str, Any]:
        response = llm.invoke(
            [{"role": "user", "content": f"Generate a joke about {state['topic']}"}]
        )
        return {"joke": response.content}

    return (
        StateGraph(State)
        .add_node("generate_joke", generate_joke)
        .add_edge(START, "generate_joke")
        .compile()
    )


def test_tokens_of_a_model_that_a_sync_node_invokes(server: ModelServer, chat: Any) -> None:
    script = server.says("guide-joke", JOKE)
    shown = [
        (message_chunk.content, metadata["langgraph_node"], metadata["langgraph_step"])
        for message_chunk, metadata in joke_graph(chat("guide-joke")).stream(
            {"topic": "ice cream"}, stream_mode="messages"
        )
        if message_chunk.content
    ]
    assert shown == [(text, "generate_joke", 1) for text in JOKE]
    assert script.requests[0]["stream"] is True


def test_the_same_by_the_responses_api(server: ModelServer, chat: Any) -> None:
    server.says("guide-responses", JOKE)
    graph = joke_graph(chat("guide-responses", use_responses_api=True))
    shown = [m.text for m, _ in graph.stream({"topic": "x"}, stream_mode="messages") if m.text]
    assert shown == list(JOKE)


def test_tokens_arrive_while_the_model_still_speaks(server: ModelServer, chat: Any) -> None:
    gate = Gate()
    server.says("guide-slow", ["first ", gate, "second"])
    stream = joke_graph(chat("guide-slow")).stream({"topic": "x"}, stream_mode="messages")
    texts = (m.content for m, _ in stream if m.content)
    assert next(texts) == "first "
    gate.open()
    assert list(texts) == ["second"]


async def test_tokens_are_chosen_by_the_tag_of_their_model(
    server: ModelServer, client: AsyncOpenAI
) -> None:
    server.says("guide-tag-joke", JOKE)
    server.says("guide-tag-poem", POEM)
    known = {
        "model_provider": "openai",
        "api_key": "none",
        "base_url": server.url,
        "async_client": client.chat.completions,
    }
    joke_model = init_chat_model("guide-tag-joke", tags=["joke"], **known)
    poem_model = init_chat_model("guide-tag-poem", tags=["poem"], **known)

    async def dual_generation(state: State, config: Any) -> dict[str, Any]:
        joke_response = await joke_model.ainvoke(
            [{"role": "user", "content": f"Write a joke about {state['topic']}"}], config
        )
        poem_response = await poem_model.ainvoke(
            [{"role": "user", "content": f"Write a poem about {state['topic']}"}], config
        )
        return {"joke": joke_response.content, "poem": poem_response.content}

    graph = (
        StateGraph(State)
        .add_node("dual_generation", dual_generation)
        .add_edge(START, "dual_generation")
        .compile()
    )
    shown: dict[str, list[str]] = {"joke": [], "poem": []}
    async for message_chunk, metadata in graph.astream({"topic": "cats"}, stream_mode="messages"):
        if message_chunk.content and metadata["tags"] == ["joke"]:
            shown["joke"].append(message_chunk.content)
        elif message_chunk.content and metadata["tags"] == ["poem"]:
            shown["poem"].append(message_chunk.content)
    assert shown == {"joke": list(JOKE), "poem": list(POEM)}


def test_tokens_are_chosen_by_their_node(server: ModelServer, chat: Any) -> None:
    server.says("guide-node-joke", JOKE)
    server.says("guide-node-poem", POEM)
    joker, poet = chat("guide-node-joke"), chat("guide-node-poem")

    def write_joke(state: State) -> dict[str, Any]:
        return {"joke": joker.invoke([{"role": "user", "content": "a joke"}]).content}

    def write_poem(state: State) -> dict[str, Any]:
        return {"poem": poet.invoke([{"role": "user", "content": "a poem"}]).content}

    graph = (
        StateGraph(State)
        .add_node("write_joke", write_joke)
        .add_node("write_poem", write_poem)
        .add_edge(START, "write_joke")
        .add_edge(START, "write_poem")
        .compile()
    )
    shown = [
        message_chunk.content
        for message_chunk, metadata in graph.stream({"topic": "cats"}, stream_mode="messages")
        if message_chunk.content and metadata["langgraph_node"] == "write_poem"
    ]
    assert shown == list(POEM)


def test_custom_data_from_a_tool_of_an_agent(server: ModelServer, chat: Any) -> None:
    @tool
    async def get_items(place: str) -> str:
        """Use this tool to list items one might find in a place."""
        writer = get_stream_writer()
        items = ["books", "pencils", "pictures"]
        for chunk in items:
            writer({"custom_tool_data": chunk})
        return ", ".join(items)

    call = Call("get_items", ('{"place": ', '"office"}'))
    script = server.says("guide-agent", [call], ["Books ", "and more."])
    agent = create_react_agent(chat("guide-agent"), tools=[get_items])
    asked = {"messages": [{"role": "user", "content": "what items are in the office?"}]}
    chunks = list(agent.stream(asked, stream_mode=["custom", "messages"]))
    assert [chunk for mode, chunk in chunks if mode == "custom"] == [
        {"custom_tool_data": "books"},
        {"custom_tool_data": "pencils"},
        {"custom_tool_data": "pictures"},
    ]
    messages = [chunk[0] for mode, chunk in chunks if mode == "messages"]
    assert [(m.type, m.content) for m in messages if m.content] == [
        ("tool", "books, pencils, pictures"),
        ("AIMessageChunk", "Books "),
        ("AIMessageChunk", "and more."),
    ]
    assert script.requests[1]["messages"][-1]["content"] == "books, pencils, pictures"


async def test_any_client_through_custom_data(server: ModelServer, client: AsyncOpenAI) -> None:
    server.says("guide-any", ["a pan, ", "a pot"])

    class Kitchen(TypedDict, total=False):
        query: str
        result: str

    async def stream_tokens(model_name: str, messages: Any) -> Any:
        response = await client.chat.completions.create(
            messages=messages, model=model_name, stream=True
        )
        role = None
        async for chunk in response:
            delta = chunk.choices[0].delta
            if delta.role is not None:
                role = delta.role
            if delta.content:
                yield {"role": role, "content": delta.content}

    async def get_items(state: Kitchen) -> dict[str, Any]:
        writer = get_stream_writer()
        response = ""
        asked = [{"role": "user", "content": f"List items found in {state['query']}"}]
        async for msg_chunk in stream_tokens("guide-any", asked):
            response += msg_chunk["content"]
            writer(msg_chunk)
        return {"result": response}

    graph = (
        StateGraph(Kitchen).add_node("get_items", get_items).add_edge(START, "get_items").compile()
    )
    chunks = [c async for c in graph.astream({"query": "kitchen"}, stream_mode="custom")]
    assert chunks == [
        {"role": "assistant", "content": "a pan, "},
        {"role": "assistant", "content": "a pot"},
    ]
