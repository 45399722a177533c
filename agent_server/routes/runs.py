"""Runs, with answers as JSON: started, waited for, looked at, cancelled, deleted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any, Literal, cast, get_args

from pydantic import BaseModel, ConfigDict
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from agent_server.accepting import NO_THREAD
from agent_server.answers import RUN_FIELDS, picked, run_json
from agent_server.bodies import model_of, read_json, read_model
from agent_server.endings import Endings
from agent_server.errors import InvalidError, NotFoundError
from agent_server.finding import check_ours
from agent_server.ids import uuid_of
from agent_server.live import LiveRun
from agent_server.orders import RunBody, run_from
from agent_server.params import flag, listed, whole
from agent_server.records import CancelAction, Run, RunStatus
from agent_server.responses import JsonResponse, place
from agent_server.services import Services, services_of
from agent_server.thread_search import ThreadQuery
from agent_server.waiting import EndOfRun

MAX_BATCH = 1_000


class CancelBody(BaseModel):
    """Which runs to cancel: some of a thread, or all that wait or run."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    thread_id: str | None = None
    run_ids: list[str] | None = None
    status: Literal["pending", "running", "all"] | None = None


class BatchBody(RunBody):
    """One run of a batch, on a thread or without one."""

    thread_id: str | None = None


# --- starting ----------------------------------------------------------------------------------


async def create(request: Request) -> Response:
    """Start a run in the background: it is stored, then answered."""
    body = await read_model(request, RunBody)
    run = await _run(request, body, _thread_of(request))
    await _begin(request, body, run)
    return JsonResponse(run_json(run), headers={"content-location": place(request, _path(run))})


async def create_batch(request: Request) -> Response:
    """Start several runs in the background."""
    given = await read_json(request)
    if not isinstance(given, list) or len(cast("list[Any]", given)) > MAX_BATCH:
        raise InvalidError(f"The request body is no list of at most {MAX_BATCH} runs; send one")
    bodies = [model_of(each, BatchBody) for each in cast("list[Any]", given)]
    threads = [_thread_named(body.thread_id) for body in bodies]
    runs = [await _run(request, body, id_) for body, id_ in zip(bodies, threads, strict=True)]
    await _check_threads(
        services_of(request),
        {id_ for body, id_ in zip(bodies, threads, strict=True) if body.if_not_exists != "create"},
    )
    for body, run in zip(bodies, runs, strict=True):
        await _begin(request, body, run)
    return JsonResponse([run_json(run) for run in runs])


def _thread_named(thread_id: str | None) -> str | None:
    return None if thread_id is None else uuid_of("thread", thread_id)


async def _check_threads(services: Services, wanted: AbstractSet[str | None]) -> None:
    """Raises NotFoundError if there is no thread for one of the runs: then none begins."""
    ids = [id_ for id_ in wanted if id_ is not None]
    query = ThreadQuery(ids=ids, limit=MAX_BATCH, with_values=False)
    if ids and len((await services.threads.search(query)).items) < len(ids):
        raise NotFoundError(NO_THREAD)


async def wait(request: Request) -> Response:
    """Start a run, and answer with its final values."""
    services = services_of(request)
    body = await read_model(request, RunBody)
    services.streams.check()
    run = await _run(request, body, _thread_of(request))
    live = await services.dispatcher.accept(run, if_not_exists=body.if_not_exists or "reject")
    return _ending(request, live, cancel=run.order.on_disconnect == "cancel")


async def _begin(request: Request, body: RunBody, run: Run) -> None:
    """In the background.  The run stays as it was asked for: pending, though it may run already."""
    dispatcher = services_of(request).dispatcher
    await dispatcher.accept_background(run, if_not_exists=body.if_not_exists or "reject")


async def _run(request: Request, body: RunBody, thread_id: str | None) -> Run:
    services = services_of(request)
    assistant = await services.assistants.resolve(body.assistant_id)
    user = request.scope.get("user")
    return run_from(body, assistant, thread_id=thread_id, now=services.clock(), user=user)


# --- waiting -----------------------------------------------------------------------------------


async def join(request: Request) -> Response:
    """Wait for a run, and answer with its final values."""
    services, (thread_id, run_id) = services_of(request), _ids(request)
    cancel = flag(request, "cancel_on_disconnect")
    live = services.dispatcher.live(run_id)
    if live is not None and live.run.thread_id == thread_id:
        services.streams.check()
        return _ending(request, live, cancel=cancel)
    past = services.dispatcher.ended.get(run_id)
    if past is not None and past.run.thread_id == thread_id:
        run, answer = past.run, past.answer
    else:
        run = await _stored(services, thread_id, run_id)
        answer = await Endings(services.tables, services.graphs, services.threads).of(run)
    return Response(answer, headers=_headers(request, run), media_type="application/json")


def _ending(request: Request, live: LiveRun, *, cancel: bool = False) -> Response:
    services, run = services_of(request), live.run
    on_disconnect: Callable[[], Awaitable[None]] | None = None
    if cancel:
        on_disconnect = partial(_cancel_if_open, services, run)
    return EndOfRun(
        live,
        services.streams,
        headers=_headers(request, run),
        on_disconnect=on_disconnect,
    )


async def _cancel_if_open(services: Services, run: Run) -> None:
    try:
        await services.dispatcher.cancel(run.thread_id, [run.run_id], "interrupt", wait=False)
    except NotFoundError:
        return


