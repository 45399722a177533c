"""Asks the auth hook about every request, and holds routes to what it answers.

A filter that a handler answers with is applied before the route is reached: what is named by its
id is looked at, and what does not match is not there.  Only searches, and what a route does beyond
what its path names, ask for themselves: `allowed_to`, `permit_of`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from starlette.requests import HTTPConnection, Request

from .access import FREE, aim_of
from .bodies import read_json
from .errors import NotFoundError
from .jsontext import to_json
from .middleware import path_of
from .permits import Permit
from .visit import Visit

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from .auth import Gatekeeper

BODIES = frozenset({"DELETE", "PATCH", "POST", "PUT"})
"""Methods whose requests may bring a body."""


class Guard:
    """Lets in whom the hook knows, to what it lets them have.

    Requests that are for another app (`is_others`) are let in; if it `asks`, only from whom the
    hook knows, and with the user in their scope.
    """

    def __init__(
        self,
        app: ASGIApp,
        gatekeeper: Gatekeeper,
        is_others: Callable[[Scope], bool] = lambda _: False,
        *,
        asks: bool = False,
    ) -> None:
        self._app = app
        self._gatekeeper = gatekeeper
        self._is_others = is_others
        self._asks = asks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in ("http", "websocket") or path_of(scope) == "/ok":
            await self._app(scope, receive, send)
            return
        if self._is_others(scope):
            scope["for_others"] = True  # whatever becomes of its path on its way
            if self._asks:
                asked = HTTPConnection(scope), path_of(scope)
                scope["user"] = await self._gatekeeper.authenticate(*asked)
            await self._app(scope, receive, send)
            return
        path = path_of(scope)
        user = await self._gatekeeper.authenticate(HTTPConnection(scope), path)
        scope["user"] = None if user is None else user.as_dict()
        method: str = scope.get("method", "WEBSOCKET")
        aim = aim_of(method, path)
        if aim is None:
            if path not in FREE:  # what no rule knows is nobody's
                raise NotFoundError("Not Found")
            await self._app(scope, receive, send)
            return
        brings = method in BODIES
        body = await _body(Request(scope, receive)) if brings else None
        permit = scope["permit"] = Permit(self._gatekeeper, user, HTTPConnection(scope))
        visit = Visit(permit, aim, HTTPConnection(scope), body)
        await visit.check()
        if brings:
            receive = _replayed(to_json(visit.body) if visit.body != b"" else b"", receive)
        await self._app(scope, receive, send)


async def _body(request: Request) -> Any:
    """The body as JSON; b"" where there is none."""
    return await read_json(request) if await request.body() else b""


def _replayed(body: bytes, receive: Receive) -> Receive:
    """Gives a body that was read, then what comes after it."""
    given = False

    async def receive_again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_again
