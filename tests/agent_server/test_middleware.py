"""What every request passes: ids, errors, slashes, keys, limits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import BaseRoute, Mount, Route

from agent_server import ConflictError, ForbiddenError, NotFoundError
from agent_server.middleware import (
    Answers,
    Keys,
    Limits,
    Origins,
    Requests,
    answer_http,
    answer_to,
    log_request,
    path_of,
)
from agent_server.responses import JsonResponse
from checkpoint import DatabaseBusyError, DatabaseUnwritableError
from tests.agent_server.harness.local import local_client


async def echo(request: Request) -> Response:
    return JsonResponse({"bytes": len(await request.body()), "path": request.url.path})


async def fails(request: Request) -> Response:
    kinds: dict[str, BaseException] = {
        "conflict": ConflictError("It is in the way"),
        "missing": NotFoundError("Thread 'é' not found"),
        "bug": ZeroDivisionError("/secret/path"),
        "teapot": HTTPException(418, "I am a teapot", {"x-tea": "green"}),
        "busy": DatabaseBusyError("/secret/path is locked"),
        "full": DatabaseUnwritableError("/secret/path: no space"),
        "exit": SystemExit(3),
    }
    raise kinds[request.path_params["kind"]]


async def breaks_off(_request: Request) -> Response:
    async def some() -> AsyncIterator[bytes]:
        yield b"begun"
        raise ZeroDivisionError

    return StreamingResponse(some())


ROUTES: list[BaseRoute] = [
    Route("/echo", echo, methods=["GET", "POST"]),
    Route("/ok", echo),
    Route("/fails/{kind}", fails),
    Route("/breaks", breaks_off),
]


def app_with(*middleware: Middleware) -> Starlette:
    return Starlette(
        routes=ROUTES, middleware=middleware, exception_handlers={HTTPException: answer_http}
    )


def front(**keys: Any) -> Starlette:
    return app_with(
        Middleware(Requests, tell=[log_request]),
        Middleware(Answers),
        *([Middleware(Keys, **keys)] if keys else []),
        Middleware(Limits, max_body=100, max_bodies=150, max_nesting=5),
    )


@pytest.mark.parametrize(
    ("kind", "status", "detail"),
    [
        ("conflict", 409, "It is in the way"),
        ("missing", 404, "Thread 'é' not found"),
        ("bug", 500, "Internal Server Error"),
        ("teapot", 418, "I am a teapot"),
        ("busy", 503, "The database cannot be used now; come back later"),
        ("full", 503, "The database cannot be used now; come back later"),
    ],
)
async def test_an_error_is_answered_with_its_detail_and_nothing_else(
    kind: str, status: int, detail: str
) -> None:
    async with local_client(front()) as client:
        answer = await client.get(f"/fails/{kind}")
    assert (answer.status_code, answer.json()) == (status, {"detail": detail})


async def test_what_nobody_foresaw_is_logged_with_the_requests_id(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with local_client(front()) as client:
        await client.get("/fails/bug", headers={"x-request-id": "abc"})
    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert record.getMessage() == "request abc failed"
    assert record.exc_info is not None


async def test_code_of_users_that_asks_for_the_end_of_the_process_fails_its_request() -> None:
    async with local_client(front()) as client:
        answer = await client.get("/fails/exit")
    assert (answer.status_code, answer.json()) == (500, {"detail": "Internal Server Error"})


async def test_an_answer_that_has_begun_is_cut_off() -> None:
    async with local_client(front()) as client:
        with pytest.raises(ZeroDivisionError):
            await client.get("/breaks")


@pytest.mark.parametrize(
    ("method", "path", "status", "detail"),
    [("GET", "/nothing", 404, "Not Found"), ("DELETE", "/echo", 405, "Method Not Allowed")],
)
async def test_unknown_paths_and_methods_are_told_as_details(
    method: str, path: str, status: int, detail: str
) -> None:
    async with local_client(front()) as client:
        answer = await client.request(method, path)
    assert (answer.status_code, answer.json()) == (status, {"detail": detail})


async def test_a_request_keeps_the_id_that_it_brought_and_else_gets_one() -> None:
    async with local_client(front()) as client:
        brought = await client.get("/echo", headers={"x-request-id": "abc-123"})
        made = [(await client.get("/echo")).headers["x-request-id"] for _ in range(2)]
    assert brought.headers["x-request-id"] == "abc-123"
    assert len(set(made)) == 2


@pytest.mark.parametrize("given", [b"", b"a b", b"x" * 200, b"\xe9"])
async def test_an_id_that_could_be_something_else_is_not_repeated(given: bytes) -> None:
    async with local_client(front()) as client:
        answer = await client.get("/echo", headers=[(b"x-request-id", given)])
    assert answer.headers["x-request-id"].isalnum()
    assert len(answer.headers["x-request-id"]) == 32


async def test_a_line_of_the_log_says_what_was_asked_and_answered(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "agent_server.middleware")
    async with local_client(front()) as client:
        await client.get("/echo?secret=1", headers={"x-request-id": "abc"})
    (record,) = caplog.records
    assert record.getMessage() == "GET /echo 200"
    assert vars(record)["request_id"] == "abc"
    assert vars(record)["ms"] >= 0


@pytest.mark.parametrize(
    ("asked", "location"),
    [
        ("/echo/", "/echo"),
        ("/echo/?a=1&b=%20", "/echo?a=1&b=%20"),
        ("/a%2Fb/", "/a%2Fb"),
        ("/%0d%0ax-evil:1/", "/%0d%0ax-evil:1"),
        ("//evil.example/", "/evil.example"),
        ("/\\evil.example/", "/evil.example"),
        ("/%5Cevil.example/", "/%5Cevil.example"),
    ],
)
async def test_a_trailing_slash_leads_to_the_path_without_it_on_this_server(
    asked: str, location: str
) -> None:
    async with local_client(front()) as client:
        answer = await client.get(httpx.URL("http://server").copy_with(raw_path=asked.encode()))
    assert (answer.status_code, answer.headers["location"]) == (307, location)


async def test_a_mounted_app_leads_below_its_prefix() -> None:
    async with local_client(Starlette(routes=[Mount("/agents", front())])) as client:
        answer = await client.get("/agents/echo/")
    assert answer.headers["location"] == "/agents/echo"


def test_the_path_is_the_one_below_the_prefix() -> None:
    assert path_of({"path": "/agents/ok", "root_path": "/agents"}) == "/ok"
    assert path_of({"path": "/ok", "root_path": ""}) == "/ok"
    assert path_of({"path": "/ok"}) == "/ok"


@pytest.mark.parametrize("key", ["first", "second", "dritté"])
async def test_any_of_the_keys_lets_in(key: str) -> None:
    async with local_client(front(keys=["first", "second", "dritté"])) as client:
        answer = await client.get("/echo", headers=[(b"x-api-key", key.encode())])
    assert answer.status_code == 200


@pytest.mark.parametrize("headers", [{}, {"x-api-key": ""}, {"x-api-key": "firs"}], ids=repr)
async def test_without_a_key_nothing_is_served_but_signs_of_life(headers: dict[str, str]) -> None:
    async with local_client(front(keys=["first"])) as client:
        refused = await client.get("/echo", headers=headers)
        assert (await client.get("/ok", headers=headers)).status_code == 200
        assert (await client.get("/nothing", headers=headers)).status_code == 401
    assert refused.status_code == 401
    assert "x-api-key" in refused.json()["detail"]


async def test_a_body_up_to_the_limit_is_taken() -> None:
    async with local_client(front()) as client:
        assert (await client.post("/echo", content=b"x" * 100)).json()["bytes"] == 100


async def test_a_body_that_says_it_is_too_large_is_refused() -> None:
    async with local_client(front()) as client:
        answer = await client.post("/echo", content=b"x" * 101)
    assert answer.status_code == 413
    assert "larger than 100 bytes" in answer.json()["detail"]


async def test_a_body_that_does_not_say_how_large_it_is_is_refused_once_it_is_too_large() -> None:
    sent = 0

    async def receive() -> dict[str, Any]:
        nonlocal sent
        sent += 1
        return {"type": "http.request", "body": b"x" * 60, "more_body": True}

    started: list[int] = []

    async def send(message: Any) -> None:
        started.append(message.get("status", 0))

    scope = {"type": "http", "method": "POST", "path": "/echo", "headers": [], "query_string": b""}
    await front()(scope, receive, send)
    assert (started[0], sent) == (413, 2)


async def test_a_client_that_goes_away_while_it_sends_is_no_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "agent_server.middleware")

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        raise AssertionError(message)

    scope = {"type": "http", "method": "POST", "path": "/echo", "headers": [], "query_string": b""}
    await front()(scope, receive, send)
    assert [each.getMessage() for each in caplog.records] == ["POST /echo 499"]


async def test_a_cancelled_request_stays_cancelled() -> None:
    async def receive() -> dict[str, Any]:
        raise asyncio.CancelledError

    async def send(_message: Any) -> None:
        raise AssertionError

    scope = {"type": "http", "method": "POST", "path": "/echo", "headers": [], "query_string": b""}
    with pytest.raises(asyncio.CancelledError):
        await front()(scope, receive, send)


def test_an_answer_can_be_made_of_any_error() -> None:
    assert answer_to(ZeroDivisionError(), "r").status_code == 500


@pytest.mark.parametrize("error", [ConflictError("no"), HTTPException(401, "no")], ids=repr)
async def test_a_connection_that_is_refused_is_closed_and_told_why(error: Exception) -> None:
    async def refuses(_scope: Any, _receive: Any, _send: Any) -> None:
        raise error

    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    await Answers(refuses)({"type": "websocket", "path": "/x"}, receive, send)
    status = 409 if isinstance(error, ConflictError) else 401
    closed = {"type": "websocket.close", "code": 4000 + status, "reason": "no"}
    assert sent == [{"type": "websocket.accept"}, closed]


async def test_the_reason_of_a_refused_connection_is_as_long_as_may_be() -> None:
    async def refuses(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        raise ConflictError("é" * 200)

    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    await Answers(refuses)({"type": "websocket", "path": "/x"}, receive, send)
    closed = {"type": "websocket.close", "code": 4409, "reason": "é" * 61}
    assert sent == [{"type": "websocket.accept"}, closed]


@pytest.mark.parametrize(
    ("origin", "host", "welcome"),
    [
        (None, "here", True),
        ("https://chat.example", "here", True),
        ("https://dev7.example", "here", True),
        ("http://here:2024", "here:2024", True),
        ("https://evil.example", "here", False),
        ("https://chat.example.evil.example", "here", False),
        ("null", "here", False),
    ],
)
async def test_pages_of_other_origins_open_websockets_only_where_they_may_ask(
    origin: str | None, host: str, welcome: bool
) -> None:
    served: list[str] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        served.append(scope["type"])

    async def unused(*_: Any) -> Any:
        return None

    headers = [(b"host", host.encode())]
    headers += [] if origin is None else [(b"origin", origin.encode())]
    guard = Origins(app, ["https://chat.example"], r"https://dev\d\.example")
    scope = {"type": "websocket", "path": "/x", "headers": headers}
    if welcome:
        await guard(scope, unused, unused)
    else:
        with pytest.raises(ForbiddenError, match="origin"):
            await guard(scope, unused, unused)
    assert served == ["websocket"] * welcome
    await guard({**scope, "type": "http"}, unused, unused)
    await Origins(app, ["*"], None)(scope, unused, unused)
    assert len(served) == 2 + welcome


async def test_bodies_of_open_requests_are_bounded_together() -> None:
    """Each of them is allowed; all of them together would be a hundred times the bound."""
    held: list[int] = []
    release = asyncio.Event()

    async def keeps(request: Request) -> Response:
        held.append(len(await request.body()))
        await release.wait()
        return Response()

    limits = Middleware(Limits, max_body=100, max_bodies=1_000, max_nesting=5)
    app = Starlette(
        routes=[Route("/keep", keeps, methods=["POST"])], middleware=[Middleware(Answers), limits]
    )
    async with local_client(app) as client:
        asked = [asyncio.create_task(client.post("/keep", content=b"x" * 90)) for _ in range(1_000)]
        await asyncio.gather(*asked[12:])  # those that come too late wait for nobody
        assert 1_000 <= sum(held) < 1_000 + 100
        release.set()
        answers = [(await each).status_code for each in asked]
        assert answers.count(200) == len(held)
        assert set(answers) == {200, 503}
        again = await client.post("/keep", content=b"x" * 90)
        assert again.status_code == 200, "what has ended counts no more"
