"""The user's own app beside the server's routes, and what `http` of langgraph.json switches."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect

from agent_server import GraphLoadError
from agent_server.app import app_for, routes_of
from agent_server.beside import RESERVED, Neighbour
from agent_server.config_file import ConfigFile, Http
from agent_server.project import Project
from agent_server.settings import Settings
from tests.agent_server.harness.local import local_client
from tests.agent_server.lib_streams import listening

ME = f"{__name__}:own"
lived: list[str] = []
passed: list[str] = []


async def hello(request: Request) -> Response:
    return JSONResponse({"hello": request.query_params.get("who"), "db": request.state.db})


async def mine(request: Request) -> Response:
    user: Any = request.scope["user"]
    return JSONResponse({"user": user and user.identity})


async def teapot(_request: Request) -> Response:
    raise HTTPException(418, "short and stout")


async def as_text(_request: Request, error: Exception) -> Response:
    return PlainTextResponse(str(error).partition(": ")[2], 418)


async def breaks(_request: Request) -> Response:
    raise ZeroDivisionError("/secret/path")


async def greeting(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text("hello")
    await socket.close()


async def everything(request: Request) -> Response:
    return PlainTextResponse(f"page {request.url.path}")


class Counts:
    """Notes what passes it."""

    def __init__(self, app: ASGIApp, name: str) -> None:
        self._app = app
        self._name = name

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            passed.append(f"{self._name} {scope['path']}")
        await self._app(scope, receive, send)


@asynccontextmanager
async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, Any]]:
    lived.append("begun")
    yield {"db": "a connection"}
    lived.append("ended")


def app_of(*more: BaseRoute) -> Starlette:
    return Starlette(
        routes=[
            Route("/hello", hello),
            Route("/mine/", mine),
            Route("/teapot", teapot, methods=["POST"]),
            Route("/breaks", breaks),
            Route("/info", mine),
            Route("/ok", breaks),
            WebSocketRoute("/greeting", greeting),
            *more,
        ],
        middleware=[Middleware(Counts, name="own")],
        lifespan=lifespan,
        exception_handlers={418: as_text},
    )


own = app_of()
pages = app_of(Mount("/", Starlette(routes=[Route("/{path:path}", everything)])))
no_app = {"not": "an app"}


class Rewrites:
    """Makes one path of another, as middleware of people may."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix("/v1")
        await self._app({**scope, "path": path}, receive, send)


rewriting = Starlette(
    routes=[Mount("/", Starlette(routes=[Route("/{path:path}", everything, methods=["POST"])]))],
    middleware=[Middleware(Rewrites)],
)


class Known:
    """An auth hook of the shape that is asked for."""

    def __init__(self) -> None:
        self._handlers: dict[Any, Any] = {}
        self._global_handlers: list[Any] = []

    async def _authenticate_handler(self, authorization: str | None) -> Any:
        return authorization


hook = Known()


@asynccontextmanager
async def serving(path: Path, **said: Any) -> AsyncIterator[httpx.AsyncClient]:
    auth = said.pop("auth", None)
    given: dict[str, Any] = {"http": {"app": ME, **said}}
    given |= {"auth": {"path": auth}} if auth else {}
    graphs = {"agent": "tests.agent_server.harness.graphs:agent"}
    project = Project(graphs, path, ConfigFile.model_validate(given))
    app = app_for(project, Settings(database=path / "server.db"))
    lived.clear()
    passed.clear()
    async with app.router.lifespan_context(app), local_client(app) as client:
        yield client


