"""Runs as OpenTelemetry spans: run → step → task.

Nothing of it is loaded unless the process has set up a tracer provider (the code of a graph, or
`opentelemetry-instrument`), or the setting `traces` asks for it.  A run's span is the current one
while its graph is made and its nodes run, so what they trace themselves is in it; the spans of its
steps and tasks are made from its events, by a reader that costs the run nothing but its turns.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self, TypeAlias

from starlette.datastructures import Headers

from actors import Supervisor
from streaming import Gap, RunLog, RunStatus, StreamingError

from .errors import SettingsError
from .records import Run
from .spans import RUN, Begins, Ends, Facts, SpanTree

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer, TracerProvider
    from starlette.types import ASGIApp, Receive, Scope, Send

Asked: TypeAlias = Literal["auto", "on", "off"]
FindTracer: TypeAlias = "Callable[[], Tracer | None]"

_NANO = 1_000_000_000
_GRACE = 2.0
"""Seconds that readers get at a stop to come to the ends of their logs."""


def tracer_of_process() -> Tracer | None:
    """A tracer of the provider that was set up in this process; None if none was."""
    api = sys.modules.get("opentelemetry.trace")
    if api is None:
        return None
    provider = api.get_tracer_provider()
    if isinstance(provider, api.ProxyTracerProvider | api.NoOpTracerProvider):
        return None
    return _tracer_from(provider)


@lru_cache(maxsize=1)
def _tracer_from(provider: TracerProvider) -> Tracer:
    return provider.get_tracer("understudy")


def _no_tracer() -> None:
    return None


class Traces:
    """Makes the spans of runs; `find` gives the tracer to make them with."""

    def __init__(self, asked: Asked = "auto", find: FindTracer = tracer_of_process) -> None:
        """Raises SettingsError where traces are asked for and cannot be."""
        if asked == "on":
            _check_set_up(find)
        self._find = _no_tracer if asked == "off" else find
        self._readers = Supervisor("traces")

    def noted(self, run: Run) -> Run:
        """The run with the trace of the request that asks for it, for whenever it begins."""
        if self._find() is None:
            return run
        from opentelemetry import propagate

        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        return replace(run, order=replace(run.order, trace=carrier)) if carrier else run

    def begin(self, run: Run) -> NoTrace | RunTrace:
        """The span of one attempt of a run, to be entered around it."""
        tracer = self._find()
        return NO_TRACE if tracer is None else RunTrace(tracer, run, self._readers)

    async def aclose(self) -> None:
        """See the spans of runs that have ended to their ends."""
        if tasks := self._readers.tasks:
            await asyncio.wait(tasks, timeout=_GRACE)
        await self._readers.stop()


def _check_set_up(find: FindTracer) -> None:
    if find_spec("opentelemetry") is None:
        raise SettingsError(
            "traces='on' needs OpenTelemetry, which is not installed; "
            "pip install 'understudy[otel]' opentelemetry-sdk"
        )
    import_module("opentelemetry.trace")  # the environment may name a provider for it to make
    if find() is None:
        raise SettingsError(
            "traces='on', and no tracer provider is set up; start the server by "
            "`opentelemetry-instrument understudy serve`, or set one up in the file of a graph"
        )


class NoTrace:
    """In the place of a span where there are none."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def follow(self, log: RunLog) -> None:
        """Nothing is read."""

    def ended(self, status: RunStatus, error: BaseException | None) -> None:
        """Nothing is told."""


NO_TRACE = NoTrace()


class RunTrace:
    """The spans of one attempt of a run."""

    def __init__(self, tracer: Tracer, run: Run, readers: Supervisor) -> None:
        from opentelemetry import propagate, trace
        from opentelemetry.context import Context

        self._tracer = tracer
        self._readers = readers
        self._facts = _facts_of(run)
        self._span: Span = tracer.start_span(
            f"run {run.graph_id}",
            context=propagate.extract(run.order.trace or {}, context=Context()),
            attributes=self._facts,
        )
        self._current: AbstractContextManager[Span] = trace.use_span(
            self._span, record_exception=False, set_status_on_exception=False
        )

    def __enter__(self) -> Self:
        self._current.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._current.__exit__(kind, error, traceback)
        self._span.end()

    def ended(self, status: RunStatus, error: BaseException | None) -> None:
        """The engine has run it; of a run that was cancelled the error is no failure."""
        self._span.set_attribute("understudy.status", status)
        if error is not None and status == "error":
            _fail(self._span, error, None)

    def follow(self, log: RunLog) -> None:
        """Make spans of what its log says from here on."""
        if self._span.is_recording():
            self._readers.spawn(self._follow(log, log.last), name=f"trace {log.run_id}")

    async def _follow(self, log: RunLog, after: int) -> None:
        tree, spans, last = SpanTree(), {RUN: self._span}, 0.0
        reader = log.read(after=after)
        try:
            while batch := await reader.batch():
                if isinstance(batch, Gap):
                    continue
                for event in batch:
                    last = event.time
                    for said in tree.feed(event):
                        self._show(said, spans)
        except StreamingError:  # the log broke, which the run's span tells
            pass
        finally:
            reader.close()
            for said in tree.close(last):
                self._show(said, spans)

    def _show(self, said: Begins | Ends, spans: dict[str, Span]) -> None:
        from opentelemetry.trace import set_span_in_context

        at = int(said.at * _NANO)
        if isinstance(said, Begins):
            spans[said.key] = self._tracer.start_span(
                said.name,
                context=set_span_in_context(spans[said.parent]),
                attributes={**self._facts, **said.facts},
                start_time=at,
            )
            return
        span = spans.pop(said.key)
        span.set_attributes(said.facts)
        if said.error is not None:
            _fail(span, said.error, at)
        span.end(at)


def _facts_of(run: Run) -> Facts:
    thread = {} if run.stateless else {"understudy.thread_id": run.thread_id}
    return {
        "understudy.run_id": run.run_id,
        **thread,
        "understudy.graph_id": run.graph_id,
        "understudy.assistant_id": run.assistant_id,
        "understudy.attempt": run.attempt,
    }


def _fail(span: Span, error: BaseException | str, at: int | None) -> None:
    from opentelemetry.trace import Status, StatusCode

    if isinstance(error, BaseException):
        span.record_exception(error, timestamp=at)
        text = f"{type(error).__name__}: {error}"
    else:
        span.add_event("exception", {"exception.message": error}, at)
        text = error
    span.set_status(Status(StatusCode.ERROR, text))


class TraceParents:
    """Makes the trace that a request names in its headers the current one, unless what traces
    requests themselves has done so already."""

    def __init__(self, app: ASGIApp, find: FindTracer = tracer_of_process) -> None:
        self._app = app
        self._find = find

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] == "lifespan" or self._find() is None:
            await self._app(scope, receive, send)
            return
        from opentelemetry import context, propagate, trace

        if trace.get_current_span().get_span_context().is_valid:
            await self._app(scope, receive, send)
            return
        headers: Mapping[str, str] = Headers(scope=scope)
        token = context.attach(propagate.extract(headers))
        try:
            await self._app(scope, receive, send)
        finally:
            context.detach(token)
