"""The user's own app beside the server's routes: what langgraph.json's `http.app` names.

Its routes come before ours, but for those that tell of the server (`RESERVED`); a mount that takes
every path comes after ours.  Its middleware is passed by all requests, and its lifespan is inside
the server's.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Match, Mount

from .errors import GraphLoadError
from .middleware import path_of

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

RESERVED = frozenset({"/ok", "/metrics", "/docs", "/openapi.json"})
"""What stays ours, so that whoever runs the server finds it."""


class Neighbour:
    """The user's app, as the server serves it.  Raises GraphLoadError for what is none."""

    def __init__(self, app: Any) -> None:
        if not isinstance(app, Starlette):
            raise GraphLoadError(
                f"http.app names {type(app).__name__}, which is no app; give an object of "
                "starlette's Starlette or of FastAPI"
            )
        self._app = app
        self._state: dict[str, Any] = {}
        self.middleware: Sequence[Middleware] = tuple(app.user_middleware)
        """What all requests pass, also those to the server."""
        self._stack = _bare_stack(app)

    def owns(self, scope: Scope, ours: Sequence[BaseRoute]) -> bool:
        """True if a request is for one of its routes, and not for one of ours."""
        if path_of(scope) in RESERVED:
            return False
        routes = self._app.routes
        if any(_takes(each, scope) is Match.FULL for each in routes if not _is_for_all(each)):
            return True
        if any(_takes(each, scope) is not Match.NONE for each in ours):
            return False
        return any(_takes(each, scope) is not Match.NONE for each in routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection that it owns."""
        state = {**scope.get("state", {}), **self._state}
        await self._stack({**scope, "app": self._app, "state": state}, receive, send)

    @asynccontextmanager
    async def lifespan(self) -> AsyncGenerator[None]:
        """What lives as long as it does."""
        async with self._app.router.lifespan_context(self._app) as state:
            self._state = dict(state or {})
            yield


class Beside:
    """Gives the neighbour the requests that are its own."""

    def __init__(self, app: ASGIApp, neighbour: Neighbour, ours: Sequence[BaseRoute]) -> None:
        self._app = app
        self._neighbour = neighbour
        self._ours = ours

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        asks = scope["type"] in ("http", "websocket")
        let_in = scope.get("for_others", False)  # by the guard, which asked nobody who it is
        known = asks and (let_in or self._neighbour.owns(scope, self._ours))
        await (self._neighbour if known else self._app)(scope, receive, send)


def _bare_stack(app: Starlette) -> ASGIApp:
    """The app without the middleware that all requests pass already."""
    middleware, app.user_middleware = app.user_middleware, []
    try:
        return app.build_middleware_stack()
    finally:
        app.user_middleware = middleware


def _takes(route: BaseRoute, scope: Scope) -> Match:
    return route.matches(scope)[0]


def _is_for_all(route: BaseRoute) -> bool:
    return isinstance(route, Mount) and route.path == ""
