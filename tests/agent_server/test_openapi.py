"""What the server says of itself: every route with its body, and a page that needs nothing else."""

from __future__ import annotations

import inspect
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from starlette.applications import Starlette
from starlette.routing import Route

from agent_server.app import create_app
from agent_server.openapi import Shapes, document, page
from agent_server.shapes import BODIES, MANY, QUERIES
from tests.agent_server.harness.local import local_client


def app() -> Starlette:
    return create_app({}, database="unused.db")


def operations() -> Iterator[tuple[str, str, Any]]:
    for route in app().routes:
        if isinstance(route, Route):
            for method in (route.methods or set()) - {"HEAD"}:
                yield method, route.path, route.endpoint


def said() -> dict[str, Any]:
    return document(app().routes, Shapes(BODIES, MANY, QUERIES), "1.0")


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(name := part.get("$ref"), str):
            yield name
        for each in part.values():
            yield from references(each)
    elif isinstance(part, list):
        for each in part:
            yield from references(each)


def test_every_route_is_described() -> None:
    paths = said()["paths"]
    for method, path, endpoint in operations():
        operation = paths[path][method.lower()]
        assert operation["summary"] == " ".join(inspect.getdoc(endpoint).split("\n\n")[0].split())
        named = {each["name"] for each in operation["parameters"] if each["in"] == "path"}
        assert named == set(re.findall(r"\{(\w+)\}", path))


def test_every_body_that_a_route_reads_is_described_by_the_model_that_reads_it() -> None:
    read = {
        (method, path): found[1]
        for method, path, endpoint in operations()
        if (found := re.search(r"read_model\(\s*request, (\w+)", inspect.getsource(endpoint)))
    }
    assert read.items() <= {key: model.__name__ for key, model in BODIES.items()}.items()
    assert set(BODIES) - set(read) <= MANY


def test_nothing_is_described_that_is_no_route() -> None:
    known = {(method, path) for method, path, _ in operations()}
    assert set(BODIES) | set(QUERIES) | MANY <= known


def test_every_reference_leads_to_a_schema_and_no_name_tells_of_modules() -> None:
    whole = said()
    names = whole["components"]["schemas"]
    used = set(references(whole))
    assert {each.rpartition("/")[2] for each in used} <= set(names)
    assert not [name for name in names if "_" in name]
    assert {"RunBody", "ThreadsCreateBody", "AssistantsCreateBody"} <= set(names)


def test_operations_have_names_of_their_own() -> None:
    names = [op["operationId"] for path in said()["paths"].values() for op in path.values()]
    assert len(names) == len(set(names))


def test_what_brings_several_is_an_array() -> None:
    body = said()["paths"]["/runs/batch"]["post"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    assert schema == {"type": "array", "items": {"$ref": "#/components/schemas/RunBody"}}


def test_the_page_shows_every_path_and_loads_nothing() -> None:
    text = page(said(), "/below")
    for _, path, _ in operations():
        assert f"<code>/below{path}</code>" in text
    assert "<code>assistant_id</code> body, string, required" in text
    assert not re.search(r"<script|<link|src=|@import|https?://", text)


def test_what_stands_in_a_docstring_is_no_markup() -> None:
    whole = said()
    whole["paths"]["/ok"]["get"]["summary"] = "<img src=x>"
    assert "<img" not in page(whole, "")


@pytest_asyncio.fixture
async def client(tmp_path: Path) -> AsyncIterator[Any]:
    served = create_app({}, database=tmp_path / "server.db")
    async with served.router.lifespan_context(served), local_client(served) as client:
        yield client


async def test_both_are_served(client: Any) -> None:
    told = (await client.get("/openapi.json")).json()
    assert told["openapi"] == "3.1.0"
    assert told["servers"] == [{"url": "/"}]
    shown = await client.get("/docs")
    assert shown.headers["content-type"].startswith("text/html")
    assert "/threads/search" in shown.text
