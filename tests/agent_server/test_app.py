"""The app as a whole: its front pages, its headers for browsers, and mounted below a prefix."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from langgraph_sdk import Auth
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from agent_server import DatabaseInUseError, GraphLoadError, Settings
from agent_server.app import app_for, create_app
from agent_server.config_file import ConfigFile
from agent_server.project import Project
from checkpoint import new_id
from tests.agent_server.harness.graphs import agent
from tests.agent_server.harness.local import local_client
from tests.agent_server.lib_streams import listening

ORIGIN = "https://app.example"


@asynccontextmanager
async def running(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    async with app.router.lifespan_context(app), local_client(app) as client:
        yield client


def app_in(folder: Path, **settings: Any) -> Starlette:
    chosen = Settings(database=folder / "server.db", **settings)
    return create_app({"agent": agent}, settings=chosen)


async def test_a_run_is_answered(tmp_path: Path) -> None:
    async with running(app_in(tmp_path)) as client:
        asked = {"assistant_id": "agent", "input": {"topic": "x"}}
        answer = await client.post("/runs/wait", json=asked)
    assert answer.json() == {"topic": "x and cats", "joke": "This is a joke about x and cats"}


async def test_the_server_says_that_it_is_there_and_what_it_is(tmp_path: Path) -> None:
    async with running(app_in(tmp_path)) as client:
        for path in ("/", "/ok", "/ok?check_db=1"):
            assert (await client.get(path)).json() == {"ok": True, "services": {}}
        told = (await client.get("/info")).json()
    assert told["flags"]["assistants"]
    assert set(told) == {"version", "langgraph_py_version", "flags", "host"}


async def test_mounted_below_a_prefix_its_places_are_below_it_too(tmp_path: Path) -> None:
    agents = app_in(tmp_path)
    outer = Starlette(
        routes=[Mount("/agents", agents)],
        lifespan=lambda _: agents.router.lifespan_context(agents),
    )
    async with running(outer) as client:
        thread = (await client.post("/agents/threads", json={})).json()
        path = f"/agents/threads/{thread['thread_id']}/runs"
        asked = {"assistant_id": "agent", "input": {"topic": "x"}}
        answer = await client.post(f"{path}/stream", json=asked)
        assert answer.headers["location"].startswith(path + "/")
        assert answer.headers["content-location"].startswith(path + "/")
        again = await client.get(answer.headers["location"], headers={"last-event-id": "-1"})
        assert again.text == answer.text
        assert (await client.get("/agents/ok/")).headers["location"] == "/agents/ok"
        assert (await client.get("/agents/openapi.json")).json()["servers"] == [{"url": "/agents"}]
        assert "/agents/threads" in (await client.get("/agents/docs")).text


async def test_a_mounted_app_whose_lifespan_nobody_entered_says_so(tmp_path: Path) -> None:
    outer = Starlette(routes=[Mount("/agents", app_in(tmp_path))])
    async with running(outer) as client:
        answer = await client.post("/agents/threads", json={})
    assert answer.status_code == 503
    assert "lifespan" in answer.json()["detail"]


async def test_browsers_may_ask_and_read_where_runs_are(tmp_path: Path) -> None:
    async with running(app_in(tmp_path)) as client:
        asked = {"assistant_id": "agent", "input": {"topic": "x"}}
        answer = await client.post("/runs/stream", json=asked, headers={"origin": ORIGIN})
        asks = {"origin": ORIGIN, "access-control-request-method": "POST"}
        before = await client.options(
            "/threads", headers={**asks, "access-control-request-headers": "x-api-key"}
        )
        refused = await client.post("/threads", content=b"{", headers={"origin": ORIGIN})
    assert answer.headers["access-control-allow-origin"] == "*"
    exposed = answer.headers["access-control-expose-headers"].split(", ")
    assert {"location", "content-location", "x-pagination-next", "x-pagination-total"} <= set(
        exposed
    )
    assert before.status_code == 200
    assert "x-api-key" in before.headers["access-control-allow-headers"]
    assert refused.headers["access-control-allow-origin"] == "*"


async def test_a_preflight_needs_no_key_and_a_request_does(tmp_path: Path) -> None:
    async with running(app_in(tmp_path, api_keys=("secret",))) as client:
        asks = {"origin": ORIGIN, "access-control-request-method": "POST"}
        assert (await client.options("/threads", headers=asks)).status_code == 200
        refused = await client.post("/threads", json={}, headers={"origin": ORIGIN})
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == "*"
        allowed = await client.post("/threads", json={}, headers={"x-api-key": "secret"})
        assert allowed.status_code == 200


async def test_langgraph_json_says_who_may_call_from_where(tmp_path: Path) -> None:
    file = ConfigFile.model_validate({"http": {"cors": {"allow_origins": [ORIGIN]}}})
    graphs = {"agent": "tests.agent_server.harness.graphs:agent"}
    settings = Settings(database=tmp_path / "server.db")
    app = app_for(Project(graphs, tmp_path, file), settings)
    async with running(app) as client:
        allowed = await client.get("/ok", headers={"origin": ORIGIN})
        other = await client.get("/ok", headers={"origin": "https://evil.example"})
    assert allowed.headers["access-control-allow-origin"] == ORIGIN
    assert "access-control-allow-origin" not in other.headers


async def test_langgraph_json_says_how_long_threads_live(tmp_path: Path) -> None:
    ttl = {"checkpointer": {"ttl": {"default_ttl": 5, "strategy": "keep_latest"}}}
    graphs = {"agent": "tests.agent_server.harness.graphs:agent"}
    settings = Settings(database=tmp_path / "server.db")
    app = app_for(Project(graphs, tmp_path, ConfigFile.model_validate(ttl)), settings)
    async with running(app) as client:
        thread = (await client.post("/threads", json={})).json()
        kept = await app.state.services.threads.get(thread["thread_id"])
    assert kept.ttl is not None
    assert (kept.ttl.minutes, kept.ttl.strategy) == (5, "keep_latest")


@pytest.mark.parametrize(
    ("body", "status", "detail"),
    [
        (b"{bad", 422, "Invalid JSON in request body"),
        (b"", 422, "Invalid JSON in request body"),
        (b'{"metadata": "\xff"}', 422, "Invalid JSON in request body"),
        (b'{"metadata":' + b"[" * 300 + b"]" * 300 + b"}", 422, "levels deep"),
        (b'{"metadata": "' + b"x" * 2000 + b'"}', 413, "larger than 1000 bytes"),
    ],
    ids=["bad", "empty", "utf-8", "nested", "large"],
)
async def test_bad_bodies_are_refused_before_anything_is_done(
    tmp_path: Path, body: bytes, status: int, detail: str
) -> None:
    async with running(app_in(tmp_path, max_body=1000)) as client:
        answer = await client.post("/threads", content=body)
        assert answer.status_code == status
        assert detail in answer.json()["detail"]
        assert (await client.post("/threads/search", json={})).json() == []


async def test_a_second_app_of_the_same_database_is_refused(tmp_path: Path) -> None:
    async with running(app_in(tmp_path)):
        with pytest.raises(DatabaseInUseError):
            async with running(app_in(tmp_path)):
                pass


async def test_what_is_no_graph_is_told_at_the_start(tmp_path: Path) -> None:
    app = create_app({"agent": 3}, database=tmp_path / "server.db")
    with pytest.raises(GraphLoadError, match="'agent' is int"):
        async with running(app):
            pass
    async with running(app_in(tmp_path)) as client:  # the database is free again
        assert (await client.get("/ok")).status_code == 200


async def test_what_was_kept_is_there_for_the_next_server(tmp_path: Path) -> None:
    async with running(app_in(tmp_path)) as client:
        thread = (await client.post("/threads", json={"metadata": {"k": 1}})).json()
    async with running(app_in(tmp_path)) as client:
        assert (await client.get(f"/threads/{thread['thread_id']}")).json() == thread


class Noting:
    """Middleware of who mounts the server."""

    def __init__(self, app: ASGIApp, seen: list[str]) -> None:
        self._app = app
        self._seen = seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._seen.append(scope["type"])
        await self._app(scope, receive, send)


async def test_a_guarded_app_that_is_mounted_holds_to_its_hook(tmp_path: Path) -> None:
    hook = Auth()

    @hook.authenticate
    async def authenticate(authorization: str, path: str) -> str:
        assert path.startswith("/threads")
        return authorization

    @hook.on
    async def own(ctx: Any, value: Any) -> dict[str, str]:
        return {"owner": ctx.user.identity}

    settings = Settings(database=tmp_path / "server.db")
    agents, seen = create_app({"agent": agent}, settings=settings, auth=hook), list[str]()
    outer = Starlette(
        routes=[Mount("/a/b", routes=[Mount("/agents", agents)])],
        middleware=[Middleware(Noting, seen=seen)],
        lifespan=lambda _: agents.router.lifespan_context(agents),
    )
    async with listening(outer) as port, httpx.AsyncClient() as client:
        here = f"http://127.0.0.1:{port}/a/b/agents"
        asked = {"assistant_id": "agent", "input": {"topic": "x"}, "if_not_exists": "create"}
        thread = f"/threads/{new_id()}"
        me, you = {"authorization": "me"}, {"authorization": "you"}
        answer = await client.post(f"{here}{thread}/runs/stream", json=asked, headers=me)
        location = answer.headers["location"]
        assert location.startswith(f"/a/b/agents{thread}/runs/")
        again = f"http://127.0.0.1:{port}{location}"
        assert (await client.get(again, headers=me)).status_code == 200
        assert (await client.get(again, headers=you)).status_code == 404
        session = f"ws://127.0.0.1:{port}/a/b/agents{thread}/stream/events"
        async with connect(session, additional_headers=me) as socket:
            await socket.send("x")
            assert "valid JSON" in str(await socket.recv())
        async with connect(session, additional_headers=you) as socket:
            with pytest.raises(ConnectionClosed) as caught:
                await socket.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 4404
    assert set(seen) == {"lifespan", "http", "websocket"}


async def test_credentials_are_for_the_origins_that_are_named(tmp_path: Path) -> None:
    cors = {"allow_origins": [ORIGIN], "allow_credentials": True, "allow_methods": ["GET"]}
    file = ConfigFile.model_validate({"http": {"cors": cors}})
    app = app_for(Project({}, tmp_path, file), Settings(database=tmp_path / "server.db"))
    async with running(app) as client:
        named = await client.get("/ok", headers={"origin": ORIGIN})
        asks = {"access-control-request-method": "GET"}
        before = await client.options("/threads", headers={"origin": ORIGIN, **asks})
        other = await client.options("/threads", headers={"origin": "https://evil", **asks})
        deletes = {"origin": ORIGIN, "access-control-request-method": "DELETE"}
        method = await client.options("/threads", headers=deletes)
    assert named.headers["access-control-allow-credentials"] == "true"
    assert named.headers["access-control-allow-origin"] == ORIGIN
    assert "location" in named.headers["access-control-expose-headers"]
    assert before.status_code == 200
    assert before.headers["access-control-allow-origin"] == ORIGIN
    assert (other.status_code, method.status_code) == (400, 400)
    assert "access-control-allow-origin" not in other.headers


async def test_every_key_of_the_environment_and_the_file_opens_and_nothing_like_one_does(
    tmp_path: Path,
) -> None:
    keys = tmp_path / "keys"
    keys.write_text("# keys\n\nfrom file\nschlüssel\n", encoding="utf-8")
    settings = {"api_keys": ("one", "two"), "api_keys_file": keys}
    async with running(app_in(tmp_path, **settings)) as client:
        for key in ("one", "two", "from file", "schlüssel"):
            headers = [(b"x-api-key", key.encode())]
            assert (await client.post("/threads", json={}, headers=headers)).status_code == 200
        for key in ("", "on", "one ,two", "one,two", "# keys", "ONE", "o" * 5_000):
            headers = [(b"x-api-key", key.encode())]
            assert (await client.post("/threads", json={}, headers=headers)).status_code == 401
