"""The library examples of the streaming guide: they print what the guide says they print."""

import asyncio
from typing import Any

import pytest

from .graphs import (
    any_model_graph,
    async_talking_graph,
    card_graph,
    joke_graph,
    joke_graph_with_inferred_names,
    nested_graph,
    progress_graph,
    talking_joke_graph,
)

ICE_CREAM = {"topic": "ice cream"}
JOKE = "This is a joke about ice cream and cats"
UPDATES = [{"refine_topic": {"topic": "ice cream and cats"}}, {"generate_joke": {"joke": JOKE}}]
VALUES = [
    {"topic": "ice cream"},
    {"topic": "ice cream and cats"},
    {"topic": "ice cream and cats", "joke": JOKE},
]
PROGRESS = [
    {"status": "Starting processing"},
    {"progress": 50, "message": "Halfway done"},
    {"status": "Processing complete"},
]
both_ways_to_name = pytest.mark.parametrize(
    "build", [joke_graph, joke_graph_with_inferred_names], ids=lambda build: build.__name__
)


async def collect(stream: Any) -> list[Any]:
    return [chunk async for chunk in stream]


@both_ways_to_name
def test_updates_show_what_each_node_changed(build: Any) -> None:
    assert list(build().stream(ICE_CREAM, stream_mode="updates")) == UPDATES


@both_ways_to_name
async def test_updates_are_the_same_through_the_async_door(build: Any) -> None:
    assert await collect(build().astream(ICE_CREAM, stream_mode="updates")) == UPDATES


@both_ways_to_name
def test_values_show_the_whole_state_after_each_step(build: Any) -> None:
    assert list(build().stream(ICE_CREAM, stream_mode="values")) == VALUES


def test_updates_are_streamed_when_no_mode_is_named() -> None:
    assert list(joke_graph().stream(ICE_CREAM)) == UPDATES


def test_invoke_returns_the_last_values() -> None:
    assert joke_graph().invoke(ICE_CREAM) == VALUES[-1]


def test_custom_shows_what_a_node_wrote_verbatim() -> None:
    assert list(progress_graph().stream({"query": "example"}, stream_mode="custom")) == PROGRESS


async def test_custom_is_the_same_through_the_async_door() -> None:
    stream = progress_graph().astream({"query": "example"}, stream_mode="custom")
    assert await collect(stream) == PROGRESS


async def test_any_model_can_be_streamed_through_custom() -> None:
    tokens = ["pots", ", ", "pans"]
    stream = any_model_graph(tokens).astream({"query": "kitchen"}, stream_mode="custom")
    assert [chunk["content"] async for chunk in stream if "content" in chunk] == tokens


def test_a_list_of_modes_gives_pairs_in_the_order_of_events() -> None:
    stream = talking_joke_graph().stream(ICE_CREAM, stream_mode=["updates", "custom"])
    assert list(stream) == [
        ("updates", UPDATES[0]),
        ("custom", {"custom_key": "Writing custom data while generating a joke"}),
        ("custom", {"progress": "50%"}),
        ("custom", {"progress": "100%"}),
        ("updates", UPDATES[1]),
    ]


async def test_a_writer_parameter_works_in_an_async_node() -> None:
    stream = async_talking_graph().astream(ICE_CREAM, stream_mode="custom")
    assert await collect(stream) == [
        {"custom_key": "Streaming custom data while generating a joke"}
    ]


def test_an_async_node_works_through_the_sync_door_too() -> None:
    stream = async_talking_graph().stream(ICE_CREAM, stream_mode="custom")
    assert list(stream) == [{"custom_key": "Streaming custom data while generating a joke"}]


def test_subgraph_chunks_name_the_graph_they_come_from() -> None:
    chunks = list(nested_graph().stream({"foo": "foo"}, stream_mode="updates", subgraphs=True))
    (inner,) = chunks[1][0]
    assert inner.startswith("node_2:")
    assert chunks == [
        ((), {"node_1": {"foo": "hi! foo"}}),
        ((inner,), {"subgraph_node_1": {"bar": "bar"}}),
        ((inner,), {"subgraph_node_2": {"foo": "hi! foobar"}}),
        ((), {"node_2": {"foo": "hi! foobar"}}),
    ]


def test_without_subgraphs_only_the_parent_is_seen() -> None:
    assert list(nested_graph().stream({"foo": "foo"}, stream_mode="updates")) == [
        {"node_1": {"foo": "hi! foo"}},
        {"node_2": {"foo": "hi! foobar"}},
    ]


def test_debug_shows_every_task_and_its_result() -> None:
    chunks = list(joke_graph().stream(ICE_CREAM, stream_mode="debug"))
    first, second = chunks[0]["payload"]["id"], chunks[2]["payload"]["id"]
    assert first != second
    assert [{k: v for k, v in chunk.items() if k != "timestamp"} for chunk in chunks] == [
        {"step": 1, "type": "task", "payload": task(first, "refine_topic", ICE_CREAM)},
        {"step": 1, "type": "task_result", "payload": end(first, "refine_topic", VALUES[1])},
        {"step": 2, "type": "task", "payload": task(second, "generate_joke", VALUES[1])},
        {"step": 2, "type": "task_result", "payload": end(second, "generate_joke", {"joke": JOKE})},
    ]
    assert sorted(chunk["timestamp"] for chunk in chunks) == [c["timestamp"] for c in chunks]


def task(task_id: str, name: str, given: dict[str, Any]) -> dict[str, Any]:
    return {"id": task_id, "name": name, "input": given, "triggers": (f"branch:to:{name}",)}


def end(task_id: str, name: str, result: dict[str, Any]) -> dict[str, Any]:
    return {"id": task_id, "name": name, "error": None, "result": result, "interrupts": []}


def test_a_dataclass_state_reaches_the_node_as_an_instance() -> None:
    assert list(card_graph().stream(ICE_CREAM, stream_mode="updates")) == [
        {"call_model": {"joke": "A joke about ice cream"}}
    ]
    assert card_graph().invoke(ICE_CREAM) == {
        "topic": "ice cream",
        "joke": "A joke about ice cream",
    }


def test_the_guide_runs_inside_one_event_loop_as_well() -> None:
    async def both() -> list[Any]:
        return await collect(joke_graph().astream(ICE_CREAM, stream_mode="values"))

    assert asyncio.run(both()) == VALUES
