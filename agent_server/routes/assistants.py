"""/assistants: what is served, with which settings, and what it looks like."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from actors import CompiledGraph, JsonSchemaError
from agent_server.answers import assistant_json, picked, version_json
from agent_server.assistant_rows import AssistantQuery, AssistantSort
from agent_server.assistants import AssistantChange
from agent_server.bodies import read_model
from agent_server.errors import InvalidError
from agent_server.grants import Grant
from agent_server.ids import is_uuid
from agent_server.params import flag
from agent_server.permits import allowed_to, permit_of
from agent_server.records import Assistant
from agent_server.removal import remove_threads
from agent_server.responses import JsonResponse, page_headers
from agent_server.services import Services, services_of
from agent_server.thread_search import SortOrder, ThreadQuery

Field_ = Literal[
    "assistant_id",
    "graph_id",
    "name",
    "description",
    "config",
    "context",
    "created_at",
    "updated_at",
    "metadata",
    "version",
]


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class ConfigBody(_Body):
    """A config; what it holds is the graph's matter."""

    model_config = ConfigDict(frozen=True, extra="allow")

    configurable: dict[str, Any] | None = None
    tags: list[str] | None = None
    recursion_limit: int | None = None


class SettingsBody(_Body):
    """What an assistant is set to."""

    config: ConfigBody | None = None
    context: dict[str, Any] | None = None
    metadata: dict[str, Any] | None = None
    name: str | None = None
    description: str | None = None

    def change(self, graph_id: str | None = None) -> AssistantChange:
        """The same as a change."""
        return AssistantChange(
            graph_id=graph_id,
            config=None if self.config is None else self.config.model_dump(exclude_none=True),
            context=self.context,
            metadata=self.metadata,
            name=self.name,
            description=self.description,
        )


class CreateBody(SettingsBody):
    """A new assistant."""

    graph_id: str
    assistant_id: str | None = None
    if_exists: Literal["raise", "do_nothing"] | None = None


class PatchBody(SettingsBody):
    """What changes with a new version."""

    graph_id: str | None = None


class CountBody(_Body):
    """Which assistants are wanted."""

    metadata: dict[str, Any] | None = None
    graph_id: str | None = None
    name: str | None = None

    def query(self) -> AssistantQuery:
        """The same as a query."""
        return AssistantQuery(self.metadata or {}, self.graph_id, self.name)


class SearchBody(CountBody):
    """Which assistants are wanted, in which order, and what of them."""

    limit: int = Field(10, ge=1, le=1000)
    offset: int = Field(0, ge=0, le=2**53)
    sort_by: AssistantSort | None = None
    sort_order: SortOrder | None = None
    select: list[Field_] | None = None

    def query(self) -> AssistantQuery:
        """The same as a query."""
        return AssistantQuery(
            self.metadata or {},
            self.graph_id,
            self.name,
            self.limit,
            self.offset,
            self.sort_by or "created_at",
            self.sort_order or "desc",
        )


class VersionsBody(_Body):
    """Which versions are wanted."""

    metadata: dict[str, Any] | None = None
    limit: int = Field(10, ge=1, le=1000)
    offset: int = Field(0, ge=0, le=2**53)


class LatestBody(_Body):
    """Which version is to count."""

    version: int = Field(ge=1, lt=2**63)


async def create(request: Request) -> Response:
    """A new assistant."""
    body = await read_model(request, CreateBody)
    made = await services_of(request).assistants.create(
        body.graph_id,
        body.change(),
        assistant_id=body.assistant_id,
        do_nothing=body.if_exists == "do_nothing",
    )
    return JsonResponse(assistant_json(made))


async def get(request: Request) -> Response:
    """The assistant as it is now."""
    return JsonResponse(assistant_json(await _assistant(request)))


async def patch(request: Request) -> Response:
    """A new version of the assistant."""
    body = await read_model(request, PatchBody)
    assistants = services_of(request).assistants
    made = await assistants.patch(request.path_params["assistant_id"], body.change(body.graph_id))
    return JsonResponse(assistant_json(made))


async def delete(request: Request) -> Response:
    """Delete the assistant; with `delete_threads`, also the threads that it ran on."""
    services, id_ = services_of(request), (await _assistant(request)).assistant_id
    with_threads = flag(request, "delete_threads")
    allowed = await _deletable(request, id_) if with_threads else None
    await services.assistants.delete(id_)
    if with_threads:
        found = await _threads_of(services, id_, allowed)
        await remove_threads(services.threads, services.dispatcher, found)
    return Response(status_code=204)


async def _threads_of(
    services: Services, assistant_id: str, allowed: Grant | None
) -> Sequence[str]:
    """Those that it ran on, now: what one with its id that is made anew runs on is not among
    them."""
    found: list[str] = []
    while True:
        query = ThreadQuery(
            metadata={"assistant_id": assistant_id},
            allowed=allowed,
            limit=1000,
            offset=len(found),
            sort_by="created_at",
            sort_order="asc",
            with_values=False,
        )
        page = await services.threads.search(query)
        found += [thread.thread_id for thread in page.items]
        if len(page.items) < query.limit:
            return found


