from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent_server.frames import FrameCache, Frames, encode, encode_gap
from agent_server.records import WireMode
from streaming import (
    Attempt,
    Custom,
    Event,
    Gap,
    MessageChunk,
    RunStarted,
    StepCommitted,
    TaskFailed,
    TaskFinished,
    Token,
    Withdrawn,
)
from tests.agent_server.harness import chats, graphs
from tests.agent_server.lib_streams import (
    Frame,
    engine,
    events_of,
    frames_in,
    names_of,
    shown,
    started,
)

GRAPHS: dict[str, tuple[Any, dict[str, Any]]] = {
    "agent": (graphs.agent, {"topic": "ice cream"}),
    "sub": (graphs.sub, {"foo": "foo"}),
    "custom": (graphs.custom, {"query": "q"}),
    "hitl": (graphs.hitl, {"text": "a"}),
    "fail": (graphs.fail, {"topic": "x"}),
    "chat": (chats.chat, {"messages": [{"role": "user", "content": "hi"}]}),
    "plain": (chats.plain, {"messages": [{"role": "user", "content": "hi"}]}),
}

# Names of the events that the server which clients know sends for a run on a thread.
NAMES: list[tuple[str, tuple[WireMode, ...], list[str]]] = [
    ("agent", ("values",), ["values"] * 3),
    ("agent", ("updates",), ["updates"] * 2),
    ("agent", ("tasks",), ["tasks"] * 4),
    ("agent", ("checkpoints",), ["checkpoints"] * 4),
    ("agent", ("debug",), ["debug"] * 8),
    ("agent", ("messages-tuple",), []),
    (
        "custom",
        ("values", "updates", "custom", "tasks"),
        ["values", "tasks", "custom", "custom", "custom", "updates", "tasks", "values"],
    ),
    ("hitl", ("updates",), ["updates"] * 2),
    ("hitl", ("values", "updates"), ["values", "updates", "values", "updates", "values"]),
    ("fail", ("values", "debug"), ["debug", "values", *["debug"] * 3, "values", *["debug"] * 3]),
    ("chat", ("messages",), ["messages/metadata", *["messages/partial"] * 7]),
    ("chat", ("messages-tuple",), ["messages"] * 7),
    ("chat", ("messages", "messages-tuple"), ["messages"] * 7),
    ("plain", ("messages",), ["messages/metadata", "messages/complete"]),
    ("plain", ("messages-tuple",), ["messages"]),
]


async def run_events(name: str, tmp_path: Path, stream_mode: tuple[Any, ...]) -> list[Event]:
    graph, given = GRAPHS[name]
    async with engine(tmp_path / "run.db") as (system, saver):
        _, run = await started(system, graph, given, saver=saver, stream_mode=stream_mode)
        return await events_of(run.log)


