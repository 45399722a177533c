"""What the server tells of itself: whether it is there, what it is, how it is doing."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from agent_server import metrics, openapi
from agent_server.responses import JsonResponse, place
from agent_server.services import services_of

LANGGRAPH = "1.2.22"
"""The version of LangGraph's interface that clients are told they find."""


async def ok(request: Request) -> Response:
    """Whether the server is there; with `check_db`, its database too."""
    if request.query_params.get("check_db", "0").lower() in ("1", "true"):
        await services_of(request).tables.read(lambda db: db.execute("SELECT 1").fetchone())
    return JsonResponse({"ok": True, "services": {}})


async def bare_ok(_request: Request) -> Response:
    """Whether the server is there, and no more."""
    return JsonResponse({"ok": True})


async def info(_request: Request) -> Response:
    """What the server is, and what it can do."""
    flags = {
        "assistants": True,
        "crons": True,
        "langsmith": False,
        "langsmith_tracing_replicas": False,
        "langsmith_tracing_session_on_runs": False,
    }
    host = dict.fromkeys(("project_id", "host_revision_id", "revision_id", "tenant_id"))
    return JsonResponse(
        {
            "version": version("understudy"),
            "langgraph_py_version": LANGGRAPH,
            "flags": flags,
            "host": {"kind": "self-hosted", **host},
        }
    )


async def show_metrics(request: Request) -> Response:
    """What the server counts: Prometheus' text, or JSON with `format=json`."""
    services = services_of(request)
    reading = metrics.read(request.app.state.metrics, services)
    if request.query_params.get("format") == "json":
        return JsonResponse(metrics.as_json(reading, services.settings.max_runs))
    return Response(metrics.as_text(reading), media_type="text/plain; version=1.0.0")


def _document(request: Request) -> dict[str, Any]:
    """Made when somebody asks for the first time."""
    state = request.app.state
    if not hasattr(state, "openapi"):
        from agent_server.shapes import BODIES, MANY, QUERIES

        shapes = openapi.Shapes(BODIES, MANY, QUERIES)
        state.openapi = openapi.document(request.app.routes, shapes, version("understudy"))
    return cast("dict[str, Any]", state.openapi)


async def show_openapi(request: Request) -> Response:
    """What the server answers, as OpenAPI."""
    prefix = place(request, "")
    servers = [{"url": prefix}] if prefix else []
    return JsonResponse({**_document(request), "servers": servers or [{"url": "/"}]})


async def show_docs(request: Request) -> Response:
    """What the server answers, as a page."""
    return HTMLResponse(openapi.page(_document(request), place(request, "")))


ROUTES: Sequence[BaseRoute] = (
    Route("/", ok, methods=["GET"]),
    Route("/ok", ok, methods=["GET"]),
    Route("/info", info, methods=["GET"]),
    Route("/metrics", show_metrics, methods=["GET"]),
    Route("/openapi.json", show_openapi, methods=["GET"]),
    Route("/docs", show_docs, methods=["GET"]),
)
BARE: BaseRoute = Route("/ok", bare_ok, methods=["GET"])
"""What is left of these where they are switched off."""
