"""The protocol of `threads.stream`: commands, and a thread's events by HTTP or WebSocket."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from agent_server.bodies import read_json, read_object
from agent_server.commands import Commands, refused
from agent_server.errors import BadRequestError
from agent_server.ids import uuid_of
from agent_server.permits import permit_of
from agent_server.responses import JsonResponse
from agent_server.services import services_of
from agent_server.sessions import Session
from agent_server.subscriptions import filter_of
from agent_server.thread_notices import NoticePieces, ThreadNotices


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
    wanted = filter_of(await read_object(request))
    services.streams.check()
    notices = ThreadNotices(services, thread_id, wanted.shows)
    return services.streams.answer(NoticePieces(notices))


async def session(socket: WebSocket) -> None:
    """The same over a WebSocket, in JSON text frames."""
    thread_id = uuid_of("thread", socket.path_params["thread_id"])
    with services_of(socket).streams.held():
        await Session(socket, thread_id).run()


ROUTES: Sequence[BaseRoute] = (
    Route("/threads/{thread_id}/commands", command, methods=["POST"]),
    Route("/threads/{thread_id}/stream/events", events, methods=["POST"]),
    WebSocketRoute("/threads/{thread_id}/stream/events", session),
)
