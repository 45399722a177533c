"""What every request passes on its way to a route, from the outside in.

TraceParents  the trace that it is part of (`tracing.py`)
Requests      an id for it, a line in the log, a count
(CORS)        Starlette's own
Answers       errors as {"detail"}, paths without their trailing slash
Keys          one of the server's keys, if it has any
Limits        how much a body may bring
"""

from __future__ import annotations

import hmac
import logging
import re
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from checkpoint import DatabaseError

from .errors import ForbiddenError, OverloadedError, RequestError, TooLargeError, UnauthorizedError
from .logs import about, done
from .responses import JsonResponse

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

OPEN_PATHS = frozenset({"/", "/ok", "/info"})
"""What may be asked without a key: whether the server is there."""

MAX_REASON = 123
"""Bytes of the reason that a WebSocket may be closed with."""
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}")


def path_of(scope: Scope) -> str:
    """The path below the prefix that the app is mounted at."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(root) else path


class Prefix:
    """Serves everything below a prefix, as if it were mounted there; above it there is nothing."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if not f"{path_of(scope)}/".startswith(f"{self._prefix}/"):
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1008, "reason": "Not Found"})
            else:
                await JsonResponse({"detail": "Not Found"}, 404)(scope, receive, send)
            return
        root = scope.get("root_path", "") + self._prefix
        await self._app({**scope, "root_path": root}, receive, send)


class Requests:
    """Gives every request an id (the client's own, if it is one), and tells when it is answered."""

    def __init__(self, app: ASGIApp, tell: Sequence[Callable[[Scope, int, float], None]]) -> None:
        self._app = app
        self._tell = tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = _request_id(Headers(scope=scope).get("x-request-id"))
        scope["request_id"] = request_id
        scope["user"] = None
        token = about({"request_id": request_id})
        began = time.perf_counter()
        status = 499  # the client went before there was an answer

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["x-request-id"] = request_id
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        finally:
            seconds = time.perf_counter() - began
            for tell in self._tell:
                tell(scope, status, seconds)
            done(token)


def _request_id(given: str | None) -> str:
    return given if given and _REQUEST_ID.fullmatch(given) else uuid4().hex


