"""/runs/crons and /threads/{thread_id}/runs/crons: runs that start again and again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from agent_server.answers import cron_json, picked
from agent_server.bodies import read_model
from agent_server.cron_rows import CronQuery, CronSort
from agent_server.errors import InvalidError
from agent_server.firing import run_of
from agent_server.ids import default_assistant_id, is_uuid, uuid_of
from agent_server.orders import RunBody
from agent_server.permits import allowed_to
from agent_server.records import Cron, OnCompletion
from agent_server.responses import JsonResponse, page_headers
from agent_server.schedules import check_schedule, zone_of
from agent_server.services import services_of
from agent_server.thread_search import SortOrder
from checkpoint import new_id

Field_ = Literal[
    "cron_id",
    "assistant_id",
    "thread_id",
    "on_run_completed",
    "end_time",
    "schedule",
    "timezone",
    "created_at",
    "updated_at",
    "user_id",
    "payload",
    "next_run_date",
    "metadata",
    "enabled",
]


class CreateBody(RunBody):
    """The body of a run, and when to start it."""

    schedule: str
    timezone: str | None = None
    end_time: datetime | None = None
    enabled: bool | None = None
    on_run_completed: OnCompletion | None = None


class PatchBody(RunBody):
    """What changes of a cron."""

    assistant_id: str = ""
    """Stays as it is, whatever is said here."""
    schedule: str | None = None
    timezone: str | None = None
    end_time: datetime | None = None
    enabled: bool | None = None
    on_run_completed: OnCompletion | None = None

    def applied(self, cron: Cron) -> Cron:
        """The cron with the change."""
        given = _payload(self, {"assistant_id"})
        return replace(
            cron,
            schedule=self.schedule or cron.schedule,
            timezone=self.timezone or cron.timezone,
            end_at=_end_at(self.end_time) if "end_time" in given else cron.end_at,
            enabled=cron.enabled if self.enabled is None else self.enabled,
            on_run_completed=self.on_run_completed or cron.on_run_completed,
            metadata=cron.metadata if self.metadata is None else self.metadata,
            payload={**cron.payload, **given},
        )


class CountBody(BaseModel):
    """Which crons are wanted."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    assistant_id: str | None = None
    thread_id: str | None = None
    metadata: dict[str, Any] | None = None

    def query(self) -> CronQuery:
        """The same as a query.  Raises InvalidError for a thread's id that is no UUID."""
        given = self.assistant_id
        return CronQuery(
            given if given is None or is_uuid(given) else default_assistant_id(given),
            None if self.thread_id is None else uuid_of("thread", self.thread_id),
            metadata=self.metadata or {},
        )


class SearchBody(CountBody):
    """Which crons are wanted, in which order, and what of them."""

    enabled: bool | None = None
    limit: int = Field(10, ge=1, le=1000)
    offset: int = Field(0, ge=0, le=2**53)
    sort_by: CronSort | None = None
    sort_order: SortOrder | None = None
    select: list[Field_] | None = None

    def query(self) -> CronQuery:
        """The same as a query.  Raises InvalidError for a thread's id that is no UUID."""
        return replace(
            super().query(),
            enabled=self.enabled,
            limit=self.limit,
            offset=self.offset,
            sort_by=self.sort_by or "created_at",
            sort_order=self.sort_order or "desc",
        )


async def create(request: Request) -> Response:
    """A new cron, whose runs have threads of their own, or are on the thread in the path."""
    body, services = await read_model(request, CreateBody), services_of(request)
    thread_id: str | None = request.path_params.get("thread_id")
    if thread_id is not None:
        thread_id = (await services.threads.get(thread_id)).thread_id
    assistant = await services.assistants.resolve(body.assistant_id)
    now = services.clock()
    check_schedule(body.schedule)
    cron = Cron(
        cron_id=new_id(),
        assistant_id=assistant.assistant_id,
        thread_id=thread_id,
        schedule=body.schedule,
        payload={**_payload(body), "assistant_id": assistant.assistant_id},
        created_at=now,
        updated_at=now,
        next_at=None,
        timezone=_zone(body.timezone),
        end_at=_end_at(body.end_time),
        enabled=body.enabled is not False,
        on_run_completed=body.on_run_completed or "delete",
        metadata=body.metadata or {},
        user_id=_identity(request),
    )
    run_of(cron, assistant, new_id(), now)  # what cannot run is refused now, not when it fires
    return JsonResponse(cron_json(await services.crons.add(cron)))


async def get(request: Request) -> Response:
    """The cron."""
    cron = await services_of(request).crons.get(request.path_params["cron_id"])
    return JsonResponse(cron_json(cron))


async def patch(request: Request) -> Response:
    """The cron, changed."""
    body, services = await read_model(request, PatchBody), services_of(request)
    if body.schedule is not None:
        check_schedule(body.schedule)
    _zone(body.timezone)
    old = await services.crons.get(request.path_params["cron_id"])
    assistant = await services.assistants.resolve(old.assistant_id)
    run_of(body.applied(old), assistant, new_id(), services.clock())
    cron = await services.crons.change(old.cron_id, body.applied)
    return JsonResponse(cron_json(cron))


async def delete(request: Request) -> Response:
    """Delete the cron."""
    await services_of(request).crons.delete(request.path_params["cron_id"])
    return Response(status_code=204)


async def search(request: Request) -> Response:
    """A page of crons."""
    body = await read_model(request, SearchBody)
    page = await services_of(request).crons.search(_query(request, body))
    answers = [picked(cron_json(each), body.select) for each in page.items]
    return JsonResponse(answers, headers=page_headers(page))


async def count(request: Request) -> Response:
    """How many crons there are."""
    body = await read_model(request, CountBody)
    return JsonResponse(await services_of(request).crons.count(_query(request, body)))


def _query(request: Request, body: CountBody) -> CronQuery:
    """What is asked for, of what the caller may find."""
    return replace(body.query(), allowed=allowed_to(request))


def _payload(body: RunBody, without: set[str] | None = None) -> dict[str, Any]:
    """What was given, as it was given."""
    return body.model_dump(mode="json", exclude_unset=True, exclude=without)


def _zone(name: str | None) -> str | None:
    """The name, if it is one.  Raises InvalidError."""
    if name is not None:
        zone_of(name)
    return name


def _end_at(moment: datetime | None) -> float | None:
    """Seconds since the epoch; a time without a zone is UTC.  Raises InvalidError."""
    if moment is None:
        return None
    try:
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (OverflowError, ValueError):
        raise InvalidError(f"end_time: {moment} cannot be; give a time of this age") from None


def _identity(request: Request) -> str:
    """Who asks, where the server authenticates."""
    user = cast("Mapping[str, Any] | None", request.scope.get("user"))
    return str(user["identity"]) if user else ""


ROUTES: Sequence[BaseRoute] = (
    Route("/runs/crons", create, methods=["POST"]),
    Route("/runs/crons/search", search, methods=["POST"]),
    Route("/runs/crons/count", count, methods=["POST"]),
    Route("/runs/crons/{cron_id}", get, methods=["GET"]),
    Route("/runs/crons/{cron_id}", patch, methods=["PATCH"]),
    Route("/runs/crons/{cron_id}", delete, methods=["DELETE"]),
    Route("/threads/{thread_id}/runs/crons", create, methods=["POST"]),
)