class TestRunsOfGraphs:
    @pytest.mark.parametrize(("name", "modes", "names"), NAMES)
    async def test_events_have_the_names_and_the_order_that_clients_know(
        self, name: str, modes: tuple[WireMode, ...], names: list[str], tmp_path: Path
    ) -> None:
        events = await run_events(name, tmp_path, ("messages",))
        assert names_of(shown(events, *modes)) == ["metadata", *names]

    async def test_ids_strictly_increase_and_each_frame_has_one(self, tmp_path: Path) -> None:
        events = await run_events("chat", tmp_path, ("messages", "events"))
        for modes in (("values", "updates", "messages", "debug"), ("messages-tuple", "events")):
            ids = [frame.id for frame in shown(events, *modes)]
            assert None not in ids
            assert ids == sorted(set(ids))  # type: ignore[type-var]

    async def test_with_subgraphs_names_tell_the_namespace(self, tmp_path: Path) -> None:
        events = await run_events("sub", tmp_path, ("values",))
        inner = ["values|node_2", "updates|node_2"]
        names = ["metadata", "values", "updates", "values"]
        assert names_of(shown(events, "values", "updates", subgraphs=True)) == [
            *names,
            *[*inner, *inner, inner[0]],
            *["updates", "values"],
        ]
        assert names_of(shown(events, "values", "updates")) == [*names, "updates", "values"]

    async def test_data_is_what_clients_know(self, tmp_path: Path) -> None:
        events = await run_events("hitl", tmp_path, ("values",))
        last = shown(events, "values")[-1].data
        [asked] = last.pop("__interrupt__")
        assert last == {"text": "a!"}
        assert list(asked) == ["value", "id", "response_schema"]
        assert asked["value"] == {"question": "ok?", "text": "a!"}

    async def test_debug_tells_the_places_of_checkpoints(self, tmp_path: Path) -> None:
        events = await run_events("sub", tmp_path, ("values",))
        payloads = [
            frame.data["payload"]
            for frame in shown(events, "debug", subgraphs=True)
            if frame.name.startswith("debug") and frame.data["type"] == "checkpoint"
        ]
        assert list(payloads[0])[-2:] == ["checkpoint", "parent_checkpoint"]
        assert payloads[0]["parent_checkpoint"] is None
        assert list(payloads[1]["checkpoint"]) == ["checkpoint_id", "thread_id", "checkpoint_ns"]
        inner = next(p for p in payloads if p["checkpoint"]["checkpoint_ns"])
        assert "checkpoint_map" in inner["checkpoint"]
        task = next(t for p in payloads for t in p["tasks"] if t["name"] == "node_2")
        assert list(task) == ["id", "name", "interrupts", "checkpoint"]

    async def test_a_failed_task_tells_the_class_and_the_message(self, tmp_path: Path) -> None:
        events = await run_events("fail", tmp_path, ("values",))
        told = {"error": "ValueError", "message": "boom: x"}
        assert shown(events, "tasks")[-1].data["error"] == told
        assert shown(events, "debug")[-1].data["payload"]["error"] == told

    async def test_partial_messages_grow_and_metadata_comes_once(self, tmp_path: Path) -> None:
        events = await run_events("chat", tmp_path, ("messages",))
        _, metadata, *partial = shown(events, "messages")
        assert metadata.data["ai-1"]["metadata"]["langgraph_node"] == "call_model"
        [whole] = partial[-1].data
        assert whole["content"] == "Hello there, human friend"
        assert whole["type"] == "ai"
        assert "tool_call_chunks" not in whole
        sizes = [len(frame.data[0]["content"]) for frame in partial]
        assert sizes == sorted(set(sizes))


class TestReadingOn:
    async def test_after_any_id_comes_what_was_after_it(self, tmp_path: Path) -> None:
        events = await run_events("chat", tmp_path, ("messages", "events"))
        for modes in (("values", "updates", "messages", "debug"), ("messages-tuple", "tasks")):
            everything = shown(events, *modes)
            for at, frame in enumerate(everything):
                assert shown(events, *modes, after=frame.id) == everything[at + 1 :]

    async def test_only_messages_need_what_was_before(self) -> None:
        assert Frames("run", ["messages"], FrameCache()).from_the_start
        assert not Frames("run", ["messages-tuple", "values"], FrameCache()).from_the_start

    def test_the_beginning_may_go_untold_but_another_attempt_is_always_announced(self) -> None:
        events = [RunStarted(id=1, run_id="run-1"), Attempt(id=2, number=2)]
        assert shown(events, "values", metadata=False) == [
            Frame("metadata", {"run_id": "run-1", "attempt": 2}, 16)
        ]
        assert shown(events, "values")[0].data == {"run_id": "run-1", "attempt": 1}


class TestEncodingOnce:
    def events(self) -> list[Event]:
        return [
            TaskFinished(id=1, task_id="t", name="n", update={"a": 1}, result={"a": 1}),
            Custom(id=2, data={"b": 2}),
            StepCommitted(id=3, values={"a": 1}, wrote=True),
        ]

    def test_readers_of_one_run_get_the_same_bytes(self) -> None:
        cache = FrameCache()
        modes: tuple[WireMode, ...] = ("updates",)
        one, two = (Frames("run", modes, cache) for _ in range(2))
        assert one.of(self.events()[0]) is two.of(self.events()[0])

    def test_a_name_with_a_namespace_is_not_mixed_up_with_one_without(self) -> None:
        cache = FrameCache()
        event = Custom(id=1, data=1, inside=("task:1",))
        bare, whole = (Frames("run", ["custom"], cache, subgraphs=s) for s in (False, True))
        assert frames_in(bare.of(event)) == [Frame("custom", 1, 11)]
        assert frames_in(whole.of(event)) == [Frame("custom|task:1", 1, 11)]
        assert frames_in(bare.of(event)) == [Frame("custom", 1, 11)]

    def test_the_cache_holds_the_youngest_up_to_its_bound(self) -> None:
        cache = FrameCache(max_bytes=10_000)
        for number in range(1_000):
            cache.put(number, b"x" * 100)
        held = [number for number in range(1_000) if cache.get(number) is not None]
        assert held == list(range(held[0], 1_000))
        assert 5_000 // 164 <= len(held) <= 10_000 // 164

    def test_values_are_asked_for_only_where_they_are_shown_and_not_made_yet(self) -> None:
        cache = FrameCache()
        stored = StepCommitted(id=3, values=None, wrote=True)
        values, updates = (Frames("run", [mode], cache) for mode in ("values", "updates"))  # type: ignore[list-item]
        assert values.lacks_values(stored)
        assert not updates.lacks_values(stored)
        assert not values.lacks_values(StepCommitted(id=4, values=None, wrote=False))
        assert not Frames("run", ["values"], cache, after=24).lacks_values(stored)
        values.of(self.events()[2])
        assert not values.lacks_values(stored)
        assert values.of(stored) == values.of(self.events()[2])


