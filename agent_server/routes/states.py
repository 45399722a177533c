"""/threads/{thread_id}/state and /history: what a thread's graph has made of it so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, cast

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from actors import Send, StateUpdate
from agent_server.answers import empty_state_json, state_json
from agent_server.bodies import read_model
from agent_server.errors import InvalidError
from agent_server.feeds import StateWritten
from agent_server.ids import uuid_of
from agent_server.params import flag, listed, whole
from agent_server.responses import JsonResponse
from agent_server.services import services_of
from agent_server.states import NEWEST, Place, States

FIELDS = frozenset(empty_state_json())
MAX_STATES = 1000


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class CheckpointBody(_Body):
    """A checkpoint as clients name it, also inside a config."""

    checkpoint_id: str | None = None
    checkpoint_ns: str | None = None
    checkpoint_map: dict[str, Any] | None = None

    def place(self) -> Place:
        """The same as a place.  Raises InvalidError for an id that is no UUID."""
        return Place.of(self.model_dump())


def _unwrapped(given: Any) -> Any:
    """A bare id, a checkpoint, or a config around one."""
    if isinstance(given, str):
        return {"checkpoint_id": given}
    if isinstance(given, dict):
        return cast("dict[str, Any]", given).get("configurable", given)
    return given


GivenCheckpoint = Annotated[CheckpointBody | None, BeforeValidator(_unwrapped)]


class SendBody(_Body):
    """A node to go to, and what it gets."""

    node: str
    input: Any = None


class CommandBody(_Body):
    """An update and where to go next."""

    update: dict[str, Any] | list[Any] | None = None
    goto: str | SendBody | list[str | SendBody] | None = None

    def places(self) -> list[str | Send]:
        """Where to go, for the engine."""
        given = self.goto
        each = [] if given is None else given if isinstance(given, list) else [given]
        return [one if isinstance(one, str) else Send(one.node, one.input) for one in each]


class UpdateBody(_Body):
    """What to write to a thread, as which node, from which checkpoint on."""

    values: dict[str, Any] | list[Any] | None = None
    checkpoint_id: str | None = None
    checkpoint: GivenCheckpoint = None
    as_node: str | None = None

    def place(self) -> Place:
        """Where to begin.  Raises InvalidError for an id that is no UUID."""
        if self.checkpoint is not None:
            return self.checkpoint.place()
        return Place.of({"checkpoint_id": self.checkpoint_id})


class AtBody(_Body):
    """A state at a checkpoint."""

    checkpoint: Annotated[CheckpointBody, BeforeValidator(_unwrapped)]
    subgraphs: bool | None = None
    select: list[str] | None = None


class HistoryBody(_Body):
    """Which states are wanted."""

    limit: int = Field(10, ge=1, le=MAX_STATES)
    before: GivenCheckpoint = None
    metadata: dict[str, Any] | None = None
    checkpoint: GivenCheckpoint = None
    select: list[str] | None = None


async def get(request: Request) -> Response:
    """The state at the newest checkpoint, or at the one in the path."""
    id_ = request.path_params.get("checkpoint_id")
    place = Place(None if id_ is None else uuid_of("checkpoint", id_))
    return await _state(request, place, flag(request, "subgraphs"), listed(request, "select"))


async def get_at(request: Request) -> Response:
    """The state at a checkpoint, also of a graph inside the graph."""
    body = await read_model(request, AtBody)
    return await _state(request, body.checkpoint.place(), bool(body.subgraphs), body.select or [])


async def update(request: Request) -> Response:
    """Write to the thread."""
    body = await read_model(request, UpdateBody)
    step = [StateUpdate(body.values, body.as_node)]
    known = await _states(request).update(request.path_params["thread_id"], body.place(), [step])
    await _tell(request, known["thread_id"])
    checkpoint = {
        "thread_id": known["thread_id"],
        "checkpoint_ns": known.get("checkpoint_ns", ""),
        "checkpoint_id": known["checkpoint_id"],
    }
    if known.get("checkpoint_map"):
        checkpoint["checkpoint_map"] = known["checkpoint_map"]
    return JsonResponse(
        {
            "checkpoint": checkpoint,
            "configurable": checkpoint,
            "checkpoint_id": checkpoint["checkpoint_id"],
        }
    )


async def _tell(request: Request, thread_id: str) -> None:
    """Tell those who follow the thread, if there are any."""
    services = services_of(request)
    if services.dispatcher.feeds.is_watched(thread_id):
        found = await _states(request).get(thread_id, NEWEST, subgraphs=False)
        if found is not None:
            written = StateWritten(services.clock(), state_json(found))
            services.dispatcher.feeds.tell(thread_id, written)


async def history(request: Request) -> Response:
    """The states, newest first."""
    body = await read_model(request, HistoryBody)
    return await _history(request, body)


async def get_history(request: Request) -> Response:
    """The same, with `limit` and `before` in the query."""
    before = request.query_params.get("before")
    body = HistoryBody(
        limit=whole(request, "limit", 10, 1, MAX_STATES),
        before=None if before is None else CheckpointBody(checkpoint_id=before),
        select=listed(request, "select"),
    )
    return await _history(request, body)


async def _state(
    request: Request, place: Place, subgraphs: bool, select: Sequence[str]
) -> Response:
    wanted = _checked(select)
    found = await _states(request).get(request.path_params["thread_id"], place, subgraphs=subgraphs)
    return JsonResponse(empty_state_json(wanted) if found is None else state_json(found, wanted))


async def _history(request: Request, body: HistoryBody) -> Response:
    before = None if body.before is None else body.before.place().checkpoint_id
    wanted = _checked(body.select or [])
    found = await _states(request).history(
        request.path_params["thread_id"],
        NEWEST if body.checkpoint is None else body.checkpoint.place(),
        limit=body.limit,
        before=before,
        metadata=body.metadata,
    )
    return JsonResponse([state_json(each, wanted) for each in found])


def _states(request: Request) -> States:
    services = services_of(request)
    return States(services.threads, services.graphs, services.dispatcher)


def _checked(select: Sequence[str]) -> Sequence[str]:
    for name in select:
        if name not in FIELDS and not name.startswith("values."):
            raise InvalidError(
                f"select: {name!r} is no field of a state; give values.<key> or some of "
                f"{', '.join(sorted(FIELDS))}"
            )
    return select


ROUTES: Sequence[BaseRoute] = (
    Route("/threads/{thread_id}/state", get, methods=["GET"]),
    Route("/threads/{thread_id}/state", update, methods=["POST"]),
    Route("/threads/{thread_id}/state/checkpoint", get_at, methods=["POST"]),
    Route("/threads/{thread_id}/state/{checkpoint_id}", get, methods=["GET"]),
    Route("/threads/{thread_id}/history", history, methods=["POST"]),
    Route("/threads/{thread_id}/history", get_history, methods=["GET"]),
)
