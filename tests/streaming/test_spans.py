"""Spans: what `events` shows of what runs inside of what."""

from __future__ import annotations

from typing import Any

from streaming import Chunk, Custom, RunLog, Span, TraceWriter, project
from streaming.events import Traced
from tests.streaming.lib import take

NODE = Span(
    "joker",
    "n1",
    parents=("r1",),
    tags=("graph:step:1",),
    metadata={"langgraph_node": "joker"},
)


async def test_a_span_is_shown_as_dicts_of_what_happens_to_it() -> None:
    log = RunLog("run")
    writer = TraceWriter(log, step=1)
    writer.show(NODE, "start", {"input": 1})
    writer.show(NODE, "end", {"output": 2, "input": 1})

    first, last = await take(log.subscribe("events"), 2)
    assert first == {
        "event": "on_chain_start",
        "data": {"input": 1},
        "name": "joker",
        "tags": ["graph:step:1"],
        "run_id": "n1",
        "metadata": {"langgraph_node": "joker"},
        "parent_ids": ["r1"],
    }
    assert last == {**first, "event": "on_chain_end", "data": {"output": 2, "input": 1}}


def test_what_runs_inside_of_a_span_has_it_and_its_parents_for_parents() -> None:
    assert NODE.path == ("r1", "n1")
    assert Span("graph", "r1").path == ("r1",)


async def test_the_kind_of_a_span_is_in_the_names_of_its_events() -> None:
    log = RunLog("run")
    TraceWriter(log).show(Span("gpt", "m", kind="chat_model"), "stream", {"chunk": "a"})
    [shown] = await take(log.subscribe("events"), 1)
    assert shown["event"] == "on_chat_model_stream"


async def test_spans_of_graphs_in_graphs_are_shown_to_every_reader() -> None:
    log = RunLog("run")
    TraceWriter(log, ns=("sub:1",)).show(NODE, "start", {})
    log.publish(Custom(ns=("sub:1",), data="of the inner graph"))
    log.close()
    [alone] = [chunk async for chunk in log.subscribe(["events", "custom"])]
    assert isinstance(alone, Chunk)
    assert (alone.mode, alone.ns) == ("events", ("sub:1",))
    both = [chunk async for chunk in log.subscribe(["events", "custom"], subgraphs=True)]
    assert [chunk.mode for chunk in both if isinstance(chunk, Chunk)] == ["events", "custom"]


def test_nothing_is_published_when_nobody_could_see_it() -> None:
    log = RunLog("run", keep=False)
    TraceWriter(log).show(NODE, "start", {})
    assert log.last == 0


def test_a_fenced_writer_shows_nothing_more_and_is_counted() -> None:
    log = RunLog("run")
    writer = TraceWriter(log)
    writer.fence()
    writer.show(NODE, "start", {})
    assert (log.last, log.stats().refused) == (0, 1)


def test_a_dict_that_is_shown_is_the_readers_own() -> None:
    event = Traced(
        event="on_chain_start",
        name="n",
        run_id="1",
        parent_ids=(),
        tags=("a",),
        metadata={"k": 1},
        data={},
    )
    shown: Any = project(event, "events")
    shown["tags"].append("b")
    shown["metadata"]["k"] = 2
    assert project(event, "events")["tags"] == ["a"]
    assert project(event, "events")["metadata"] == {"k": 1}