async def _deletable(request: Request, assistant_id: str) -> Grant | None:
    """What threads must be for the caller to delete them with an assistant."""
    permit = permit_of(request)
    if permit is None:
        return None
    value = {"thread_id": None, "metadata": {"assistant_id": assistant_id}}
    return await permit.decide("threads", "delete", value)


async def search(request: Request) -> Response:
    """A page of assistants."""
    body = await read_model(request, SearchBody)
    page = await services_of(request).assistants.search(_query(request, body))
    answers = [picked(assistant_json(each), body.select) for each in page.items]
    return JsonResponse(answers, headers=page_headers(page))


async def count(request: Request) -> Response:
    """How many assistants there are."""
    body = await read_model(request, CountBody)
    return JsonResponse(await services_of(request).assistants.count(_query(request, body)))


def _query(request: Request, body: CountBody) -> AssistantQuery:
    """What is asked for, of what the caller may find."""
    return replace(body.query(), allowed=allowed_to(request))


async def versions(request: Request) -> Response:
    """The assistant's versions, the newest first."""
    body = await read_model(request, VersionsBody)
    found = await services_of(request).assistants.versions(
        request.path_params["assistant_id"],
        metadata=body.metadata,
        limit=body.limit,
        offset=body.offset,
    )
    return JsonResponse([version_json(each) for each in found])


async def latest(request: Request) -> Response:
    """Another version counts from now on."""
    body = await read_model(request, LatestBody)
    assistants = services_of(request).assistants
    chosen = await assistants.set_latest(request.path_params["assistant_id"], body.version)
    return JsonResponse(assistant_json(chosen))


async def drawing(request: Request) -> Response:
    """The graph's nodes and edges; also by the graph's name."""
    services = services_of(request)
    given: str = request.path_params["assistant_id"]
    by_id = is_uuid(given)
    assistant = await (services.assistants.get if by_id else services.assistants.resolve)(given)
    depth = _depth(request)
    async with services.graphs.open(
        assistant.graph_id, assistant.config, access="assistants.read"
    ) as graph:
        drawn = graph.get_graph(xray=depth).to_json()
    return JsonResponse(
        {"nodes": [_node(each) for each in drawn["nodes"]], "edges": drawn["edges"]}
    )


async def schemas(request: Request) -> Response:
    """What the graph takes and gives, as JSON schemas."""
    services, assistant = services_of(request), await _assistant(request)
    async with services.graphs.open(
        assistant.graph_id, assistant.config, access="assistants.read"
    ) as graph:
        return JsonResponse({"graph_id": assistant.graph_id, **_schemas_of(graph)})


async def subgraphs(request: Request) -> Response:
    """The schemas of the graphs inside the graph: of all, or of the one at a node."""
    services, assistant = services_of(request), await _assistant(request)
    recurse, namespace = flag(request, "recurse"), request.path_params.get("namespace")
    async with services.graphs.open(
        assistant.graph_id, assistant.config, access="assistants.read"
    ) as graph:
        found = graph.get_subgraphs(namespace=namespace, recurse=recurse)
        return JsonResponse({name: _schemas_of(inner) for name, inner in found})


async def _assistant(request: Request) -> Assistant:
    return await services_of(request).assistants.get(request.path_params["assistant_id"])


def _depth(request: Request) -> bool | int:
    given = request.query_params.get("xray", "false").lower()
    if given in ("true", "false"):
        return given == "true"
    if given.isdecimal() and given.isascii() and int(given[:9]) > 0:
        return int(given[:9])
    raise InvalidError(f"xray={given!r} cannot be; give true, false or how many levels deep")


def _node(node: dict[str, Any]) -> dict[str, Any]:
    """A node as clients know it: of what it is made of, only its name."""
    if "data" not in node or not isinstance(node["data"], dict):
        return node
    return {**node, "data": {"name": node["data"]["name"]}}


def _schemas_of(graph: CompiledGraph) -> dict[str, Any]:
    context = _schema(graph.get_context_jsonschema)
    return {
        "input_schema": _schema(graph.get_input_jsonschema),
        "output_schema": _schema(graph.get_output_jsonschema),
        "state_schema": _schema(graph.get_state_jsonschema),
        "config_schema": context or {},
        "context_schema": context,
    }


def _schema(make: Callable[[], Any]) -> Any:
    """None for types that have no JSON schema."""
    try:
        return make()
    except JsonSchemaError:
        return None


ROUTES: Sequence[BaseRoute] = (
    Route("/assistants", create, methods=["POST"]),
    Route("/assistants/search", search, methods=["POST"]),
    Route("/assistants/count", count, methods=["POST"]),
    Route("/assistants/{assistant_id}", get, methods=["GET"]),
    Route("/assistants/{assistant_id}", patch, methods=["PATCH"]),
    Route("/assistants/{assistant_id}", delete, methods=["DELETE"]),
    Route("/assistants/{assistant_id}/versions", versions, methods=["POST"]),
    Route("/assistants/{assistant_id}/latest", latest, methods=["POST"]),
    Route("/assistants/{assistant_id}/graph", drawing, methods=["GET"]),
    Route("/assistants/{assistant_id}/schemas", schemas, methods=["GET"]),
    Route("/assistants/{assistant_id}/subgraphs", subgraphs, methods=["GET"]),
    Route("/assistants/{assistant_id}/subgraphs/{namespace}", subgraphs, methods=["GET"]),
)
