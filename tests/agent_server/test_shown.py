"""What frames show of events, where it is not just what a stream mode shows."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any, TypedDict
from unittest.mock import ANY

import pytest
from pydantic import BaseModel

from actors import START, StateGraph, StreamWriter, interrupt
from tests.agent_server.harness import graphs
from tests.agent_server.lib_streams import frames_in
from tests.agent_server.serving import Serving, serving


class Shade(Enum):
    DARK = "dark"


class Size(BaseModel):
    days: date


@dataclass
class Box:
    shade: Shade
    size: Size


def say(state: dict[str, Any], writer: StreamWriter) -> dict[str, Any]:
    del state
    writer(Box(Shade.DARK, Size(days=date(2026, 1, 2))))
    writer([Shade.DARK, {Shade.DARK}, deque([b"x"])])
    return {}


saying = StateGraph(dict).add_node(say).add_edge(START, "say").compile()
SERVED = {"sub": graphs.sub, "saying": saying}
ALL = ["values", "updates", "tasks", "checkpoints", "debug", "custom"]


@pytest.mark.parametrize(("graph_id", "said"), [("sub", 0), ("saying", 2)])
async def test_a_replay_by_another_process_says_what_the_live_stream_said(
    graph_id: str, said: int, tmp_path: Path
) -> None:
    asked = {
        "assistant_id": graph_id,
        "input": {"foo": "a"},
        "stream_mode": ALL,
        "stream_subgraphs": True,
        "config": {"configurable": {"plain": 1, "nested": {"a": [1]}, "none": None, "list": []}},
    }
    async with serving(tmp_path, SERVED) as server:
        thread_id = (await server.ask("POST", "/threads", {}))["thread_id"]
        live = await server.http.post(f"/threads/{thread_id}/runs/stream", json=asked)
    async with serving(tmp_path, SERVED) as server:
        everything = {"last-event-id": "-1"}
        again = await server.http.get(live.headers["location"], headers=everything)
    assert len(frames_in(live.content)) > len(ALL)
    assert again.content == live.content
    assert _configurable(live.content)["plain"] == 1
    names = [frame.name for frame in frames_in(live.content)]
    assert (names.count("custom"), names.count("error")) == (said, 0)


def _configurable(stream: bytes) -> dict[str, Any]:
    shown = next(frame for frame in frames_in(stream) if frame.name == "checkpoints")
    return shown.data["config"]["configurable"]


class State(TypedDict, total=False):
    n: int


def choose(state: State) -> str:
    del state
    return "one"


def one(state: State) -> State:
    return {"n": state.get("n", 0) + 1}


choosing = StateGraph(State).add_node(one).add_conditional_edges(START, choose, ["one"])


async def names_and_kinds(server: Serving, graph_id: str, **more: Any) -> list[tuple[str, str]]:
    asked = {"assistant_id": graph_id, "input": {"n": 1}, "stream_mode": "events", **more}
    answer = await server.http.post("/runs/stream", json=asked)
    shown = [frame.data for frame in frames_in(answer.content) if frame.name == "events"]
    return [(data["name"], data["event"].removeprefix("on_chain_")) for data in shown]


async def test_events_name_a_graph_as_it_is_served_and_leave_out_what_is_hidden(
    tmp_path: Path,
) -> None:
    graphs = {"mine": choosing.compile(), "named": choosing.compile(name="Chooser")}
    async with serving(tmp_path, graphs) as server:
        inside = [("one", "start"), ("one", "stream"), ("one", "end")]
        whole = await names_and_kinds(server, "mine")
        assert whole == [("mine", "start"), *inside, ("mine", "end")]
        named = await names_and_kinds(server, "named")
        assert named[0] == ("Chooser", "start")
        asked = await names_and_kinds(server, "mine", config={"run_name": "tonight"})
        assert asked[0] == ("tonight", "start")


class Asked(TypedDict):
    question: str


class Answered(TypedDict):
    answer: str


class Everything(TypedDict, total=False):
    question: str
    answer: str
    key: str


def look_up(state: Asked) -> dict[str, Any]:
    return {"key": "secret of " + state["question"]}


def answer(state: Everything) -> dict[str, Any]:
    return {"answer": interrupt("ok?"), "key": "other secret"}


def narrow() -> Any:
    return (
        StateGraph(Everything, input_schema=Asked, output_schema=Answered)
        .add_node(look_up)
        .add_node(answer)
        .add_edge(START, "look_up")
        .add_edge("look_up", "answer")
        .compile()
    )


def narrow_factory() -> Any:
    return narrow()


@pytest.mark.parametrize("graph", [narrow(), narrow_factory], ids=["graph", "factory"])
async def test_values_and_updates_show_only_what_the_graph_gives_of_its_state(
    graph: Any, tmp_path: Path
) -> None:
    modes = ["values", "updates"]
    asked = {"assistant_id": "narrow", "stream_mode": modes, "input": {"question": "a"}}
    resumed = {"assistant_id": "narrow", "stream_mode": modes, "command": {"resume": "yes"}}
    async with serving(tmp_path, {"narrow": graph}) as server:
        thread_id = (await server.ask("POST", "/threads", {}))["thread_id"]
        runs = f"/threads/{thread_id}/runs"
        first = await server.http.post(f"{runs}/stream", json=asked)
        second = await server.http.post(f"{runs}/stream", json=resumed)
    async with serving(tmp_path, {"narrow": graph}) as server:
        everything = {"last-event-id": "-1"}
        again = await server.http.get(second.headers["location"], headers=everything)
    shown = [(frame.name, frame.data) for frame in frames_in(first.content + second.content)]
    asks = {"__interrupt__": [{"value": "ok?", "id": ANY, "response_schema": None}]}
    assert [each for each in shown if each[0] != "metadata"] == [
        ("updates", {"look_up": None}),
        ("updates", asks),
        ("values", asks),
        ("values", {}),
        ("updates", {"answer": {"answer": "yes"}}),
        ("values", {"answer": "yes"}),
    ]
    assert b"secret" not in first.content + second.content
    assert again.content == second.content
