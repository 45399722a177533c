"""Sessions over WebSockets: commands, subscriptions, and clients that do not behave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk import Auth
from starlette.types import ASGIApp
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from agent_server.app import create_app
from agent_server.removal import remove_thread
from agent_server.settings import Settings
from agent_server.subscriptions import MOST
from checkpoint import new_id
from tests.agent_server.harness import graphs
from tests.agent_server.lib_streams import listening

CHANNELS = ["values", "lifecycle", "input"]
START = {"assistant_id": "agent", "input": {"topic": "x"}}
GRAPHS = {"agent": graphs.agent, "burst": graphs.burst}


class Talk:
    """A session as its client has it."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.notices: list[dict[str, Any]] = []
        self._count = 0

    async def read(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            message: dict[str, Any] = json.loads(await self.socket.recv())
        if message["type"] == "event":
            self.notices.append(message)
        return message

    async def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """The answer to a command; notices that come before it are kept."""
        self._count += 1
        given = {"id": self._count, "method": method, "params": params}
        await self.socket.send(json.dumps(given))
        while (answer := await self.read())["type"] == "event":
            pass
        assert answer["id"] == self._count
        return answer

    async def subscribe(self, *channels: str, **more: Any) -> str:
        answer = await self.ask("subscription.subscribe", channels=list(channels), **more)
        return answer["result"]["subscription_id"]

    async def until(self, event: str, count: int = 1) -> list[str]:
        """What was told, up to so many of these events of the lifecycle."""
        while self.events().count(event) < count:
            await self.read()
        return self.events()

    def events(self) -> list[str]:
        return [
            told["params"]["data"]["event"] if told["method"] == "lifecycle" else told["method"]
            for told in self.notices
        ]


@pytest.fixture
def app(tmp_path: Path) -> ASGIApp:
    return create_app(GRAPHS, settings=settings_of(tmp_path))


def settings_of(path: Path, **more: Any) -> Settings:
    return Settings(database=path / "server.db", heartbeat=100, **more)


@pytest.fixture
async def port(app: ASGIApp) -> AsyncGenerator[int]:
    async with listening(app) as number:
        yield number


def place(port: int, thread_id: str | None = None) -> str:
    return f"ws://127.0.0.1:{port}/threads/{thread_id or new_id()}/stream/events"


class TestCommands:
    async def test_commands_are_answered_and_notices_come(self, port: int) -> None:
        async with connect(place(port)) as socket:
            talk = Talk(socket)
            await talk.subscribe(*CHANNELS)
            assert (await talk.ask("run.start", **START))["type"] == "success"
            assert await talk.until("completed") == ["running", *["values"] * 3, "completed"]
            tree = await talk.ask("agent.getTree")
            assert tree["result"]["tree"]["graph_name"] == "agent"
            assert tree["meta"]["applied_through_seq"] >= talk.notices[-1]["seq"]

    @pytest.mark.parametrize(
        ("frame", "told"),
        [
            ("not json", "Protocol commands must be valid JSON."),
            ("", "Protocol commands must be valid JSON."),
            (b'{"id": 1}', "Protocol commands must be text frames."),
            (b"\xff\xfe", "Protocol commands must be text frames."),
            ("[" * 300 + "]" * 300, "nested more than 200 levels"),
            ("null", "must include an integer id"),
            ("[]", "must include an integer id"),
            ('{"id": true, "method": "x"}', "must include an integer id"),
            ('{"id": 1, "method": "x", "params": []}', "Unknown protocol command"),
            ('{"id": 1, "method": "x", "params": 3}', "params must be an object"),
        ],
        ids=lambda given: repr(given)[:24],
    )
    async def test_what_is_no_command_is_refused_and_the_session_goes_on(
        self, port: int, frame: str | bytes, told: str
    ) -> None:
        async with connect(place(port)) as socket:
            talk = Talk(socket)
            await socket.send(frame)
            answer = await talk.read()
            assert answer["type"] == "error"
            assert told in answer["message"]
            assert (await talk.ask("bogus"))["error"] == "unknown_command"

    async def test_a_command_may_be_as_large_as_a_body(self, tmp_path: Path) -> None:
        settings = settings_of(tmp_path, max_body=1000)
        async with (
            listening(create_app(GRAPHS, settings=settings)) as port,
            connect(place(port)) as socket,
        ):
            talk = Talk(socket)
            await socket.send(json.dumps({"id": 1, "method": "run.start", "pad": "x" * 1000}))
            assert "larger than 1000 bytes" in (await talk.read())["message"]
            assert (await talk.ask("bogus"))["error"] == "unknown_command"

    async def test_many_commands_at_once_are_answered_in_order(self, port: int) -> None:
        async with connect(place(port)) as socket:
            for number in range(200):
                await socket.send(json.dumps({"id": number, "method": "bogus"}))
            talk = Talk(socket)
            assert [(await talk.read())["id"] for _ in range(200)] == list(range(200))


class TestSubscriptions:
    async def test_one_that_comes_later_is_told_what_there_was_and_no_one_twice(
        self, port: int
    ) -> None:
        async with connect(place(port)) as socket:
            talk = Talk(socket)
            await talk.subscribe("lifecycle")
            await talk.ask("run.start", **START)
            assert await talk.until("completed") == ["running", "completed"]
            await talk.subscribe("values")
            await talk.subscribe("updates", "lifecycle")
            await talk.ask("run.start", **START)
            events = await talk.until("completed", 2)
            assert sorted(events) == sorted(
                ["running", "completed", *["values"] * 3, *["updates"] * 2] * 2
            )
            ids = [told["event_id"] for told in talk.notices]
            assert len(ids) == len(set(ids))

    async def test_who_unsubscribes_is_told_no_more(self, port: int) -> None:
        async with connect(place(port)) as socket:
            talk = Talk(socket)
            values = await talk.subscribe("values")
            await talk.subscribe("lifecycle")
            left = await talk.ask("subscription.unsubscribe", subscription_id=values)
            assert left["result"] == {}
            await talk.ask("run.start", **START)
            assert await talk.until("completed") == ["running", "completed"]
            for unknown in (values, None, 3, []):
                again = await talk.ask("subscription.unsubscribe", subscription_id=unknown)
                assert again["error"] == "not_found"

    async def test_since_leaves_out_what_was_seen(self, port: int) -> None:
        thread = new_id()
        async with connect(place(port, thread)) as socket:
            first = Talk(socket)
            await first.subscribe(*CHANNELS)
            await first.ask("run.start", **START)
            await first.until("completed")
        for at in range(1, 5):
            async with connect(place(port, thread)) as socket:
                talk = Talk(socket)
                await talk.subscribe(*CHANNELS, since=first.notices[at - 1]["seq"])
                await talk.until("completed")
                assert talk.notices == first.notices[at:]

    async def test_namespaces_hold_for_sessions_too(self, port: int) -> None:
        async with connect(place(port)) as socket:
            talk = Talk(socket)
            await talk.subscribe("values", namespaces=[["nowhere"]])
            await talk.subscribe("lifecycle")
            await talk.ask("run.start", **START)
            assert await talk.until("completed") == ["running", "completed"]
            wrong = await talk.ask("subscription.subscribe", channels=["values"], namespaces=[1])
            assert wrong["error"] == "invalid_argument"

    async def test_there_may_be_so_many(self, port: int) -> None:
        async with connect(place(port)) as socket:
            talk = Talk(socket)
            ids = [await talk.subscribe("lifecycle") for _ in range(MOST)]
            more = await talk.ask("subscription.subscribe", channels=["values"])
            assert more["error"] == "overloaded"
            await talk.ask("subscription.unsubscribe", subscription_id=ids[0])
            await talk.subscribe("values")
            await talk.ask("run.start", **START)
            assert len(await talk.until("completed")) == 5


class TestLimits:
    async def test_a_session_counts_among_the_readers_while_it_lives(self, tmp_path: Path) -> None:
        app = create_app(GRAPHS, settings=settings_of(tmp_path, max_readers=1))
        async with listening(app) as port:
            async with connect(place(port)) as socket:
                assert (await Talk(socket).ask("bogus"))["error"] == "unknown_command"
                assert app.state.services.streams.count == 1
                async with connect(place(port)) as other:
                    with pytest.raises(ConnectionClosed) as caught:
                        await other.recv()
                    assert caught.value.rcvd is not None
                    assert caught.value.rcvd.code == 4503
                    assert "1 streams are open" in caught.value.rcvd.reason
            async with connect(place(port)) as socket:
                await socket.send("x")
                await socket.recv()
                assert app.state.services.streams.count == 1

    async def test_what_a_client_does_not_take_is_not_read(self, app: Any) -> None:
        """The application itself: its `send` waits, as a server's does while a socket is full."""
        taken: list[Mapping[str, Any]] = []
        commands: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        full, drained, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def send(message: Any) -> None:
            taken.append(message)
            if len(taken) == 10:
                full.set()
                await drained.wait()
            if '"completed"' in message.get("text", ""):
                ended.set()

        def tell(number: int, method: str, **params: Any) -> None:
            text = json.dumps({"id": number, "method": method, "params": params})
            commands.put_nowait({"type": "websocket.receive", "text": text})

        async with app.router.lifespan_context(app):
            thread = new_id()
            path = f"/threads/{thread}/stream/events"
            scope = {"type": "websocket", "path": path, "headers": [], "query_string": b""}
            commands.put_nowait({"type": "websocket.connect"})
            serving = asyncio.ensure_future(app(scope, commands.get, send))
            tell(1, "subscription.subscribe", channels=["custom", "lifecycle"])
            tell(2, "run.start", assistant_id="burst", input={"count": 5_000})
            await asyncio.wait_for(full.wait(), 10)
            services = app.state.services
            [run] = await services.runs.list(thread)
            live = services.dispatcher.live(run.run_id)
            if live is not None:
                await live.settled()
            assert len(taken) == 10
            drained.set()
            await asyncio.wait_for(ended.wait(), 30)
            told = [json.loads(each["text"]) for each in taken[1:]]
            custom = [each for each in told if each.get("method") == "custom"]
            assert len(custom) == 5_000
            commands.put_nowait({"type": "websocket.disconnect", "code": 1000})
            await asyncio.wait_for(serving, 10)

    async def test_a_command_that_comes_when_the_session_is_closed_already_harms_nobody(
        self, app: Any
    ) -> None:
        sent: list[str] = []
        answered, closed = asyncio.Event(), asyncio.Event()
        commands: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

        async def send(message: Any) -> None:
            sent.append(message["type"])
            if message["type"] == "websocket.send":
                answered.set()
            if message["type"] == "websocket.close":
                closed.set()

        def tell(method: str, **params: Any) -> None:
            text = json.dumps({"id": 1, "method": method, "params": params})
            commands.put_nowait({"type": "websocket.receive", "text": text})

        async with app.router.lifespan_context(app):
            path = f"/threads/{new_id()}/stream/events"
            scope = {"type": "websocket", "path": path, "headers": [], "query_string": b""}
            commands.put_nowait({"type": "websocket.connect"})
            tell("subscription.subscribe", channels=["values"])
            serving = asyncio.ensure_future(app(scope, commands.get, send))
            await asyncio.wait_for(answered.wait(), 10)
            await app.state.services.drain()
            await asyncio.wait_for(closed.wait(), 10)
            tell("bogus")
            await asyncio.wait_for(serving, 10)
        assert sent == ["websocket.accept", "websocket.send", "websocket.close"]

    async def test_a_stop_of_the_server_ends_sessions_so_that_clients_come_back(
        self, port: int, app: Any
    ) -> None:
        async with connect(place(port)) as socket:
            await Talk(socket).subscribe("values")
            await app.state.services.drain()
            with pytest.raises(ConnectionClosed) as caught:
                await asyncio.wait_for(socket.recv(), 10)
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1001


async def test_a_session_on_a_thread_that_is_deleted_ends(port: int, app: Any) -> None:
    thread = new_id()
    async with connect(place(port, thread)) as socket:
        talk = Talk(socket)
        await talk.subscribe(*CHANNELS)
        await talk.ask("run.start", **START)
        await talk.until("completed")
        services = app.state.services
        await remove_thread(services.threads, services.dispatcher, thread)
        with pytest.raises(ConnectionClosed) as caught:
            await asyncio.wait_for(socket.recv(), 10)
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 4404


def owners() -> Auth:
    hook = Auth()

    @hook.authenticate
    async def authenticate(authorization: str | None) -> str:
        assert authorization
        return authorization

    @hook.on
    async def own(ctx: Any, value: Any) -> dict[str, str]:
        mine = {"owner": ctx.user.identity}
        value.setdefault("metadata", {}).update(mine)
        return mine

    return hook


async def closed_with(url: str, **headers: str) -> int:
    async with connect(url, additional_headers=headers) as socket:
        with pytest.raises(ConnectionClosed) as caught:
            await asyncio.wait_for(socket.recv(), 10)
    return 0 if caught.value.rcvd is None else caught.value.rcvd.code


class TestRefusals:
    async def test_what_is_refused_is_closed_with_the_status_of_an_answer(
        self, tmp_path: Path
    ) -> None:
        app = create_app(GRAPHS, settings=settings_of(tmp_path), auth=owners())
        async with listening(app) as port:
            thread = new_id()
            async with connect(
                place(port, thread), additional_headers={"authorization": "me"}
            ) as s:
                talk = Talk(s)
                await talk.subscribe(*CHANNELS)
                await talk.ask("run.start", **START)
                await talk.until("completed")
                assert await closed_with(place(port, thread), authorization="you") == 4404
                assert await closed_with(place(port, thread)) == 4401
                assert await closed_with(place(port, "x"), authorization="me") == 4422
            found = await app.state.services.threads.get(thread)
            assert found.metadata["owner"] == "me"

    async def test_keys_and_origins_hold_for_sessions(self, tmp_path: Path) -> None:
        settings = settings_of(
            tmp_path, api_keys=("secret",), allow_origins=("https://us.example",)
        )
        async with listening(create_app(GRAPHS, settings=settings)) as port:
            assert await closed_with(place(port)) == 4401
            assert await closed_with(place(port), origin="https://evil.example") == 4403
            headers = {"x-api-key": "secret", "origin": "https://us.example"}
            async with connect(place(port), additional_headers=headers) as socket:
                assert (await Talk(socket).ask("bogus"))["error"] == "unknown_command"

    async def test_a_path_that_is_no_session_is_not_opened(self, port: int) -> None:
        with pytest.raises(InvalidStatus):
            await connect(f"ws://127.0.0.1:{port}/threads/{new_id()}/stream")
