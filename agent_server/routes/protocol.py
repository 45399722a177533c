"""The protocol of `threads.stream`: commands, and a thread's events by HTTP or WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, cast

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from agent_server.bodies import from_json, read_json, read_object
from agent_server.commands import Commands, refused
from agent_server.errors import BadRequestError, InvalidError, RequestError
from agent_server.ids import uuid_of
from agent_server.jsontext import to_json
from agent_server.permits import permit_of
from agent_server.protocol import Filter, checked_channels
from agent_server.responses import JsonResponse
from agent_server.services import services_of
from agent_server.thread_notices import NoticePieces, ThreadNotices

_NO_JSON = "Protocol commands must be valid JSON."


async def command(request: Request) -> Response:
    """Carry out a command on a thread, which is made when a run starts on it."""
    thread_id = uuid_of("thread", request.path_params["thread_id"])
    commands = Commands(
        services_of(request), thread_id, request.scope.get("user"), permit_of(request)
    )
    given = await read_json(request)
    try:
        return JsonResponse(await commands.answer(given))
    except BadRequestError as error:
        return JsonResponse(refused(None, "invalid_argument", str(error)), status_code=400)


async def events(request: Request) -> Response:
    """What happened and happens on a thread, on the channels that are asked for; never ends."""
    services = services_of(request)
    thread_id = uuid_of("thread", request.path_params["thread_id"])
    wanted = _filter(await read_object(request))
    services.streams.check()
    return services.streams.answer(NoticePieces(ThreadNotices(services, thread_id, wanted)))


def _filter(body: Mapping[str, Any]) -> Filter:
    channels = checked_channels(body.get("channels"))
    since, depth, namespaces = (body.get(name) for name in ("since", "depth", "namespaces"))
    for name, value in (("since", since), ("depth", depth)):
        if value is not None and (type(value) is not int or value < 0):
            raise BadRequestError(f"{name}: {value!r} is no number; send an integer of 0 or more")
    return Filter(channels, _namespaces(namespaces), depth, since or 0)


def _namespaces(given: Any) -> Sequence[tuple[str, ...]]:
    if given is None:
        return ((),)
    named = cast("list[Any]", given) if isinstance(given, list) else [None]
    found: list[tuple[str, ...]] = []
    for each in named:
        path: list[Any] = cast("list[Any]", each) if isinstance(each, list) else [None]
        if not all(isinstance(part, str) for part in path):
            raise BadRequestError("namespaces must be an array of arrays of strings")
        found.append(tuple(path))
    return found or ((),)


class Session:
    """A WebSocket on a thread: commands in, their answers and the thread's notices out."""

    def __init__(self, socket: WebSocket, thread_id: str) -> None:
        self._socket = socket
        self._services = services_of(socket)
        self._commands = Commands(
            self._services, thread_id, socket.scope.get("user"), permit_of(socket)
        )
        self._notices = ThreadNotices(self._services, thread_id, Filter(frozenset()))
        self._sending = asyncio.Lock()
        self._telling: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Serve it until the client goes."""
        await self._socket.accept()
        try:
            while True:
                await self._take(await self._socket.receive_text())
        except (WebSocketDisconnect, KeyError):  # a binary frame has no text
            return
        finally:
            self._notices.close()
            if self._telling is not None:
                self._telling.cancel()

    async def _take(self, text: str) -> None:
        try:
            given = from_json(text.encode("utf-8", "replace"))
        except InvalidError:
            await self._send(refused(None, "invalid_argument", _NO_JSON))
            return
        try:
            answer = await self._commands.answer(given, self._notices.seq)
        except RequestError as error:
            answer = refused(None, "invalid_argument", str(error))
        await self._send(answer)
        if answer["type"] == "success" and given["method"] == "subscription.subscribe":
            self._subscribe(given["params"]["channels"])

    def _subscribe(self, channels: Sequence[str]) -> None:
        self._notices.filter = Filter(self._notices.filter.channels | frozenset(channels))
        if self._telling is None:
            supervisor = self._services.system.supervisor
            self._telling = supervisor.spawn(self._tell(), name="protocol", on_done=_seen)

    async def _tell(self) -> None:
        async for notice in self._notices:
            await self._send(notice)
        await self._socket.close(1001)

    async def _send(self, message: object) -> None:
        async with self._sending:
            await self._socket.send_text(to_json(message).decode())


def _seen(task: asyncio.Task[None]) -> None:
    """A client that goes makes `send` fail; the session finds out by itself."""
    if not task.cancelled():
        task.exception()


async def session(socket: WebSocket) -> None:
    """The same over a WebSocket, in JSON text frames."""
    try:
        thread_id = uuid_of("thread", socket.path_params["thread_id"])
        services_of(socket).streams.check()
    except RequestError:
        await socket.close(1008)
        return
    await Session(socket, thread_id).run()


ROUTES: Sequence[BaseRoute] = (
    Route("/threads/{thread_id}/commands", command, methods=["POST"]),
    Route("/threads/{thread_id}/stream/events", events, methods=["POST"]),
    WebSocketRoute("/threads/{thread_id}/stream/events", session),
)
