"""Graphs, tasks and conditional edges as spans, without any library that traces."""

from __future__ import annotations

import asyncio
import operator
import subprocess
import sys
from typing import Annotated, Any, TypedDict

import pytest

from actors import (
    START,
    ActorSystem,
    Command,
    CompiledGraph,
    ModeNotAskedError,
    StateGraph,
    entrypoint,
    stream_message,
    task,
)
from actors.context import current
from checkpoint import SqliteSaver


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]
    topic: str


async def a(state: State) -> dict[str, Any]:
    return {"log": ["a"]}


def b(state: State) -> dict[str, Any]:
    return {"log": ["b"]}


def line(**nodes: Any) -> StateGraph:
    return StateGraph(State).add_sequence(list(nodes.items())).add_edge(START, next(iter(nodes)))


def names(events: list[Any]) -> list[tuple[str, str]]:
    return [(event["event"].removeprefix("on_chain_"), event["name"]) for event in events]


async def events_of(graph: CompiledGraph, value: Any = None, **options: Any) -> list[Any]:
    stream = graph.astream(
        {"topic": "t"} if value is None else value, stream_mode="events", **options
    )
    return [event async for event in stream]


async def test_the_mode_events_shows_spans_alone() -> None:
    start, begun, said, ended, end = await events_of(line(a=a).compile(name="teller"))
    assert names([start, begun, said, ended, end]) == [
        ("start", "teller"),
        ("start", "a"),
        ("stream", "a"),
        ("end", "a"),
        ("end", "teller"),
    ]
    assert start["parent_ids"] == []
    assert begun["parent_ids"] == [start["run_id"]]
    assert (start["data"], end["data"]) == (
        {"input": {"topic": "t"}},
        {"output": {"log": ["a"], "topic": "t"}},
    )
    assert ended["data"]["output"] == said["data"]["chunk"] == {"log": ["a"]}
    assert begun["metadata"]["langgraph_node"] == "a"
    assert begun["tags"] == ["graph:step:1"]


async def test_beside_other_modes_each_chunk_has_its_mode() -> None:
    stream = line(a=a).compile().astream({"topic": "t"}, stream_mode=["updates", "events"])
    assert [mode async for mode, _ in stream] == ["events"] * 4 + ["updates", "events"]


async def test_the_span_of_a_run_has_the_runs_id() -> None:
    [start, *_] = await events_of(line(a=a).compile(), config={"run_id": "mine"})
    assert start["run_id"] == "mine"


def test_the_sync_door_gives_the_same() -> None:
    graph = line(a=a, b=b).compile()
    shown = list(graph.stream({"topic": "t"}, stream_mode="events"))
    assert names(shown) == names(asyncio.run(events_of(graph)))


async def test_a_graph_in_a_graph_is_shown_without_being_asked_for() -> None:
    inner = line(a=a).compile(name="inner")
    events = await events_of(line(sub=inner).compile())
    outer, sub, graph, node = events[:4]
    assert names(events[:4])[1:] == [("start", "sub"), ("start", "inner"), ("start", "a")]
    assert node["parent_ids"] == [outer["run_id"], sub["run_id"], graph["run_id"]]


async def test_a_node_sees_the_spans_of_a_graph_it_streams_with_all_their_parents() -> None:
    lowest = line(a=a).compile(name="lowest")
    inner = line(low=lowest).compile(name="inner")
    heard: list[Any] = []

    async def node(state: State) -> None:
        heard.extend([e async for e in inner.astream(state, stream_mode="events")])

    graph = line(node=node).compile()
    await graph.ainvoke({"topic": "t"})
    assert names(heard[:4])[1:] == [("start", "low"), ("start", "lowest"), ("start", "a")]
    assert heard[0]["parent_ids"] == []
    assert heard[0]["metadata"]["langgraph_node"] == "node"

    heard.clear()
    outer, called, *_ = await events_of(graph)
    assert heard[0]["parent_ids"] == [outer["run_id"], called["run_id"]]


async def test_a_called_task_is_inside_of_its_caller_and_shows_its_arguments_by_name() -> None:
    @task
    async def add(n: int, *, more: int = 1) -> int:
        return n + more

    @entrypoint()
    async def flow(n: int) -> int:
        return await add(n, more=2)

    events = [event async for event in flow.astream(1, stream_mode="events")]
    flow_start, node, called = events[:3]
    assert called["data"]["input"] == {"n": 1, "more": 2}
    assert called["parent_ids"] == [flow_start["run_id"], node["run_id"]]
    assert events[-1]["data"] == {"output": 3}


async def test_a_task_whose_arguments_do_not_fit_is_shown_with_them_as_they_are() -> None:
    @task
    async def add(n: int) -> int:
        return n

    @entrypoint()
    async def flow(n: int) -> int:
        return await add(n, 2)  # pyright: ignore[reportCallIssue]

    stream = flow.astream(1, stream_mode="events")
    _, _, called = [await anext(stream) for _ in range(3)]
    assert called["data"]["input"] == {"args": (1, 2)}
    with pytest.raises(TypeError):
        await anext(stream)


async def test_a_node_that_hands_over_to_its_caller_has_no_end_but_its_callers_node_has() -> None:
    async def up(state: State) -> Command[Any]:
        return Command(graph=Command.PARENT, update={"log": ["up"]}, goto="b")

    inner = line(up=up).compile(name="inner")
    builder = StateGraph(State).add_node("sub", inner, destinations=("b",)).add_node("b", b)
    shown = names(await events_of(builder.add_edge(START, "sub").compile()))
    assert ("end", "up") not in shown
    assert ("end", "inner") not in shown
    assert ("end", "sub") in shown


