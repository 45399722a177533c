"""Runs as OpenTelemetry spans, made by the real SDK."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

import pytest
from opentelemetry import context, trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import Span, StatusCode
from starlette.types import Receive, Scope, Send

from actors import START, StateGraph
from agent_server.errors import SettingsError
from agent_server.tracing import (
    NO_TRACE,
    NoTrace,
    RunTrace,
    TraceParents,
    Traces,
    tracer_of_process,
)
from tests.agent_server.harness.graphs import agent, fail
from tests.agent_server.harness.server import ROOT
from tests.agent_server.stage import Doors, crashed, stage

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


class Spans:
    """A provider of one's own, and the spans that were made with it."""

    def __init__(self, **options: Any) -> None:
        self._exporter = InMemorySpanExporter()
        provider = TracerProvider(**options)
        provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = provider.get_tracer("test")

    def find(self) -> trace.Tracer:
        return self.tracer

    @property
    def ended(self) -> tuple[ReadableSpan, ...]:
        return self._exporter.get_finished_spans()

    def tree(self, parent: int | None = None) -> list[Any]:
        """[name, what is in it, …] of the spans in one."""
        inside = [span for span in self.ended if _parent_of(span) == parent]
        inside.sort(key=lambda span: (span.start_time or 0, span.name))
        return [each for span in inside for each in (span.name, self.tree(_id_of(span)))]

    def named(self, name: str) -> ReadableSpan:
        (found,) = (span for span in self.ended if span.name == name)
        return found


def _parent_of(span: ReadableSpan) -> int | None:
    return None if span.parent is None else span.parent.span_id


def _id_of(span: ReadableSpan) -> int:
    return span.get_span_context().span_id


def facts(span: ReadableSpan) -> Mapping[str, Any]:
    return {
        name.removeprefix("understudy."): value for name, value in (span.attributes or {}).items()
    }


async def test_a_run_is_a_span_with_its_steps_and_their_tasks(tmp_path: Path) -> None:
    spans = Spans()
    async with stage(tmp_path / "db", {"agent": agent}, find_tracer=spans.find) as at:
        thread_id = await at.thread()
        live = await at.end("agent", {"topic": "x"}, thread_id)
    steps = ["step", ["refine_topic", []], "step", ["generate_joke", []]]
    assert spans.tree() == ["run agent", steps]
    of_run = {
        "run_id": live.run.run_id,
        "thread_id": thread_id,
        "graph_id": "agent",
        "assistant_id": live.run.assistant_id,
        "attempt": 1,
    }
    assert facts(spans.named("run agent")) == {**of_run, "status": "success"}
    task = facts(spans.named("generate_joke"))
    assert {**task, "task_id": ""} == {
        **of_run,
        "step": 2,
        "namespace": "",
        "node": "generate_joke",
        "task_id": "",
    }
    assert {span.status.status_code for span in spans.ended} == {StatusCode.UNSET}


async def test_the_times_are_those_of_the_events(tmp_path: Path) -> None:
    spans = Spans()
    async with stage(tmp_path / "db", {"agent": agent}, find_tracer=spans.find) as at:
        live = await at.end("agent", {"topic": "x"}, await at.thread())
        assert live.log is not None
        times = {
            (type(event).__name__, getattr(event, "name", "")): int(event.time * 1e9)
            for event in await live.log.read(after=0).batch()
        }
    for name in ("refine_topic", "generate_joke"):
        span = spans.named(name)
        assert span.start_time == times["TaskStarted", name]
        assert span.end_time == times["TaskFinished", name]


async def test_an_error_is_recorded_where_it_happened(tmp_path: Path) -> None:
    spans = Spans()
    async with stage(tmp_path / "db", {"fail": fail}, find_tracer=spans.find) as at:
        await at.end("fail", {"topic": "x"})
    failed = [span for span in spans.ended if span.status.status_code is StatusCode.ERROR]
    assert len(failed) == 3  # the task, its step and the run
    task = failed[0]
    assert task.status.description == "ValueError: boom: x"
    (event,) = task.events
    assert event.attributes is not None
    assert event.attributes["exception.type"] == "ValueError"
    assert "graphs.py" in str(event.attributes["exception.stacktrace"])


async def test_a_graph_that_cannot_be_made_is_a_run_that_failed(tmp_path: Path) -> None:
    def factory() -> Any:
        raise LookupError("no model")

    spans = Spans()
    async with stage(tmp_path / "db", {"made": factory}, find_tracer=spans.find) as at:
        await at.end("made", {})
    run = spans.named("run made")
    assert run.status.description == "LookupError: no model"
    assert facts(run)["status"] == "error"


async def test_a_cancelled_run_ends_all_its_spans_and_is_no_error(tmp_path: Path) -> None:
    spans, doors = Spans(), Doors(2)
    async with stage(tmp_path / "db", {"steps": doors.graph}, find_tracer=spans.find) as at:
        live = await at.start("steps", {}, await at.thread())
        await doors.arrival()
        await at.dispatcher.cancel(live.run.thread_id, [live.run.run_id], "interrupt", wait=True)
    assert spans.tree() == ["run steps", ["step", ["step1", []]]]
    assert facts(spans.named("step1"))["cut_off"] is True
    assert facts(spans.named("run steps"))["status"] == "cancelled"
    assert spans.named("run steps").status.status_code is StatusCode.UNSET


class Empty(TypedDict, total=False):
    pass