class Answers:
    """Answers errors as {"detail": text}: no traceback, no path."""

    def __init__(
        self, app: ASGIApp, keeps_slash: Callable[[Scope], bool] = lambda _: False
    ) -> None:
        self._app = app
        self._keeps_slash = keeps_slash

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "websocket":
            await self._greeted(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def send_and_note(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        path = path_of(scope)
        if len(path) > 1 and path.endswith("/") and not self._keeps_slash(scope):
            await _without_slash(scope)(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send_and_note)
        except ClientDisconnect:
            pass
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # hooks may raise anything
            answer = answer_to(error, scope.get("request_id", ""))
            if begun:  # too late to say anything: the connection is cut, which the client sees
                raise
            await answer(scope, receive, send)

    async def _greeted(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A connection that is refused is closed with 4000 and the status of the answer that a
        request would get: clients in browsers are shown no other sign of why."""
        accepted = False

        async def send_and_note(message: Message) -> None:
            nonlocal accepted
            accepted = accepted or message["type"] == "websocket.accept"
            await send(message)

        try:
            await self._app(scope, receive, send_and_note)
        except (HTTPException, RequestError) as error:
            status = error.status if isinstance(error, RequestError) else error.status_code
            reason = error.detail if isinstance(error, HTTPException) else str(error)
            if not accepted:
                await send({"type": "websocket.accept"})
            short = reason.encode()[:MAX_REASON].decode(errors="ignore")
            await send({"type": "websocket.close", "code": 4000 + status, "reason": short})


def _without_slash(scope: Scope) -> Response:
    """To the same path without it, on this server whatever the path looks like."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    path = "/" + raw.decode("ascii", "replace").split("?")[0].strip("/\\")
    query: bytes = scope.get("query_string", b"")
    target = path + (f"?{query.decode('ascii', 'replace')}" if query else "")
    return Response(status_code=307, headers={"location": target})


def answer_to(error: BaseException, request_id: str) -> Response:
    """What is answered when a request has failed; what nobody foresaw is logged."""
    if isinstance(error, RequestError):
        return JsonResponse({"detail": str(error)}, error.status)
    if isinstance(error, HTTPException):
        return JsonResponse({"detail": error.detail}, error.status_code, headers=error.headers)
    if isinstance(error, DatabaseError):
        logger.error("the database refused request %s: %s", request_id, error)
        return JsonResponse({"detail": "The database cannot be used now; come back later"}, 503)
    logger.error("request %s failed", request_id, exc_info=error)
    return JsonResponse({"detail": "Internal Server Error"}, 500)


async def answer_http(_request: Request, error: Exception) -> Response:
    """No such path, or not with this method."""
    if not isinstance(error, HTTPException):
        raise error
    return JsonResponse({"detail": error.detail}, error.status_code, headers=error.headers)


def log_request(scope: Scope, status: int, seconds: float) -> None:
    """Write the line of the log that a request leaves."""
    ids: Mapping[str, Any] = scope.get("path_params") or {}
    logger.info(
        "%s %s %d",
        scope["method"],
        path_of(scope),
        status,
        extra={
            **{name: ids[name] for name in ("run_id", "thread_id") if name in ids},
            "request_id": scope["request_id"],
            "ms": round(seconds * 1000, 2),
        },
    )


class Origins:
    """Lets pages of other origins open WebSockets only where they may send requests: browsers ask
    nobody before they do."""

    def __init__(self, app: ASGIApp, allowed: Collection[str], pattern: str | None) -> None:
        self._app = app
        self._allowed = frozenset(allowed)
        self._pattern = None if pattern is None else re.compile(pattern)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "websocket" and not self._is_welcome(Headers(scope=scope)):
            raise ForbiddenError("Pages of this origin may not ask here")
        await self._app(scope, receive, send)

    def _is_welcome(self, headers: Headers) -> bool:
        origin = headers.get("origin")
        if origin is None or "*" in self._allowed or origin in self._allowed:
            return True
        if origin.partition("://")[2] == headers.get("host"):
            return True
        return self._pattern is not None and self._pattern.fullmatch(origin) is not None


class Keys:
    """Lets in who brings one of the keys in `x-api-key`."""

    def __init__(self, app: ASGIApp, keys: Iterable[str]) -> None:
        self._app = app
        self._keys = tuple(key.encode() for key in keys)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] in ("http", "websocket") and path_of(scope) not in OPEN_PATHS:
            given = Headers(scope=scope).get("x-api-key", "").encode("latin-1")
            if not _is_one_of(given, self._keys):
                raise UnauthorizedError(
                    "No valid API key; send one of this server's keys in the header x-api-key"
                )
        await self._app(scope, receive, send)


def _is_one_of(given: bytes, keys: Sequence[bytes]) -> bool:
    """Takes as long for any guess: every key is compared, and every byte of it."""
    return sum(hmac.compare_digest(given, key) for key in keys) > 0


class Limits:
    """Refuses bodies that are too large, said so or not, before they are held in memory; and any,
    while those of all requests together take `max_bodies` bytes."""

    def __init__(self, app: ASGIApp, max_body: int, max_bodies: int, max_nesting: int) -> None:
        self._app = app
        self._max_body = max_body
        self._max_bodies = max_bodies
        self._max_nesting = max_nesting
        self._held = 0
        """Bytes of bodies whose requests are being answered."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "websocket":
            await self._converse(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["max_nesting"] = self._max_nesting
        told = Headers(scope=scope).get("content-length", "")
        if told.isdecimal() and int(told) > self._max_body:
            raise self._too_large()
        taken = 0

        async def receive_some() -> Message:
            nonlocal taken
            message = await receive()
            size = len(message.get("body", b""))
            if taken + size > self._max_body:
                raise self._too_large()
            self._check_room(size)
            taken += size
            self._held += size
            return message

        try:
            await self._app(scope, receive_some, send)
        finally:
            self._held -= taken

    async def _converse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A message counts until the next one is asked for."""
        held = 0

        async def receive_next() -> Message:
            nonlocal held
            self._held -= held
            held = 0
            message = await receive()
            size = len(message.get("text") or message.get("bytes") or "")
            self._check_room(size)
            held = size
            self._held += size
            return message

        try:
            await self._app(scope, receive_next, send)
        finally:
            self._held -= held

    def _check_room(self, size: int) -> None:
        if size and self._held >= self._max_bodies:
            raise OverloadedError(
                f"The bodies of open requests take {self._held} bytes, which is as much as this "
                "server holds at once; come back later"
            )

    def _too_large(self) -> TooLargeError:
        return TooLargeError(
            f"The request body is larger than {self._max_body} bytes; send less, or start the "
            "server with a larger max_body"
        )
