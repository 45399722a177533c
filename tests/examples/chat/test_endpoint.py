"""Answers of a model come token by token over a real socket, and a broken one is an error."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import aclosing

import pytest

from checkpoint import MemorySaver
from examples.chat.answer import Message
from examples.chat.documents import Passage
from examples.chat.endpoint import REMEMBERED, Endpoint, EndpointError, Exchange, prompt
from examples.chat.graph import Desk, chat_graph, question
from examples.chat.search import Library

from .model import Model, Reply, model

TIDE = Passage("tide.md", "Tide", "The tide comes twice a day.")
ASKED = [Message("user", "When does the tide come?")]
WORDS = ["Zweimal", " täglich", " — ", "🌊"]


async def said_by(server: Model) -> list[str]:
    endpoint = Endpoint(server.base_url, "small", "secret")
    return [token async for token in endpoint(ASKED, [TIDE])]


async def test_the_tokens_of_a_model_come_as_it_makes_them() -> None:
    with model(Reply(WORDS)) as server:
        assert await said_by(server) == WORDS
    (asked,) = server.asked
    assert (asked.path, asked.key) == ("/v1/chat/completions", "Bearer secret")
    assert (asked.body["model"], asked.body["stream"]) == ("small", True)
    assert "The tide comes twice a day." in asked.body["messages"][0]["content"]
    assert asked.body["messages"][1] == {"role": "user", "content": "When does the tide come?"}


async def test_a_token_arrives_before_the_answer_is_complete() -> None:
    with model(Reply(["Twice"], "hold")) as server:
        async with aclosing(Endpoint(server.base_url, "small")(ASKED, [])) as tokens:
            assert await anext(tokens) == "Twice"
        assert not server.released.is_set()


def test_hanging_up_wakes_who_waits_for_the_model() -> None:
    with model(Reply(["Twice"], "hold")) as server, ThreadPoolExecutor(1) as worker:
        exchange = Exchange(Endpoint(server.base_url, "small"))
        exchange.ask([])
        rest = worker.submit(lambda: b"".join(iter(exchange.read, b"")))
        exchange.hang_up()
        wait([rest], timeout=10)
        assert rest.done()
        assert not server.released.is_set()
        exchange.close()


def test_a_call_that_was_hung_up_before_it_began_asks_nothing() -> None:
    with model() as server:
        exchange = Exchange(Endpoint(server.base_url, "small"))
        exchange.hang_up()
        with pytest.raises(ConnectionAbortedError):
            exchange.ask([])
        exchange.close()
    assert server.asked == []


@pytest.mark.parametrize(
    ("reply", "message"),
    [
        (Reply(status=401), "answered 401 Unauthorized: .*no such key.*OPENAI_API_KEY"),
        (Reply(["Twi"], "cut"), "gave no whole answer: IncompleteRead"),
        (Reply(["Twi"], "error"), "the model failed: .*overloaded"),
    ],
)
async def test_a_broken_answer_is_an_error_that_says_what_to_do(reply: Reply, message: str) -> None:
    with model(reply) as server, pytest.raises(EndpointError, match=message):
        await said_by(server)


async def test_an_answer_that_ends_without_its_end_mark_is_broken() -> None:
    with model(Reply(["Twi"], "hold")) as server:
        server.released.set()
        with pytest.raises(EndpointError, match="broke off before its end"):
            await said_by(server)


async def test_a_server_that_is_not_there_is_an_error_that_names_it() -> None:
    with model() as server:
        pass
    with pytest.raises(EndpointError, match=f"{server.base_url} gave no whole answer"):
        await said_by(server)


def test_the_environment_names_the_endpoint() -> None:
    variables = {"OPENAI_BASE_URL": "http://host/v1/", "OPENAI_API_KEY": "k", "OPENAI_MODEL": "m"}
    assert Endpoint.from_environment(variables) == Endpoint("http://host/v1", "m", "k")
    assert Endpoint.from_environment({}) is None


def test_the_model_is_shown_the_end_of_a_long_conversation() -> None:
    said = [Message("user", str(n)) for n in range(20)]
    shown = prompt(said, [])
    assert len(shown) == REMEMBERED + 1
    assert shown[-1]["content"] == "19"


def test_a_models_answer_becomes_part_of_the_conversation() -> None:
    config = {"configurable": {"thread_id": "1"}}
    graph = chat_graph(MemorySaver())
    with model(Reply(WORDS), Reply(["Again."])) as server:
        desk = Desk(Library([TIDE]), Endpoint(server.base_url, "small"))
        stream = graph.stream(question("the tide?"), config, context=desk, stream_mode="custom")
        assert list(stream) == WORDS
        graph.invoke(question("And the next?"), config, context=desk)
    said = [message["content"] for message in server.asked[1].body["messages"][1:]]
    assert said == ["the tide?", "".join(WORDS), "And the next?"]


def test_a_model_that_breaks_off_is_asked_again_by_going_on() -> None:
    config = {"configurable": {"thread_id": "1"}}
    graph = chat_graph(MemorySaver())
    with model(Reply(["Twi"], "error"), Reply(["Twice."])) as server:
        desk = Desk(Library([TIDE]), Endpoint(server.base_url, "small"))
        with pytest.raises(EndpointError):
            graph.invoke(question("the tide?"), config, context=desk)
        stream = graph.stream(None, config, context=desk, stream_mode=["updates", "custom"])
        assert [mode for mode, _ in stream] == ["custom", "updates"]
    assert graph.get_state(config).values["messages"][-1] == Message("assistant", "Twice.")
