"""The ASGI application: routes, what requests pass on their way to them, and what lives with it."""

from __future__ import annotations

import importlib
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute

from .middleware import Answers, Keys, Limits, Requests, answer_http, told
from .routes import meta
from .services import open_services
from .settings import Settings

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
) -> Starlette:
    """The server as an ASGI app, to run by itself or to mount below a prefix.

    `graphs`: name -> compiled graph, builder or factory.  A mounted app's lifespan is not entered
    by who mounts it, so pass it on::

        agents = create_app({"agent": graph}, database="agents.db")
        app = Starlette(
            routes=[Mount("/agents", agents)],
            lifespan=lambda _: agents.router.lifespan_context(agents),
        )

    Starting raises SetupError's children: GraphLoadError, DatabaseInUseError, ….
    """
    chosen = settings or Settings()
    if database is not None:
        chosen = chosen.model_copy(update={"database": Path(database)})

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        async with open_services(chosen, graphs) as services:
            app.state.services = services
            yield

    return Starlette(
        routes=_routes(),
        middleware=_middleware(chosen),
        exception_handlers={HTTPException: answer_http},
        lifespan=lifespan,
    )


def _routes() -> list[BaseRoute]:
    found: list[BaseRoute] = [*meta.ROUTES]
    for name in (
        "assistants",
        "streams",
        "runs",
        "thread_streams",
        "protocol",
        "threads",
        "store",
        "crons",
    ):
        try:
            module = importlib.import_module(f"agent_server.routes.{name}")
        except ModuleNotFoundError:
            continue
        found += module.ROUTES
    return found


def _middleware(settings: Settings) -> list[Middleware]:
    keys = [Middleware(Keys, keys=settings.api_keys)] if settings.api_keys else []
    return [
        Middleware(Requests, told=told),
        Middleware(
            CORSMiddleware,
            allow_origins=settings.allow_origins,
            allow_methods=["*"],
            allow_headers=["*"],
            expose_headers=EXPOSED,
        ),
        Middleware(Answers),
        *keys,
        Middleware(Limits, max_body=settings.max_body, max_nesting=settings.max_nesting),
    ]