def _headers(request: Request, run: Run) -> dict[str, str]:
    here = place(request, f"/threads/{run.thread_id}/runs/{run.run_id}")
    return {"location": f"{here}/join", "content-location": here}


# --- looking -----------------------------------------------------------------------------------


async def get(request: Request) -> Response:
    """A run of a thread, or one without a row that this process has."""
    services, (thread_id, run_id) = services_of(request), _ids(request)
    run = await services.runs.find(thread_id, run_id)
    if run is None:
        known = services.dispatcher.live(run_id) or services.dispatcher.ended.get(run_id)
        if known is None or known.run.thread_id != thread_id or not known.run.stateless:
            await services.threads.get(thread_id)
            raise NotFoundError("Run not found")
        run = known.run
    return JsonResponse(run_json(run))


async def list_all(request: Request) -> Response:
    """A thread's runs, the newest first."""
    services = services_of(request)
    thread = await services.threads.get(request.path_params["thread_id"])
    select = _select(request)
    found = await services.runs.list(
        thread.thread_id,
        limit=whole(request, "limit", 10, 1, 1_000),
        offset=whole(request, "offset", 0, 0, 1 << 31),
        status=_status(request.query_params.get("status")),
    )
    return JsonResponse([picked(run_json(run), select) for run in found])


def _select(request: Request) -> Sequence[str]:
    asked = listed(request, "select")
    if unknown := [name for name in asked if name not in RUN_FIELDS]:
        raise InvalidError(
            f"select: {unknown[0]!r} is no field of a run; give some of {', '.join(RUN_FIELDS)}"
        )
    return asked


def _status(given: str | None) -> RunStatus | None:
    if given is not None and given not in get_args(RunStatus):
        raise InvalidError(
            f"status={given!r} is none; give one of {', '.join(get_args(RunStatus))}"
        )
    return cast("RunStatus | None", given)


# --- cancelling and deleting -------------------------------------------------------------------


async def cancel(request: Request) -> Response:
    """Cancel a run; with `wait`, answer when it has ended, with what it has done."""
    services, (thread_id, run_id) = services_of(request), _ids(request)
    action, live = _action(request), services.dispatcher.live(run_id)
    waits = flag(request, "wait")
    await services.dispatcher.cancel(thread_id, [run_id], action, wait=False)
    if live is not None and waits:
        return _ending(request, live)
    return Response(status_code=202)


async def cancel_many(request: Request) -> Response:
    """Cancel runs of a thread, or all that wait or run."""
    body, dispatcher = await read_model(request, CancelBody), services_of(request).dispatcher
    action = _action(request)
    if body.status is not None and body.thread_id is None and body.run_ids is None:
        await dispatcher.cancel_all(body.status, action)
    elif body.status is None and body.thread_id is not None and body.run_ids is not None:
        thread_id = uuid_of("thread", body.thread_id)
        run_ids = [uuid_of("run", run_id) for run_id in body.run_ids]
        await dispatcher.cancel(thread_id, run_ids, action, wait=False)
    else:
        raise InvalidError(
            "These runs cannot be told: send thread_id and run_ids, or status alone (pending, "
            "running, all)"
        )
    return Response(status_code=204)


async def delete(request: Request) -> Response:
    """Delete a run; one that is open is cancelled first."""
    services, (thread_id, run_id) = services_of(request), _ids(request)
    run = await services.runs.find(thread_id, run_id)
    if run is not None and services.dispatcher.live(run_id) is None:
        check_ours(services, run)
    await services.dispatcher.delete(thread_id, run_id)
    return Response(status_code=204)


def _action(request: Request) -> CancelAction:
    given = request.query_params.get("action", "interrupt")
    if given not in get_args(CancelAction):
        raise InvalidError(f"action={given!r} is none; give interrupt or rollback")
    return cast("CancelAction", given)


# --- what they share ---------------------------------------------------------------------------


def _thread_of(request: Request) -> str | None:
    return _thread_named(request.path_params.get("thread_id"))


def _ids(request: Request) -> tuple[str, str]:
    given = request.path_params
    return uuid_of("thread", given["thread_id"]), uuid_of("run", given["run_id"])


def _path(run: Run) -> str:
    within = "" if run.stateless else f"/threads/{run.thread_id}"
    return f"{within}/runs/{run.run_id}"


async def _stored(services: Services, thread_id: str, run_id: str) -> Run:
    run = await services.runs.find(thread_id, run_id)
    if run is None:
        await services.threads.get(thread_id)
        raise NotFoundError("Run not found")
    check_ours(services, run)
    return run


_THREAD = "/threads/{thread_id}"
_RUN = f"{_THREAD}/runs/{{run_id}}"

ROUTES: Sequence[BaseRoute] = (
    Route("/runs", create, methods=["POST"]),
    Route("/runs/wait", wait, methods=["POST"]),
    Route("/runs/batch", create_batch, methods=["POST"]),
    Route("/runs/cancel", cancel_many, methods=["POST"]),
    Route(f"{_THREAD}/runs", create, methods=["POST"]),
    Route(f"{_THREAD}/runs", list_all, methods=["GET"]),
    Route(f"{_THREAD}/runs/wait", wait, methods=["POST"]),
    Route(_RUN, get, methods=["GET"]),
    Route(_RUN, delete, methods=["DELETE"]),
    Route(f"{_RUN}/join", join, methods=["GET"]),
    Route(f"{_RUN}/cancel", cancel, methods=["POST"]),
)