async def test_what_a_fenced_task_still_says_is_not_shown() -> None:
    left: list[Any] = []

    async def node(state: State) -> dict[str, Any]:
        left.append(current())
        return {}

    await events_of(line(node=node).compile())
    [context] = left
    context.fence()
    before = context.scheduler.setting.log.last
    await context.trace.ended("late")
    assert context.scheduler.setting.log.last == before


async def test_a_run_of_a_system_is_asked_for_events_when_it_begins() -> None:
    graph = line(sub=line(a=a).compile(name="inner")).compile()
    async with ActorSystem() as system:
        run = await system.start(graph, {"topic": "t"}, stream_mode=["updates", "events"])
        chunks: list[Any] = [chunk async for chunk in run.stream("events")]
        shown = names([chunk.data for chunk in chunks])
        assert shown == names(await events_of(graph))
        assert [chunk async for chunk in run.stream("events", after=chunks[1].id)] == chunks[2:]


async def test_a_joiner_who_asks_in_vain_is_told() -> None:
    async with ActorSystem() as system:
        run = await system.start(line(a=a).compile(), {"topic": "t"}, stream_mode="updates")
        with pytest.raises(ModeNotAskedError, match=r"start it with stream_mode=\[…, 'events'\]"):
            run.stream("events")
        await run.result()


class Opaque:
    """Something that cannot be stored."""

    def __repr__(self) -> str:
        return "<opaque>"


async def test_a_durable_log_keeps_spans_and_tells_of_what_it_cannot_store(tmp_path: Any) -> None:
    way = Opaque()
    builder = line(a=a).add_node("b", b).add_conditional_edges("a", lambda state: way, {way: "b"})
    config = {"configurable": {"thread_id": "t"}}
    async with SqliteSaver(tmp_path / "kept.db") as saver:
        graph = builder.compile(checkpointer=saver)
        async with ActorSystem(event_log=saver.events) as system:
            run = await system.start(graph, {"topic": "t"}, config, stream_mode="events")
            live: list[Any] = [chunk async for chunk in run.stream("events")]
        async with ActorSystem(event_log=saver.events) as system:
            log = await system.find_log(graph, run.run_id, config)
            kept: list[Any] = [chunk async for chunk in log.subscribe("events")]
    assert names([c.data for c in kept]) == names([c.data for c in live])
    assert (live[3].data["data"]["output"], kept[3].data["data"]["output"]) == (way, "<opaque>")
    assert [c.data for c in kept[:3]] == [c.data for c in live[:3]]


def test_without_langchain_spans_are_shown_too_and_nothing_of_it_is_loaded() -> None:
    program = """
import sys
from typing import TypedDict
from actors import START, StateGraph

class State(TypedDict):
    n: int

graph = StateGraph(State).add_node("a", lambda s: {"n": 2}).add_edge(START, "a").compile()
print([event["event"] for event in graph.stream_events({"n": 1})])
assert not any(name.startswith("langchain") for name in sys.modules)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout.count("on_chain_") == 6, done.stderr


# --- models that no library traces ---------------------------------------------------------------


def of_models(events: list[Any]) -> list[Any]:
    return [event for event in events if "chat_model" in event["event"]]


async def test_a_message_that_is_streamed_is_a_span_of_its_node() -> None:
    async def says(state: State) -> dict[str, Any]:
        async with stream_message(model="m", id="i", tags=["joke"]) as message:
            await message.token("hi")
        return {"log": [message.content]}

    config: Any = {"tags": ["run"], "metadata": {"user": "u"}}
    graph = line(says=says).compile()
    events = [event async for event in graph.astream_events({"topic": "t"}, config)]
    start, said, end = of_models(events)
    assert [e["event"] for e in (start, said, end)] == [
        f"on_chat_model_{phase}" for phase in ("start", "stream", "end")
    ]
    assert start["parent_ids"] == [events[0]["run_id"], events[1]["run_id"]]
    assert start["tags"] == ["seq:step:1", "run", "joke"]
    known = {"user": "u", "langgraph_node": "says", "ls_model_type": "chat", "ls_model_name": "m"}
    assert known.items() <= start["metadata"].items()
    assert start["metadata"]["checkpoint_ns"] == start["metadata"]["langgraph_checkpoint_ns"]
    assert said["data"]["chunk"].content == "hi"
    assert end["data"]["output"] == {"role": "assistant", "content": "hi", "id": "i"}
    assert len({e["run_id"] for e in (start, said, end)}) == 1


async def test_messages_of_a_path_are_spans_of_the_path() -> None:
    async def path(state: State) -> str:
        async with stream_message():
            return "b"

    graph = line(a=a).add_node("b", b).add_conditional_edges("a", path, ["b"]).compile()
    events = await events_of(graph)
    named = {e["run_id"]: e["name"] for e in events}
    assert named[of_models(events)[0]["parent_ids"][-1]] == "path"
    assert of_models(events)[0]["tags"] == []


async def test_no_spans_are_made_of_messages_for_readers_of_other_modes() -> None:
    async def says(state: State) -> None:
        async with stream_message() as message:
            context = current()
            assert context is not None
            assert context.spans is None
            await message.token("hi")

    stream = line(says=says).compile().astream({"topic": "t"}, stream_mode="messages")
    assert [chunk.content async for chunk, _ in stream] == ["hi"]
