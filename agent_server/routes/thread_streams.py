"""A thread as one stream."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from agent_server.ids import uuid_of
from agent_server.params import chosen
from agent_server.services import services_of
from agent_server.thread_streams import THREAD_MODES, ThreadReader, thread_place


async def follow(request: Request) -> Response:
    """All runs of a thread, and what is written to its state, from now on or from an id."""
    services = services_of(request)
    thread_id = uuid_of("thread", request.path_params["thread_id"])
    modes = chosen(request, THREAD_MODES) or ("run_modes",)
    after = thread_place(request.headers.get("last-event-id"))
    services.streams.check()
    await services.threads.get(thread_id)
    reader = ThreadReader(services, thread_id, modes, after)
    return services.streams.answer(await reader.begin())


ROUTES: Sequence[BaseRoute] = (Route("/threads/{thread_id}/stream", follow, methods=["GET"]),)
