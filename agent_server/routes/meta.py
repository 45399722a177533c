"""What the server tells of itself: whether it is there, and what it is."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from agent_server.responses import JsonResponse
from agent_server.services import services_of


async def ok(request: Request) -> Response:
    """It is there; with `check_db`, its database too."""
    if request.query_params.get("check_db", "0").lower() in ("1", "true"):
        await services_of(request).tables.read(lambda db: db.execute("SELECT 1").fetchone())
    return JsonResponse({"ok": True, "services": {}})


ROUTES: Sequence[BaseRoute] = (
    Route("/", ok, methods=["GET"]),
    Route("/ok", ok, methods=["GET"]),
)
