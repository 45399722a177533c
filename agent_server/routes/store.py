"""/store: what graphs remember across threads, put and found from outside."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from agent_server.answers import moment
from agent_server.bodies import read_model
from agent_server.errors import InvalidError
from agent_server.params import flag
from agent_server.responses import JsonResponse
from agent_server.services import services_of
from checkpoint import (
    NOT_GIVEN,
    InvalidArgumentError,
    Item,
    Namespace,
    SearchItem,
    SerializationError,
    VectorsUnavailableError,
)

LARGEST_PAGE = 1000


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class PlaceBody(_Body):
    """Where an item is."""

    namespace: list[str]
    key: str


class PutBody(PlaceBody):
    """What to put there."""

    value: dict[str, Any]
    index: Literal[False] | list[str] | None = None
    ttl: float | None = Field(None, gt=0, le=1e9, allow_inf_nan=False)
    """Minutes."""


class SearchBody(_Body):
    """Which items are wanted."""

    namespace_prefix: list[str] | None = None
    filter: dict[str, Any] | None = None
    limit: int | None = Field(None, ge=1, le=LARGEST_PAGE)
    offset: int | None = Field(None, ge=0, le=2**53)
    query: str | None = None
    refresh_ttl: bool | None = None


class NamespacesBody(_Body):
    """Which namespaces are wanted."""

    prefix: list[str] | None = None
    suffix: list[str] | None = None
    max_depth: int | None = Field(None, ge=1, le=1000)
    limit: int | None = Field(None, ge=1, le=LARGEST_PAGE)
    offset: int | None = Field(None, ge=0, le=2**53)


async def put(request: Request) -> Response:
    """Put an item, in place of the one that is there."""
    body = await read_model(request, PutBody)
    with _refused():
        await services_of(request).store.aput(
            _namespace(body.namespace),
            body.key,
            body.value,
            body.index,
            ttl=NOT_GIVEN if body.ttl is None else body.ttl,
        )
    return Response(status_code=204)


async def get(request: Request) -> Response:
    """The item, or null."""
    given = request.query_params.getlist("namespace")
    labels = given if len(given) > 1 else "".join(given).split(".")
    key = request.query_params.get("key")
    if key is None:
        raise InvalidError("key: Field required")
    refresh = flag(request, "refresh_ttl") if "refresh_ttl" in request.query_params else None
    with _refused():
        item = await services_of(request).store.aget(_namespace(labels), key, refresh_ttl=refresh)
    return JsonResponse(None if item is None else _item_json(item))


async def delete(request: Request) -> Response:
    """Delete the item, if it is there."""
    body = await read_model(request, PlaceBody)
    with _refused():
        await services_of(request).store.adelete(_namespace(body.namespace), body.key)
    return Response(status_code=204)


async def search(request: Request) -> Response:
    """Items below a namespace."""
    body = await read_model(request, SearchBody)
    with _refused():
        found = await services_of(request).store.asearch(
            tuple(body.namespace_prefix or ()),
            query=body.query,
            filter=body.filter,
            limit=body.limit or 10,
            offset=body.offset or 0,
            refresh_ttl=body.refresh_ttl,
        )
    return JsonResponse({"items": [_found_json(item) for item in found]})


async def namespaces(request: Request) -> Response:
    """Namespaces that hold items."""
    body = await read_model(request, NamespacesBody)
    with _refused():
        found = await services_of(request).store.alist_namespaces(
            prefix=None if body.prefix is None else tuple(body.prefix),
            suffix=None if body.suffix is None else tuple(body.suffix),
            max_depth=body.max_depth,
            limit=body.limit or 100,
            offset=body.offset or 0,
        )
    return JsonResponse({"namespaces": found})


def _namespace(labels: Sequence[str]) -> Namespace:
    """The labels as a namespace.  Raises InvalidError."""
    if not labels:
        raise InvalidError("namespace: it has no labels; give at least one")
    for label in labels:
        if not label or "." in label:
            raise InvalidError(
                f"Namespace label '{label}' must be a non-empty string without periods"
            )
    return tuple(labels)


def _item_json(item: Item) -> dict[str, Any]:
    return {
        "namespace": item.namespace,
        "key": item.key,
        "value": item.value,
        "created_at": moment(item.created_at.timestamp()),
        "updated_at": moment(item.updated_at.timestamp()),
    }


def _found_json(item: SearchItem) -> dict[str, Any]:
    return {**_item_json(item), "score": item.score}


@contextmanager
def _refused() -> Generator[None]:
    """What the store does not take is the caller's to mend."""
    try:
        yield
    except (InvalidArgumentError, SerializationError, VectorsUnavailableError) as error:
        raise InvalidError(str(error)) from error


ROUTES: Sequence[BaseRoute] = (
    Route("/store/items", put, methods=["PUT"]),
    Route("/store/items", get, methods=["GET"]),
    Route("/store/items", delete, methods=["DELETE"]),
    Route("/store/items/search", search, methods=["POST"]),
    Route("/store/namespaces", namespaces, methods=["POST"]),
)