class TestTheWire:
    def test_a_frame_is_its_name_one_line_of_data_and_its_id(self) -> None:
        assert encode("custom", {"a": "ü\n"}, 11) == (
            'event: custom\r\ndata: {"a":"ü\\n"}\r\nid: 11\r\n\r\n'.encode()
        )
        assert encode("error", []) == b"event: error\r\ndata: []\r\n\r\n"

    def test_a_name_cannot_end_the_event(self) -> None:
        assert encode("updates|a\r\ndata: 1\n\n:b", 1).startswith(
            b"event: updates|a__data: 1__:b\r"
        )

    def test_a_value_that_cannot_be_shown_is_an_error_in_its_place(self) -> None:
        class Unshowable:
            def __str__(self) -> str:
                raise ValueError("not me")

        frames = shown([Custom(id=1, data=Unshowable()), Custom(id=2, data=2)], "custom")
        assert [frame.id for frame in frames] == [11, 19]
        assert frames[0].data["error"] == "UnshowableError"
        assert "raised ValueError: not me" in frames[0].data["message"]
        assert frames[1].data == 2

    def test_a_gap_tells_how_much_is_lost_and_where_to_go_on(self) -> None:
        assert frames_in(encode_gap(Gap(23, 2))) == [Frame("gap", {"lost": 2}, 23)]

    def test_what_shows_nothing_has_no_frame(self) -> None:
        assert shown([Withdrawn(id=1), Custom(id=2, ns=("s:1",), data=1)], "custom") == []

    def test_pieces_of_other_clients_have_the_form_of_langchains(self) -> None:
        call = {"name": "f", "args": '{"x":', "id": "c", "index": 0, "type": "tool_call_chunk"}
        rest = {"name": None, "args": "1}", "id": None, "index": 0, "type": "tool_call_chunk"}
        events = [
            Token(id=1, chunk=MessageChunk("He", "m", tool_call_chunks=(call,))),  # type: ignore[arg-type]
            Token(id=2, chunk=MessageChunk("y", "m", tool_call_chunks=(rest,))),  # type: ignore[arg-type]
        ]
        (message, metadata), _ = (frame.data for frame in shown(events, "messages-tuple"))
        assert message["type"] == "AIMessageChunk"
        assert message["tool_call_chunks"] == [call]
        assert metadata == {}
        partial = [frame.data[0] for frame in shown(events, "messages")[1:]]
        assert partial[0]["invalid_tool_calls"][0]["args"] == '{"x":'
        assert partial[1]["content"] == "Hey"
        assert partial[1]["tool_calls"] == [
            {"name": "f", "args": {"x": 1}, "id": "c", "type": "tool_call"}
        ]

    def test_a_whole_message_that_was_shown_in_a_subgraph_is_new_to_readers_of_the_root(
        self,
    ) -> None:
        event = Token(id=1, chunk=MessageChunk("x", "m"), seen_in=[("sub:1",)])
        assert len(shown([event], "messages-tuple")) == 1
        assert shown([event], "messages-tuple", subgraphs=True) == []

    def test_an_error_read_back_is_shown_as_it_was_live(self) -> None:
        def failed(error: Any) -> Any:
            return shown([TaskFailed(id=1, task_id="t", name="n", error=error)], "tasks")

        assert failed(ValueError("x")) == failed("ValueError('x')")
