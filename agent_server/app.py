"""The ASGI application: routes, what requests pass on their way to them, and what lives with it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute
from starlette.types import Scope

from checkpoint import IndexConfig

from .auth import Gatekeeper
from .beside import Beside, Neighbour
from .config_file import ConfigFile, Cors, Http
from .guard import Guard
from .metrics import Metrics
from .middleware import Answers, Keys, Limits, Origins, Prefix, Requests, answer_http, log_request
from .project import Project
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
    app = project.load_app()
    neighbour = None if app is None else Neighbour(app)
    return _app(settings, graphs, project.file, auth, index, neighbour)


def _app(
    settings: Settings,
    graphs: Mapping[str, Any],
    file: ConfigFile,
    auth: Any,
    index: IndexConfig | None = None,
    neighbour: Neighbour | None = None,
) -> Starlette:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        on_step = metrics.step_seconds.observe
        async with open_services(settings, graphs, file, index, on_step) as services:
            app.state.services = services
            async with nullcontext() if neighbour is None else neighbour.lifespan():
                yield

    metrics = Metrics()
    routes = routes_of(file.http)
    app = Starlette(
        routes=routes,
        middleware=_middleware(settings, file, Front(auth, neighbour, routes), metrics),
        exception_handlers={HTTPException: answer_http},
        lifespan=lifespan,
    )
    app.state.metrics = metrics
    return app


def routes_of(said: Http) -> list[BaseRoute]:
    """What is served; words before ids: `/runs/crons` is none of the runs."""
    modules = {
        "meta": (meta,),
        "assistants": (assistants,),
        "runs": (streams, runs, crons, protocol),
        "threads": (thread_streams, threads),
        "store": (store,),
    }
    kept = [name for name in modules if not getattr(said, f"disable_{name}")]
    found = [route for name in kept for module in modules[name] for route in module.ROUTES]
    return found if "meta" in kept else [meta.BARE, *found]


@dataclass(frozen=True, slots=True)
class Front:
    """What requests may meet before our routes."""

    auth: Any
    neighbour: Neighbour | None
    routes: Sequence[BaseRoute]

    def guard(self, *, asks: bool) -> list[Middleware]:
        """The auth hook; of the neighbour's requests it `asks` who sends them, or does not."""
        if self.auth is None:
            return []
        return [
            Middleware(Guard, gatekeeper=Gatekeeper(self.auth), is_others=self._owns, asks=asks)
        ]

    def passed(self) -> list[Middleware]:
        """The neighbour's middleware."""
        return [] if self.neighbour is None else list(self.neighbour.middleware)

    def beside(self) -> list[Middleware]:
        """The neighbour itself."""
        if self.neighbour is None:
            return []
        return [Middleware(Beside, neighbour=self.neighbour, ours=self.routes)]

    def keeps_slash(self, scope: Scope) -> bool:
        """True for a path that may end with a slash: it is not ours."""
        return self._owns(scope)

    def _owns(self, scope: Scope) -> bool:
        return self.neighbour is not None and self.neighbour.owns(scope, self.routes)


def _middleware(
    settings: Settings, file: ConfigFile, front: Front, metrics: Metrics
) -> list[Middleware]:
    keys, cors, said = settings.keys(), _cors(settings, file), file.http
    auth_first = said.middleware_order == "auth_first"
    return [
        *([Middleware(Prefix, prefix=said.mount_prefix)] if said.mount_prefix else []),
        *([Middleware(TraceParents)] if settings.traces != "off" else []),
        Middleware(Requests, tell=(log_request, metrics.told)),
        *([] if auth_first else front.passed()),
        Middleware(CORSMiddleware, **cors),
        Middleware(Answers, keeps_slash=front.keeps_slash),
        Middleware(Origins, allowed=cors["allow_origins"], pattern=cors["allow_origin_regex"]),
        *([Middleware(Keys, keys=keys)] if keys else []),
        Middleware(
            Limits,
            max_body=settings.max_body,
            max_bodies=settings.bodies_bytes,
            max_nesting=settings.max_nesting,
        ),
        *front.guard(asks=said.enable_custom_route_auth),
        *(front.passed() if auth_first else []),
        *front.beside(),
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
