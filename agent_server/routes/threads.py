"""/threads: made, found, changed, copied, pruned, deleted; their states: `states.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from actors import Command, StateUpdate
from agent_server.answers import picked, thread_json
from agent_server.bodies import read_model
from agent_server.errors import ConflictError, NotFoundError, RequestError
from agent_server.extracting import Steps, extracted, parse_paths
from agent_server.ids import uuid_of
from agent_server.params import listed
from agent_server.permits import allowed_to
from agent_server.records import Thread, ThreadStatus
from agent_server.removal import remove_thread
from agent_server.responses import JsonResponse, page_headers
from agent_server.routes import states
from agent_server.services import services_of
from agent_server.states import NEWEST, States
from agent_server.thread_search import SortOrder, ThreadQuery, ThreadSort
from agent_server.threads import Lifetime, PruneStrategy
from checkpoint import new_id

Field_ = Literal[
    "thread_id",
    "created_at",
    "updated_at",
    "state_updated_at",
    "metadata",
    "config",
    "status",
    "values",
    "interrupts",
    "error",
]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class TtlBody(_Body):
    """How many minutes a thread lives after its last change."""

    ttl: float = Field(gt=0, le=1e9, allow_inf_nan=False)
    strategy: PruneStrategy = "delete"

    def lifetime(self) -> Lifetime:
        """The same as a lifetime."""
        return Lifetime(self.ttl, self.strategy)


def _in_minutes(given: Any) -> Any:
    """A bare number is minutes."""
    return {"ttl": given} if isinstance(given, int | float) else given


GivenTtl = Annotated[TtlBody | None, BeforeValidator(_in_minutes)]


class UpdateBody(_Body):
    """One update of a super-step."""

    values: dict[str, Any] | list[Any] | None = None
    command: states.CommandBody | None = None
    as_node: str | None = None

    def update(self) -> StateUpdate:
        """The same for the engine."""
        values: Any = self.values
        if self.command is not None:
            values = Command(update=self.command.update, goto=self.command.places())
        return StateUpdate(values, self.as_node)


class SuperstepBody(_Body):
    """Updates that make one checkpoint."""

    updates: list[UpdateBody] = Field(min_length=1)


class CreateBody(_Body):
    """A new thread."""

    thread_id: str | None = None
    metadata: dict[str, Any] | None = None
    if_exists: Literal["raise", "do_nothing"] | None = None
    ttl: GivenTtl = None
    supersteps: list[SuperstepBody] | None = None


class PatchBody(_Body):
    """What changes of a thread."""

    metadata: dict[str, Any] | None = None
    ttl: GivenTtl = None


class CountBody(_Body):
    """Which threads are wanted."""

    metadata: dict[str, Any] | None = None
    values: dict[str, Any] | None = None
    status: ThreadStatus | None = None

    def query(self) -> ThreadQuery:
        """The same as a query."""
        return ThreadQuery(None, self.metadata or {}, self.values or {}, self.status)


class SearchBody(CountBody):
    """Which threads are wanted, in which order, and what of them."""

    ids: list[str] | None = Field(None, max_length=1000)
    limit: int = Field(10, ge=1, le=1000)
    offset: int = Field(0, ge=0, le=2**53)
    sort_by: ThreadSort | None = None
    sort_order: SortOrder | None = None
    select: list[Field_] | None = None
    extract: dict[str, str] | None = None

    def query(self) -> ThreadQuery:
        """The same as a query.  Raises InvalidError for an id that is no UUID."""
        paths = (self.extract or {}).values()
        return ThreadQuery(
            ids=None if self.ids is None else [uuid_of("thread", each) for each in self.ids],
            metadata=self.metadata or {},
            values=self.values or {},
            status=self.status,
            limit=self.limit,
            offset=self.offset,
            sort_by=self.sort_by or "updated_at",
            sort_order=self.sort_order or "desc",
            with_values=not self.select
            or "values" in self.select
            or any(path.startswith("values") for path in paths),
        )

    def answer(self, thread: Thread, paths: Mapping[str, Steps]) -> dict[str, Any]:
        """What is wanted of a thread."""
        whole = thread_json(thread)
        answer = picked(whole, self.select)
        if self.extract is not None:
            answer["extracted"] = extracted(whole, paths)
        return answer


class PruneBody(_Body):
    """Which threads, and how much of them goes."""

    thread_ids: list[str] = Field(max_length=1000)
    strategy: PruneStrategy | None = None


async def create(request: Request) -> Response:
    """A new thread; with `supersteps`, in the state that they make."""
    body = await read_model(request, CreateBody)
    threads = services_of(request).threads
    made = threads.fresh(
        new_id() if body.thread_id is None else uuid_of("thread", body.thread_id),
        metadata=body.metadata,
        lifetime=None if body.ttl is None else body.ttl.lifetime(),
    )
    found = await threads.add(made)
    if found is not None and body.if_exists != "do_nothing":
        raise ConflictError(f"Thread with ID {made.thread_id} already exists")
    if found is None and body.supersteps:
        made = await _filled(request, made.thread_id, body.supersteps)
    return JsonResponse(thread_json(found or made))


async def _filled(request: Request, thread_id: str, supersteps: Sequence[SuperstepBody]) -> Thread:
    """The new thread with the state; if that cannot be, there is no new thread."""
    services = services_of(request)
    steps = [[update.update() for update in each.updates] for each in supersteps]
    try:
        states = States(services.threads, services.graphs, services.dispatcher)
        await states.update(thread_id, NEWEST, steps)
    except BaseException:
        with suppress(RequestError):  # somebody else has it by now, or has deleted it
            await services.threads.delete(thread_id)
        raise
    return await services.threads.get(thread_id)


async def get(request: Request) -> Response:
    """The thread; with `include=ttl`, also its time to live."""
    thread = await services_of(request).threads.get(request.path_params["thread_id"])
    return JsonResponse(thread_json(thread, ttl="ttl" in listed(request, "include")))


async def patch(request: Request) -> Response:
    """The thread with merged metadata, or nothing where the client prefers that."""
    body = await read_model(request, PatchBody)
    thread = await services_of(request).threads.patch(
        request.path_params["thread_id"],
        metadata=body.metadata,
        ttl=None if body.ttl is None else body.ttl.lifetime(),
    )
    if request.headers.get("prefer", "").replace(" ", "").lower() == "return=minimal":
        return Response(status_code=204)
    return JsonResponse(thread_json(thread))


async def delete(request: Request) -> Response:
    """Delete the thread; its runs are cancelled first."""
    services = services_of(request)
    await remove_thread(services.threads, services.dispatcher, request.path_params["thread_id"])
    return Response(status_code=204)


async def search(request: Request) -> Response:
    """A page of threads."""
    body = await read_model(request, SearchBody)
    paths = parse_paths(body.extract or {})
    page = await services_of(request).threads.search(_query(request, body))
    answers = [body.answer(thread, paths) for thread in page.items]
    return JsonResponse(answers, headers=page_headers(page))


async def count(request: Request) -> Response:
    """How many threads there are."""
    body = await read_model(request, CountBody)
    return JsonResponse(await services_of(request).threads.count(_query(request, body)))


def _query(request: Request, body: CountBody) -> ThreadQuery:
    """What is asked for, of what the caller may find."""
    return replace(body.query(), allowed=allowed_to(request))


async def copy(request: Request) -> Response:
    """A new thread with the same state."""
    made = await services_of(request).threads.copy(request.path_params["thread_id"])
    return JsonResponse(thread_json(made))


async def prune(request: Request) -> Response:
    """Delete threads, or their old checkpoints."""
    body = await read_model(request, PruneBody)
    services = services_of(request)
    if body.strategy == "keep_latest":
        pruned = await services.threads.prune(body.thread_ids, "keep_latest")
        return JsonResponse({"pruned_count": pruned})
    ids = [uuid_of("thread", each) for each in dict.fromkeys(body.thread_ids)]
    found = await services.threads.search(ThreadQuery(ids=ids, limit=1000, with_values=False))
    for thread in found.items:
        with suppress(NotFoundError):  # somebody else has deleted it
            await remove_thread(services.threads, services.dispatcher, thread.thread_id)
    return JsonResponse({"pruned_count": len(found.items)})


ROUTES: Sequence[BaseRoute] = (
    Route("/threads", create, methods=["POST"]),
    Route("/threads/search", search, methods=["POST"]),
    Route("/threads/count", count, methods=["POST"]),
    Route("/threads/prune", prune, methods=["POST"]),
    Route("/threads/{thread_id}", get, methods=["GET"]),
    Route("/threads/{thread_id}", patch, methods=["PATCH"]),
    Route("/threads/{thread_id}", delete, methods=["DELETE"]),
    Route("/threads/{thread_id}/copy", copy, methods=["POST"]),
    *states.ROUTES,
)
