from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent_server.errors import BadRequestError
from agent_server.protocol import Narrator, Notice
from agent_server.subscriptions import Filter, checked_channels
from streaming import Custom, Event, MessageChunk, RunFailed, StepCommitted, Token
from tests.agent_server.harness import chats, graphs
from tests.agent_server.lib_streams import engine, events_of, started


def told(events: list[Event]) -> list[Notice]:
    narrator = Narrator("run-1", "graph")
    return [notice for event in events for notice in narrator.tell(event)]


async def notices_of(path: Path, graph: Any, given: dict[str, Any]) -> list[Notice]:
    async with engine(path / "a.db") as (system, saver):
        _, run = await started(system, graph, given, saver=saver, stream_mode=("messages",))
        return told(await events_of(run.log))


def lives(notices: list[Notice]) -> list[str]:
    return [notice.data["event"] for notice in notices if notice.channel == "lifecycle"]


class TestTelling:
    async def test_a_run_is_told_from_its_beginning_to_its_end(self, tmp_path: Path) -> None:
        notices = await notices_of(tmp_path, graphs.agent, {"topic": "x"})
        wanted = Filter(frozenset({"values", "lifecycle"}))
        shown = [(n.method, n.data) for n in notices if wanted.wants(n)]
        assert shown == [
            ("lifecycle", {"event": "running", "graph_name": "graph"}),
            ("values", {"topic": "x"}),
            ("values", {"topic": "x and cats"}),
            ("values", {"topic": "x and cats", "joke": "This is a joke about x and cats"}),
            ("lifecycle", {"event": "completed", "graph_name": "graph"}),
        ]

    async def test_of_the_state_of_its_graph_only_what_it_gives_is_told(
        self, tmp_path: Path
    ) -> None:
        async with engine(tmp_path / "a.db") as (system, saver):
            _, run = await started(system, graphs.agent, {"topic": "x"}, saver=saver)
            events = await events_of(run.log)
        narrator = Narrator("run-1", "graph", ["joke"])
        told = [notice for event in events for notice in narrator.tell(event)]
        shown = [(n.channel, n.data) for n in told if n.channel in ("values", "updates")]
        joke = {"joke": "This is a joke about x and cats"}
        assert shown == [
            ("updates", {"refine_topic": None}),
            ("updates", {"generate_joke": joke}),
            ("values", joke),
        ]

    async def test_a_question_is_told_before_the_run_is_interrupted(self, tmp_path: Path) -> None:
        notices = await notices_of(tmp_path, graphs.hitl, {"text": "a"})
        asked = next(n for n in notices if n.channel == "input")
        assert asked.method == "input.requested"
        assert asked.data["payload"] == {"question": "ok?", "text": "a!"}
        assert len(asked.data["interrupt_id"]) == 32
        assert notices[-1].data["event"] == "interrupted"

    async def test_a_failure_is_told_with_its_message(self, tmp_path: Path) -> None:
        notices = await notices_of(tmp_path, graphs.fail, {"topic": "x"})
        assert notices[-1].data == {"event": "failed", "graph_name": "graph", "error": "boom: x"}

    def test_a_message_of_an_unknown_class_is_not_told(self) -> None:
        [notice] = told([RunFailed(id=1, error="SecretError", message="/keys/mine")])
        assert notice.data["error"] == "An internal error occurred"

    async def test_subgraphs_start_and_complete(self, tmp_path: Path) -> None:
        notices = await notices_of(tmp_path, graphs.sub, {"foo": "x"})
        assert lives(notices) == ["running", "started", "completed", "completed"]
        started_ = next(n for n in notices if n.data.get("event") == "started")
        assert started_.data["graph_name"] == "node_2"
        assert started_.data["namespace"] == list(started_.ns)
        assert started_.ns[0].endswith(started_.data["trigger_call_id"])

    async def test_messages_start_grow_and_finish(self, tmp_path: Path) -> None:
        given = {"messages": [{"role": "user", "content": "hi"}]}
        notices = await notices_of(tmp_path, chats.chat, given)
        said = [n.data for n in notices if n.channel == "messages"]
        assert [data["event"] for data in said] == [
            "message-start",
            "content-block-start",
            *["content-block-delta"] * 7,
            "content-block-finish",
            "message-finish",
        ]
        assert said[0] == {"event": "message-start", "role": "ai", "id": "ai-1"}
        text = "".join(d["delta"]["text"] for d in said if "delta" in d)
        assert said[-2]["content"] == {"type": "text", "text": text}
        assert text == "Hello there, human friend"

    def test_a_message_without_a_last_piece_ends_with_its_step(self) -> None:
        call = {"name": "f", "args": "{}", "id": "c", "index": 0, "type": "tool_call_chunk"}
        chunk = MessageChunk("a", "m", tool_call_chunks=(call,))  # type: ignore[arg-type]
        said = told([Token(id=1, chunk=chunk), StepCommitted(id=2, values={}, wrote=False)])
        assert [n.data["event"] for n in said][-2:] == ["content-block-finish", "message-finish"]
        assert said[-2].data["content"] == {"type": "tool_call", "id": "c", "name": "f", "args": {}}

    async def test_ids_of_notices_are_their_own_and_always_the_same(self, tmp_path: Path) -> None:
        async with engine(tmp_path / "a.db") as (system, saver):
            _, run = await started(system, graphs.sub, {"foo": "x"}, saver=saver)
            events = await events_of(run.log)
        ids = [notice.event_id for notice in told(events)]
        assert len(set(ids)) == len(ids)
        assert [notice.event_id for notice in told(events)] == ids

    def test_a_notice_is_sent_with_its_number(self) -> None:
        notice = Notice("input", "input.requested", ("a:1",), 1.5, {"x": 1}, "run:1.1")
        assert notice.numbered(7) == {
            "type": "event",
            "event_id": "run:1.1",
            "seq": 7,
            "method": "input.requested",
            "params": {"namespace": ["a:1"], "timestamp": 1500, "data": {"x": 1}},
        }


class TestFilters:
    def notice(self, ns: tuple[str, ...] = (), data: Any = 1) -> Notice:
        [notice, *_] = told([Custom(id=1, data=data)])
        return Notice("custom", "custom", ns, 0, notice.data, "")

    @pytest.mark.parametrize(
        ("given", "ns", "wanted"),
        [
            ({}, ("a:1", "b:2"), True),
            ({"depth": 0}, (), True),
            ({"depth": 0}, ("a:1",), False),
            ({"namespaces": [("a:1",)]}, ("a:1", "b:2"), True),
            ({"namespaces": [("a:1",)], "depth": 0}, ("a:1", "b:2"), False),
            ({"namespaces": [("a:1",)]}, (), False),
        ],
    )
    def test_namespaces_and_depth_choose(
        self, given: dict[str, Any], ns: tuple[str, ...], wanted: bool
    ) -> None:
        assert Filter(frozenset({"custom"}), **given).wants(self.notice(ns)) is wanted

    def test_named_custom_events_have_a_channel(self) -> None:
        named = Filter(frozenset({"custom:progress"}))
        assert named.wants(self.notice(data={"name": "progress"}))
        assert not named.wants(self.notice(data={"name": "other"}))
        assert not named.wants(self.notice(data=1))

    def test_channels_are_checked(self) -> None:
        assert checked_channels(["values", "custom:x"]) == {"values", "custom:x"}
        for given in (None, [], {}, "values"):
            with pytest.raises(BadRequestError, match="must be a non-empty array"):
                checked_channels(given)
        with pytest.raises(BadRequestError, match="unsupported entries: bogus, 1"):
            checked_channels(["bogus", 1])