async def test_its_routes_middleware_and_lifespan_are_beside_ours(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        assert lived == ["begun"]
        answer = await client.get("/hello?who=me")
        assert answer.json() == {"hello": "me", "db": "a connection"}
        thread = await client.post("/threads", json={})
        assert thread.status_code == 200
        assert passed == ["own /hello", "own /threads"]
        assert (await client.get("/mine/")).json() == {"user": None}
        assert (await client.get("/nothing")).json() == {"detail": "Not Found"}
    assert lived == ["begun", "ended"]


async def test_its_errors_are_its_own_and_show_nothing(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        answer = await client.post("/teapot")
        assert (answer.status_code, answer.text) == (418, "short and stout")
        assert (await client.get("/teapot")).status_code == 405
        transport: Any = client._transport
        transport.raise_app_exceptions = False
        answer = await client.get("/breaks")
        assert (answer.status_code, answer.text) == (500, "Internal Server Error")


async def test_what_tells_of_the_server_stays_ours(tmp_path: Path) -> None:
    async with serving(tmp_path) as client:
        assert (await client.get("/ok")).json()["ok"] is True
        assert (await client.get("/info")).json() == {"user": None}
        assert {each for each in RESERVED if (await client.get(each)).status_code != 200} == set()


async def test_one_that_takes_every_path_gets_what_we_do_not_know(tmp_path: Path) -> None:
    async with serving(tmp_path, app=f"{__name__}:pages") as client:
        assert (await client.get("/some/page")).text == "page /some/page"
        assert (await client.get("/")).json()["ok"] is True
        assert (await client.post("/threads/search", json={})).json() == []
        assert (await client.put("/threads", json={})).status_code == 405


async def test_websockets_of_its_own_are_served(tmp_path: Path) -> None:
    project = Project({}, tmp_path, ConfigFile.model_validate({"http": {"app": ME}}))
    app = app_for(project, Settings(database=tmp_path / "server.db"))
    async with listening(app) as port, connect(f"ws://127.0.0.1:{port}/greeting") as socket:
        assert await socket.recv() == "hello"


class TestAuthentication:
    async def test_its_routes_are_open_unless_told_otherwise(self, tmp_path: Path) -> None:
        async with serving(tmp_path, auth=f"{__name__}:hook") as client:
            assert (await client.get("/mine/")).json() == {"user": None}
            assert (await client.post("/threads", json={})).status_code == 401

    async def test_its_routes_know_who_asks_if_they_are_to(self, tmp_path: Path) -> None:
        async with serving(
            tmp_path, auth=f"{__name__}:hook", enable_custom_route_auth=True
        ) as client:
            assert (await client.get("/mine/")).status_code == 401
            answer = await client.get("/mine/", headers={"authorization": "me"})
            assert answer.json() == {"user": "me"}

    @pytest.mark.parametrize(
        ("order", "seen"), [("auth_first", []), ("middleware_first", ["own /threads"]), (None, 1)]
    )
    async def test_its_middleware_comes_before_authentication_or_after(
        self, tmp_path: Path, order: str | None, seen: Any
    ) -> None:
        said = {} if order is None else {"middleware_order": order}
        async with serving(tmp_path, auth=f"{__name__}:hook", **said) as client:
            assert (await client.post("/threads", json={})).status_code == 401
            assert passed == seen or len(passed) == seen


async def test_what_was_let_in_for_it_never_becomes_a_request_for_us(tmp_path: Path) -> None:
    said = {"app": f"{__name__}:rewriting", "middleware_order": "auth_first"}
    async with serving(tmp_path, auth=f"{__name__}:hook", **said) as client:
        answer = await client.post("/v1/threads/search", json={})
        assert answer.text == "page /threads/search"
        assert (await client.post("/threads/search", json={})).status_code == 401


def test_what_is_no_app_is_told_at_the_start(tmp_path: Path) -> None:
    project = Project(
        {}, tmp_path, ConfigFile.model_validate({"http": {"app": f"{__name__}:no_app"}})
    )
    with pytest.raises(GraphLoadError, match="names dict, which is no app"):
        app_for(project, Settings(database=tmp_path / "server.db"))
    with pytest.raises(GraphLoadError, match="Starlette or of FastAPI"):
        Neighbour(print)


def paths_of(**said: Any) -> set[str]:
    routes: list[Any] = routes_of(Http.model_validate(said))
    return {route.path for route in routes}


class TestSwitches:
    @pytest.mark.parametrize(
        ("switch", "gone", "left"),
        [
            ("assistants", "/assistants/search", "/threads"),
            ("threads", "/threads/{thread_id}/stream", "/threads/{thread_id}/runs"),
            ("runs", "/threads/{thread_id}/runs/stream", "/threads/{thread_id}"),
            ("runs", "/threads/{thread_id}/commands", "/threads/{thread_id}/state"),
            ("runs", "/runs/crons", "/store/items"),
            ("store", "/store/items", "/runs"),
            ("meta", "/info", "/ok"),
        ],
    )
    def test_routes_are_switched_off(self, switch: str, gone: str, left: str) -> None:
        assert gone in paths_of()
        assert gone not in paths_of(**{f"disable_{switch}": True})
        assert left in paths_of(**{f"disable_{switch}": True})

    async def test_without_meta_there_is_still_whether_the_server_is_there(
        self, tmp_path: Path
    ) -> None:
        async with serving(tmp_path, disable_meta=True) as client:
            assert (await client.get("/ok?check_db=1")).json() == {"ok": True}

    async def test_without_webhooks_runs_with_one_run(self, tmp_path: Path) -> None:
        async with serving(tmp_path, disable_webhooks=True) as client:
            asked = {"assistant_id": "agent", "input": {"topic": "x"}}
            answer = await client.post(
                "/runs/wait", json={**asked, "webhook": "http://127.0.0.1/x"}
            )
            assert answer.json()["topic"] == "x and cats"

    async def test_all_is_below_a_prefix(self, tmp_path: Path) -> None:
        async with serving(tmp_path, mount_prefix="/api/v1") as client:
            assert (await client.get("/ok")).status_code == 404
            assert (await client.get("/api/v10/ok")).status_code == 404
            assert (await client.get("/api/v1/hello")).status_code == 200
            asked = {"assistant_id": "agent", "input": {"topic": "x"}}
            answer = await client.post("/api/v1/runs/stream", json=asked)
            assert answer.headers["location"].startswith("/api/v1/runs/")
            assert (await client.get(answer.headers["location"])).status_code == 200
