"""What the server answers, as OpenAPI 3.1 says it, and as a page to read.

Paths, methods and summaries come from the routes themselves; bodies from the models that the
routes read them with.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, cast

from starlette.routing import BaseRoute, Route

if TYPE_CHECKING:
    from pydantic import BaseModel

_PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
ERRORS = {
    "400": "The request contradicts itself",
    "401": "No key, or a wrong one",
    "403": "The caller may not do this",
    "404": "There is no such thing",
    "409": "Something is in the way",
    "413": "The body is larger than the server takes",
    "422": "A field has a wrong type or value",
    "503": "Too much at once; come back later",
}
_PLAIN = frozenset({"/", "/ok", "/info", "/metrics", "/docs", "/openapi.json"})
"""What needs no key and fails in no way of its own."""


@dataclass(frozen=True, slots=True)
class Shapes:
    """What requests bring, by (method, path)."""

    bodies: Mapping[tuple[str, str], type[BaseModel]]
    many: frozenset[tuple[str, str]]
    """Which of them bring an array."""
    queries: Mapping[tuple[str, str], Mapping[str, Any]]
    """Name of a query parameter -> its schema."""


def document(routes: Iterable[BaseRoute], shapes: Shapes, version: str) -> dict[str, Any]:
    """The OpenAPI document."""
    from pydantic.json_schema import models_json_schema

    models = list(dict.fromkeys(shapes.bodies.values()))
    references, defined = models_json_schema(
        [(model, "validation") for model in models], ref_template=f"{_SCHEMAS}{{model}}"
    )
    names = {name: _name(name) for name in defined.get("$defs", {})}
    paths: dict[str, dict[str, Any]] = {}
    for route, method in _operations(routes):
        path = _PARAMETER.sub(r"{\1}", route.path)
        key = (method, path)
        operation = _operation(route, method, path)
        operation["parameters"] += [_query(*each) for each in shapes.queries.get(key, {}).items()]
        if key in shapes.bodies:
            schema = _renamed(references[shapes.bodies[key], "validation"], names)
            operation["requestBody"] = _body(schema, many=key in shapes.many)
        paths.setdefault(path, {})[method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Understudy", "version": version, "description": _ABOUT},
        "paths": paths,
        "components": {
            "schemas": {"Error": _ERROR, **_renamed(defined.get("$defs", {}), names)},
            "securitySchemes": {"key": _KEY},
        },
        "security": [{}, {"key": []}],
    }


def _name(qualified: str) -> str:
    """`threads__CreateBody`, which pydantic writes where two modules have one, as one word."""
    *modules, name = qualified.split("__")
    return (modules[-1].title() if modules else "") + name


def _renamed(part: Any, names: Mapping[str, str]) -> Any:
    """The same with other names of schemas, where they are defined and where they are used."""
    match part:
        case dict():
            said = cast("dict[str, Any]", part)
            return {names.get(key, key): _renamed(value, names) for key, value in said.items()}
        case list():
            return [_renamed(each, names) for each in cast("list[Any]", part)]
        case str() if part.startswith(_SCHEMAS):
            return _SCHEMAS + names[part.removeprefix(_SCHEMAS)]
        case _:
            return part


_SCHEMAS = "#/components/schemas/"
_ABOUT = "Graphs over HTTP: assistants, threads, runs and their streams, crons, and a store."
_ERROR = {
    "type": "object",
    "properties": {"detail": {"type": "string"}},
    "required": ["detail"],
}
_KEY = {"type": "apiKey", "in": "header", "name": "x-api-key"}


def _operations(routes: Iterable[BaseRoute]) -> Iterator[tuple[Route, str]]:
    for route in routes:
        if isinstance(route, Route):
            for method in sorted((route.methods or set()) - {"HEAD"}):
                yield route, method


def _operation(route: Route, method: str, path: str) -> dict[str, Any]:
    name = f"{method.lower()}{re.sub(r'[^a-z]+', '_', path)}".strip("_")
    failures = {} if path in _PLAIN else ERRORS
    return {
        "operationId": name,
        "tags": [_group(path)],
        "summary": _summary(route.endpoint),
        "parameters": [
            {"name": each, "in": "path", "required": True, "schema": _schema_of(each)}
            for each in _PARAMETER.findall(path)
        ],
        "responses": {
            "2XX": _success(method, path),
            **{status: _failure(text) for status, text in failures.items()},
        },
    }


def _success(method: str, path: str) -> dict[str, Any]:
    """A stream, or JSON, or nothing at all."""
    if path.endswith(("/stream", "/events")):
        return {"description": "Events, as they happen", "content": {"text/event-stream": {}}}
    if path in ("/metrics", "/docs"):
        return {"description": "Text"}
    return {"description": "Done" if method == "DELETE" else "The answer"}


def _failure(text: str) -> dict[str, Any]:
    schema = {"$ref": f"{_SCHEMAS}Error"}
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _schema_of(name: str) -> dict[str, Any]:
    uuid = name in ("thread_id", "run_id", "assistant_id", "cron_id", "checkpoint_id")
    return {"type": "string", "format": "uuid"} if uuid else {"type": "string"}


def _query(name: str, schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema}


def _body(reference: Mapping[str, Any], *, many: bool) -> dict[str, Any]:
    schema = {"type": "array", "items": reference} if many else reference
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _summary(endpoint: Any) -> str:
    text = inspect.getdoc(endpoint) or ""
    return " ".join(text.partition("\n\n")[0].split())


def _group(path: str) -> str:
    first = path.split("/")[1]
    if "/runs" in path:
        return "crons" if "/crons" in path else "runs"
    return first if first in ("threads", "assistants", "store") else "server"


# --- a page of it ------------------------------------------------------------------------------


def page(said: Mapping[str, Any], prefix: str) -> str:
    """The document as HTML that needs nothing from elsewhere."""
    groups: dict[str, list[str]] = {}
    for path, operations in cast("Mapping[str, Mapping[str, Any]]", said["paths"]).items():
        for method, operation in operations.items():
            groups.setdefault(operation["tags"][0], []).append(
                _row(method.upper(), prefix + path, operation, said)
            )
    body = "".join(
        f"<h2>{escape(name)}</h2>{''.join(rows)}" for name, rows in sorted(groups.items())
    )
    title = escape(f"{said['info']['title']} {said['info']['version']}")
    return _PAGE.format(title=title, about=escape(_ABOUT), prefix=escape(prefix), body=body)


def _row(method: str, path: str, operation: Mapping[str, Any], said: Mapping[str, Any]) -> str:
    asked = "".join(
        f"<li><code>{escape(each['name'])}</code> {escape(each['in'])}"
        for each in cast("Sequence[Mapping[str, Any]]", operation["parameters"])
    )
    fields = "".join(_fields(operation, said))
    return (
        f"<details><summary><b class={method.lower()}>{method}</b> <code>{escape(path)}</code> "
        f"{escape(operation['summary'])}</summary><ul>{asked}{fields}</ul></details>"
    )


def _fields(operation: Mapping[str, Any], said: Mapping[str, Any]) -> Iterator[str]:
    """The fields of its body."""
    if "requestBody" not in operation:
        return
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    name = schema.get("items", schema)["$ref"].rpartition("/")[2]
    model = said["components"]["schemas"][name]
    for field, kind in model.get("properties", {}).items():
        needed = ", required" if field in model.get("required", ()) else ""
        yield f"<li><code>{escape(field)}</code> body, {escape(_kind(kind))}{needed}"


def _kind(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(_kind(each) for each in schema["anyOf"]))
    if "enum" in schema:
        return " or ".join(repr(each) for each in schema["enum"])
    named = schema.get("$ref", "").rpartition("/")[2]
    return named or str(schema.get("const", schema.get("type", "anything")))


_PAGE = """<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>
<meta name=viewport content="width=device-width">
<style>
body {{ font: 16px/1.5 system-ui; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
details {{ border-bottom: 1px solid #8884; padding: .3rem 0 }}
summary {{ cursor: pointer }}
b {{ display: inline-block; width: 4.5rem; font: bold 13px monospace }}
.get {{ color: #1668a8 }} .post {{ color: #2c7a2c }} .delete {{ color: #b02a2a }}
.patch, .put {{ color: #a06000 }}
@media (prefers-color-scheme: dark) {{ body {{ background: #111; color: #ddd }} }}
</style>
<h1>{title}</h1><p>{about} As <a href="{prefix}/openapi.json">OpenAPI</a>.</p>{body}</html>
"""
