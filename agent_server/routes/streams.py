"""Runs as streams: started here, or joined."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from agent_server.bodies import read_model
from agent_server.ended import PastRun
from agent_server.errors import NotFoundError
from agent_server.finding import find_run
from agent_server.ids import uuid_of
from agent_server.live import LiveRun
from agent_server.orders import WIRE_MODES, RunBody, run_from
from agent_server.params import chosen, flag, last_event_id
from agent_server.readers import Look, RunReader
from agent_server.records import Run
from agent_server.responses import place
from agent_server.services import Services, services_of


async def start(request: Request) -> Response:
    """Start a run, on a thread or without one, and stream it."""
    services = services_of(request)
    thread_id = request.path_params.get("thread_id")
    if thread_id is not None:
        thread_id = uuid_of("thread", thread_id)
    body = await read_model(request, RunBody)
    assistant = await services.assistants.resolve(body.assistant_id)
    user = request.scope.get("user")
    run = run_from(body, assistant, thread_id=thread_id, now=services.clock(), user=user)
    services.streams.check()
    live = await services.dispatcher.accept(run, if_not_exists=body.if_not_exists or "reject")
    look = Look(
        modes=run.order.stream_mode,
        subgraphs=run.order.stream_subgraphs,
        output_keys=services.graphs.output_keys,
    )
    leave = _leaving(services, run) if run.order.on_disconnect == "cancel" else None
    return _stream(request, live, look, thread_id, leave)


async def join(request: Request) -> Response:
    """Read a run that was started elsewhere: what comes from now on, or what came after an id."""
    services = services_of(request)
    thread_id = request.path_params.get("thread_id")
    if thread_id is not None:
        thread_id = uuid_of("thread", thread_id)
    run_id = uuid_of("run", request.path_params["run_id"])
    after = last_event_id(request)
    modes = chosen(request, WIRE_MODES)
    goes_along = flag(request, "cancel_on_disconnect")
    services.streams.check()
    source = await find_run(services, thread_id, run_id)
    order = source.run.order
    if after is not None and isinstance(source, PastRun) and source.lost:
        raise NotFoundError(
            f"The events of run {run_id} are not kept any more; read the state of its thread"
        )
    look = Look(
        modes=modes or order.stream_mode,
        subgraphs=order.stream_subgraphs,
        after=after,
        from_now=after is None,
        metadata=not modes,
        output_keys=services.graphs.output_keys,
    )
    leave = _leaving(services, source.run) if goes_along else None
    return _stream(request, source, look, thread_id, leave)


def _leaving(services: Services, run: Run) -> Callable[[], Awaitable[None]]:
    """What to do when the client goes and the run is to go with it."""

    async def cancel() -> None:
        with suppress(NotFoundError):  # it is over
            await services.dispatcher.cancel(run.thread_id, [run.run_id], "interrupt", wait=False)

    return cancel


def _stream(
    request: Request,
    source: LiveRun | PastRun,
    look: Look,
    thread_id: str | None,
    leave: Callable[[], Awaitable[None]] | None,
) -> Response:
    return services_of(request).streams.answer(
        RunReader(source, look),
        headers=_places(request, thread_id, source.run.run_id),
        on_disconnect=leave,
    )


def _places(request: Request, thread_id: str | None, run_id: str) -> Mapping[str, str]:
    """Where the run's stream is, and where the run is; clients come back there."""
    run = f"/runs/{run_id}" if thread_id is None else f"/threads/{thread_id}/runs/{run_id}"
    return {"location": place(request, f"{run}/stream"), "content-location": place(request, run)}


ROUTES: Sequence[BaseRoute] = (
    Route("/runs/stream", start, methods=["POST"]),
    Route("/threads/{thread_id}/runs/stream", start, methods=["POST"]),
    Route("/runs/{run_id}/stream", join, methods=["GET"]),
    Route("/threads/{thread_id}/runs/{run_id}/stream", join, methods=["GET"]),
)
