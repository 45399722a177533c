"""Answers to those who wait for a run: signs of life, its values, and clients that go."""

from __future__ import annotations

import asyncio
from typing import Any

from actors import Supervisor
from agent_server.live import LiveRun
from agent_server.orders import RunBody, run_from
from agent_server.sse import Streams
from agent_server.waiting import EndOfRun
from tests.agent_server.stage import assistant_of


def live_run() -> LiveRun:
    body, assistant = RunBody(assistant_id="agent"), assistant_of("agent")
    return LiveRun(run_from(body, assistant, thread_id="thread", now=0.0))


class Client:
    """The other end of an ASGI connection."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[Any] = asyncio.Queue()
        self.gone = asyncio.Event()

    async def receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.put_nowait(message)


async def serve(answer: EndOfRun, client: Client) -> None:
    await answer({"type": "http"}, client.receive, client.send)


def answer_for(live: LiveRun, supervisor: Supervisor, **options: Any) -> EndOfRun:
    streams = Streams(supervisor, heartbeat=options.pop("heartbeat", 60.0), most=10)
    return EndOfRun(live, streams, headers={"location": "/here"}, **options)


async def test_headers_come_at_once_and_the_values_when_the_run_has_ended() -> None:
    live, client = live_run(), Client()
    async with Supervisor() as supervisor:
        serving = asyncio.create_task(serve(answer_for(live, supervisor), client))
        start = await client.sent.get()
        assert start["status"] == 200
        assert (b"location", b"/here") in start["headers"]
        assert client.sent.empty()
        live.settle("success", '{"text":"é"}'.encode())
        await serving
    body = client.sent.get_nowait()
    assert (body["body"], body["more_body"]) == ('{"text":"é"}'.encode(), False)


async def test_signs_of_life_are_white_space_before_the_json() -> None:
    live, client = live_run(), Client()
    async with Supervisor() as supervisor:
        answer = answer_for(live, supervisor, heartbeat=0.01)
        serving = asyncio.create_task(serve(answer, client))
        await client.sent.get()
        pieces = [await client.sent.get() for _ in range(3)]
        assert [piece["body"] for piece in pieces] == [b"\n"] * 3
        live.settle("success", b"{}")
        await serving


async def test_a_run_that_has_ended_is_answered_without_waiting() -> None:
    live, client = live_run(), Client()
    live.settle("error", b'{"__error__":{"error":"E","message":"m"}}')
    async with Supervisor() as supervisor:
        await serve(answer_for(live, supervisor), client)
    client.sent.get_nowait()
    assert client.sent.get_nowait()["body"] == b'{"__error__":{"error":"E","message":"m"}}'


async def test_a_client_that_goes_is_noticed_and_nothing_more_is_sent() -> None:
    live, client, told = live_run(), Client(), asyncio.Event()

    async def on_disconnect() -> None:
        told.set()

    async with Supervisor() as supervisor:
        answer = answer_for(live, supervisor, on_disconnect=on_disconnect)
        serving = asyncio.create_task(serve(answer, client))
        await client.sent.get()
        client.gone.set()
        await serving
        assert told.is_set()
        assert client.sent.empty()
        assert not supervisor.tasks


async def test_a_shutdown_cuts_the_answer_so_that_the_client_comes_back() -> None:
    live, client = live_run(), Client()
    async with Supervisor() as supervisor:
        serving = asyncio.create_task(serve(answer_for(live, supervisor), client))
        await client.sent.get()
        live.suspend()
        await serving
    assert client.sent.empty()
