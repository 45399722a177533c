"""Answers: compact JSON, and places below the prefix that the app is mounted at."""

from __future__ import annotations

from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

from agent_server.responses import JsonResponse, place
from tests.agent_server.harness.local import local_client


def test_an_answer_is_compact_json_of_whatever_it_is_given() -> None:
    answer = JsonResponse({"é": datetime(2026, 1, 1, tzinfo=UTC), "s": {1}}, 201, {"x-a": "b"})
    assert answer.body == '{"é":"2026-01-01T00:00:00+00:00","s":[1]}'.encode()
    assert (answer.status_code, answer.media_type) == (201, "application/json")
    assert answer.headers["x-a"] == "b"


async def test_places_are_below_the_prefix() -> None:
    async def where(request: Request) -> Response:
        return JsonResponse(place(request, "/threads/1"))

    inner = Starlette(routes=[Route("/where", where)])
    async with local_client(Starlette(routes=[Mount("/agents", inner)])) as client:
        assert (await client.get("/agents/where")).json() == "/agents/threads/1"
    async with local_client(inner) as client:
        assert (await client.get("/where")).json() == "/threads/1"
