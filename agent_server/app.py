"""The ASGI application: routes, what requests pass on their way to them, and what lives with it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute

from checkpoint import IndexConfig

from .auth import Gatekeeper
from .guard import Guard
from .metrics import Metrics
from .middleware import Answers, Keys, Limits, Origins, Requests, answer_http, log_request
from .project import ConfigFile, Cors, Project
from .routes import (
    assistants,
    crons,
    meta,
    protocol,
    runs,
    store,
    streams,
    thread_streams,
    threads,
)
from .services import open_services
from .settings import Settings
from .tracing import TraceParents

EXPOSED = (
    "content-location",
    "location",
    "x-pagination-total",
    "x-pagination-next",
    "x-request-id",
)
"""Headers that scripts in browsers may read."""


def create_app(
    graphs: Mapping[str, Any],
    *,
    database: str | Path | None = None,
    settings: Settings | None = None,
    auth: Any = None,
) -> Starlette:
    """The server as an ASGI app, to run by itself or to mount below a prefix.

    `graphs`: name -> compiled graph, builder or factory.  `auth`: an object of langgraph_sdk's
    `Auth`.  A mounted app's lifespan is not entered by who mounts it, so pass it on::

        agents = create_app({"agent": graph}, database="agents.db")
        app = Starlette(
            routes=[Mount("/agents", agents)],
            lifespan=lambda _: agents.router.lifespan_context(agents),
        )

    Starting raises SetupError's children: GraphLoadError, DatabaseInUseError, ….
    """
    chosen = settings or Settings.read()
    if database is not None:
        chosen = chosen.model_copy(update={"database": Path(database)})
    return _app(chosen, graphs, ConfigFile(), auth)


def app_for(project: Project, settings: Settings) -> Starlette:
    """The app that a langgraph.json, or a command line, describes.  Raises GraphLoadError."""
    graphs, auth, index = project.load_graphs(), project.load_auth(), project.load_index()
    return _app(settings, graphs, project.file, auth, index)


def _app(
    settings: Settings,
    graphs: Mapping[str, Any],
    file: ConfigFile,
    auth: Any,
    index: IndexConfig | None = None,
) -> Starlette:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        on_step = metrics.step_seconds.observe
        async with open_services(settings, graphs, file, index, on_step) as services:
            app.state.services = services
            yield

    metrics = Metrics()
    app = Starlette(
        routes=_routes(),
        middleware=_middleware(settings, file, auth, metrics),
        exception_handlers={HTTPException: answer_http},
        lifespan=lifespan,
    )
    app.state.metrics = metrics
    return app


def _routes() -> list[BaseRoute]:
    """Words before ids: `/runs/crons` is none of the runs."""
    modules = (
        meta,
        assistants,
        streams,
        runs,
        crons,
        thread_streams,
        protocol,
        threads,
        store,
    )
    return [route for module in modules for route in module.ROUTES]


def _middleware(
    settings: Settings, file: ConfigFile, auth: Any, metrics: Metrics
) -> list[Middleware]:
    keys, cors = settings.keys(), _cors(settings, file)
    return [
        *([Middleware(TraceParents)] if settings.traces != "off" else []),
        Middleware(Requests, tell=(log_request, metrics.told)),
        Middleware(CORSMiddleware, **cors),
        Middleware(Answers),
        Middleware(Origins, allowed=cors["allow_origins"], pattern=cors["allow_origin_regex"]),
        *([Middleware(Keys, keys=keys)] if keys else []),
        Middleware(Limits, max_body=settings.max_body, max_nesting=settings.max_nesting),
        *([Middleware(Guard, gatekeeper=Gatekeeper(auth))] if auth is not None else []),
    ]


def _cors(settings: Settings, file: ConfigFile) -> dict[str, Any]:
    said = file.http.cors or Cors(allow_origins=settings.allow_origins)
    return {
        "allow_origins": said.allow_origins,
        "allow_methods": said.allow_methods,
        "allow_headers": said.allow_headers,
        "allow_credentials": said.allow_credentials,
        "allow_origin_regex": said.allow_origin_regex,
        "expose_headers": (*EXPOSED, *said.expose_headers),
        "max_age": said.max_age,
    }