async def test_what_a_node_traces_is_in_the_run(tmp_path: Path) -> None:
    spans = Spans()

    async def node(state: Empty) -> Empty:
        with spans.tracer.start_as_current_span("asks a model"):
            return {}

    graph = StateGraph(Empty).add_node("node", node).add_edge(START, "node").compile()
    async with stage(tmp_path / "db", {"graph": graph}, find_tracer=spans.find) as at:
        await at.end("graph", {})
    (root, inside) = spans.tree()
    assert root == "run graph"
    assert "asks a model" in inside


async def test_a_run_is_part_of_the_trace_that_was_current_when_it_was_asked_for(
    tmp_path: Path,
) -> None:
    spans = Spans()
    async with stage(tmp_path / "db", {"agent": agent}, find_tracer=spans.find) as at:
        with spans.tracer.start_as_current_span("request") as asked:
            live = await at.start("agent", {"topic": "x"})
        await live.settled()
    assert spans.tree()[0] == "request"
    assert _parent_of(spans.named("run agent")) == asked.get_span_context().span_id


async def test_a_run_that_another_process_takes_up_stays_in_its_trace(tmp_path: Path) -> None:
    first, second, doors = Spans(), Spans(), Doors(2)
    graphs = {"steps": doors.graph}
    async with stage(tmp_path / "db", graphs, find_tracer=first.find) as at:
        with first.tracer.start_as_current_span("request") as asked:
            live = await at.start("steps", {}, await at.thread())
        await doors.arrival()
        left = await crashed(at, tmp_path / "db")
        doors.open()
        await live.settled()
    doors.shut()  # it is still at work when it is asked for
    async with stage(left, graphs, find_tracer=second.find) as at:
        taken_up = at.dispatcher.live(live.run.run_id)
        assert taken_up is not None
        doors.open()
        await taken_up.settled()
    run = second.named("run steps")
    assert facts(run)["attempt"] == 2
    assert run.get_span_context().trace_id == asked.get_span_context().trace_id


async def test_of_a_run_that_is_not_sampled_nothing_is_read(tmp_path: Path) -> None:
    spans = Spans(sampler=ALWAYS_OFF)
    async with stage(tmp_path / "db", {"agent": agent}, find_tracer=spans.find) as at:
        live = await at.end("agent", {"topic": "x"})
        assert live.log is not None
        assert live.log.stats().subscribers == 0
    assert spans.ended == ()


async def seen_inside(header: str | None, find: Any) -> Span:
    """The span that is current in an app that was asked with this header."""
    seen: list[Span] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(trace.get_current_span())

    headers = [] if header is None else [(b"traceparent", header.encode())]
    asking: Any = {"type": "http", "headers": headers}
    nobody: Any = None
    before = context.get_current()
    await TraceParents(app, find)(asking, nobody, nobody)
    assert context.get_current() == before
    return seen[0]


async def test_a_request_is_part_of_the_trace_that_its_header_names() -> None:
    span = (await seen_inside(PARENT, Spans().find)).get_span_context()
    assert f"{span.trace_id:032x}" == TRACE
    assert not (await seen_inside(None, Spans().find)).get_span_context().is_valid
    assert not (await seen_inside("forged\x00", Spans().find)).get_span_context().is_valid
    assert not (await seen_inside(PARENT, tracer_of_process)).get_span_context().is_valid


async def test_what_traces_requests_itself_comes_before_the_header() -> None:
    spans = Spans()
    with spans.tracer.start_as_current_span("server") as current:
        assert await seen_inside(PARENT, spans.find) is current


async def test_without_a_tracer_there_is_nothing_to_do(tmp_path: Path) -> None:
    spans = Spans()
    traces = Traces("off", spans.find)
    async with stage(tmp_path / "db", {"agent": agent}) as at:
        run = at.order("agent", {"topic": "x"})
        assert traces.noted(run) is run
        assert traces.begin(run) is NO_TRACE
        assert isinstance(Traces().begin(run), NoTrace)
        assert isinstance(Traces(find=spans.find).begin(run), RunTrace)
    await traces.aclose()


def test_traces_that_are_asked_for_must_be_set_up() -> None:
    with pytest.raises(SettingsError, match="no tracer provider is set up; start the server by"):
        Traces("on")
    Traces("on", Spans().find)


PROCESS = """
import asyncio, json, sys
from pathlib import Path
from agent_server import Settings, create_app
from tests.agent_server.harness.graphs import agent
from tests.agent_server.harness.local import local_client

async def ask(name, traces="auto"):
    settings = Settings(traces=traces, database=Path(name))
    app = create_app({"agent": agent}, settings=settings)
    async with app.router.lifespan_context(app), local_client(app) as client:
        body = {"assistant_id": "agent", "input": {"topic": "x"}}
        await client.post("/runs/wait", json=body, headers={"traceparent": sys.argv[1]})

asyncio.run(ask("one.db"))
loaded = "opentelemetry" in sys.modules

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

asyncio.run(ask("two.db"))  # loaded, not set up
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
asyncio.run(ask("three.db", "off"))
before = len(exporter.get_finished_spans())
asyncio.run(ask("four.db", "on"))
spans = exporter.get_finished_spans()
traces = sorted({f"{span.context.trace_id:032x}" for span in spans})
names = sorted(span.name for span in spans)
print(json.dumps({"loaded": loaded, "before": before, "traces": traces, "names": names}))
"""


def test_a_process_traces_once_it_has_a_provider_and_loads_nothing_before(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PROCESS, PARENT]
    said = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, check=False
    )
    assert said.returncode == 0, said.stderr.decode()
    assert json.loads(said.stdout) == {
        "loaded": False,
        "before": 0,
        "traces": [TRACE],
        "names": ["generate_joke", "refine_topic", "run agent", "step", "step"],
    }
