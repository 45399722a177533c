"""`astream_events`: spans with what the graph streams among them, as much as was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from actors import ConfigError, entrypoint
from actors.errors import OptionError
from actors.event_look import EventFilter
from streaming import UnknownStreamModeError
from tests.actors.engine import chain, says

GRAPH = chain(a=says("a"), b=says("b")).compile(name="teller")


async def events(**options: Any) -> list[tuple[str, str, Any]]:
    stream = GRAPH.astream_events({"log": []}, **options)
    return [(e["event"], e["name"], e["data"]) async for e in stream]


async def test_what_the_graph_streams_is_among_its_events() -> None:
    chunks = [data for event, name, data in await events() if event == "on_chain_stream"]
    assert chunks == [
        {"chunk": {"log": ["a"]}},
        {"chunk": {"a": {"log": ["a"]}}},
        {"chunk": {"log": ["b"]}},
        {"chunk": {"b": {"log": ["b"]}}},
    ]


async def test_it_streams_in_the_modes_that_are_asked_for() -> None:
    shown = await events(stream_mode=["values"], include_names=["teller"])
    assert [data.get("chunk") for _, _, data in shown[1:-1]] == [
        ("values", {"log": []}),
        ("values", {"log": ["a"]}),
        ("values", {"log": ["a", "b"]}),
    ]


async def test_events_as_a_mode_adds_nothing() -> None:
    assert len(await events(stream_mode="events")) == 8


def test_the_sync_door_gives_the_same_events() -> None:
    shown = [event["event"] for event in GRAPH.stream_events({"log": []})]
    assert shown[0] == "on_chain_start"
    assert len(shown) == 10


async def test_a_dict_that_is_shown_is_the_readers_own() -> None:
    shown = [e async for e in GRAPH.astream_events({"log": []}, {"tags": ["t"]})]
    streamed = [e for e in shown if e["name"] == "teller"]
    streamed[0]["tags"].append("mine")
    streamed[1]["metadata"]["mine"] = 1
    assert [e["tags"] for e in streamed[1:]] == [["t"]] * 3
    assert "mine" not in streamed[2]["metadata"]


async def test_an_entrypoint_has_events_too() -> None:
    @entrypoint()
    async def double(n: int) -> int:
        return 2 * n

    shown = [(e["event"], e["data"]) async for e in double.astream_events(2)]
    assert shown[-1] == ("on_chain_end", {"output": 4})


async def test_leaving_the_loop_ends_the_run() -> None:
    stream = GRAPH.astream_events({"log": []})
    async for _ in stream:
        break
    await stream.aclose()
    assert [e async for e in stream] == []


async def test_what_is_printed_is_given_too(capsys: pytest.CaptureFixture[str]) -> None:
    shown = await events(print_mode="updates")
    assert len(shown) == 10
    assert capsys.readouterr().out.count("[updates]") == 2


EVENT = {"event": "on_chat_model_start", "name": "gpt", "tags": ["joke"]}


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [
        ({}, True),
        ({"include_types": ["chat_model"]}, True),
        ({"include_types": ["tool"]}, False),
        ({"include_types": ["tool"], "include_tags": ["joke"]}, True),
        ({"include_names": []}, False),
        ({"exclude_names": ["gpt"]}, False),
        ({"exclude_tags": ["joke"], "include_names": ["gpt"]}, False),
        ({"exclude_types": ["chat"], "exclude_tags": ["other"]}, True),
    ],
)
def test_a_filter_keeps_what_fits_one_include_and_no_exclude(wanted: Any, kept: bool) -> None:
    assert EventFilter(**wanted).keeps(EVENT) is kept


def test_wrong_arguments_are_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="version='v1'"):
        GRAPH.astream_events({"log": []}, version="v1")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ConfigError, match="include_names='a' is one string"):
        GRAPH.astream_events({"log": []}, include_names="a")
    with pytest.raises(UnknownStreamModeError):
        GRAPH.astream_events({"log": []}, stream_mode="no")  # pyright: ignore[reportArgumentType]
    with pytest.raises(OptionError, match="include_name"):
        GRAPH.astream_events({"log": []}, include_name=["a"])  # pyright: ignore[reportCallIssue]
