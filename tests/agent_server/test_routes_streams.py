from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, TypedDict

import pytest
from langgraph_sdk import get_client

from actors import START, StateGraph
from agent_server.app import create_app
from agent_server.settings import Settings
from checkpoint import new_id
from streaming import StreamWriter
from tests.agent_server.harness import graphs
from tests.agent_server.harness.gate import Gate
from tests.agent_server.harness.server import ServerProcess
from tests.agent_server.lib_streams import (
    Frame,
    Wire,
    frames_in,
    listening,
    names_of,
    next_frames,
    place_in,
    unchunked,
)

AGENT = {"assistant_id": "agent", "input": {"topic": "x"}}
FAIL = {"assistant_id": "fail", "input": {"topic": "x"}}
EVERYTHING = {"last_event_id": "-1"}


class Burst(TypedDict, total=False):
    count: int


def burst(state: Burst, writer: StreamWriter) -> dict[str, Any]:
    for number in range(state["count"]):
        writer({"number": number, "text": "x" * 200})
    return {}


GRAPHS = {
    "agent": graphs.agent,
    "sub": graphs.sub,
    "fail": graphs.fail,
    "slow": graphs.slow,
    "burst": StateGraph(Burst).add_node(burst).add_edge(START, "burst").compile(),
}


@pytest.fixture
async def port(tmp_path: Path) -> AsyncGenerator[int]:
    settings = Settings(database=tmp_path / "server.db", heartbeat=0.05)
    async with listening(create_app(GRAPHS, settings=settings)) as number:
        yield number


@pytest.fixture
async def wire(port: int) -> AsyncGenerator[Wire]:
    async with Wire(port) as client:
        yield client


async def waiting_run(
    wire: Wire, gate: Gate, **body: Any
) -> tuple[str, str, asyncio.StreamReader, Any]:
    """A run that waits in its first step: (path of its stream, thread, its stream, connection)."""
    thread = await wire.thread()
    order = {"assistant_id": "slow", "input": {"gate": gate.address, "log": []}, **body}
    head, reader, writer = await wire.ask("POST", f"/threads/{thread}/runs/stream", order)
    await gate.arrival()
    return place_in(head), thread, reader, writer


class TestStarting:
    async def test_a_stateless_run_is_streamed_and_told_where_it_is(self, wire: Wire) -> None:
        head, reader, _ = await wire.ask(
            "POST", "/runs/stream", {**AGENT, "stream_mode": "updates"}
        )
        frames = frames_in(await unchunked(reader))
        run_id = frames[0].data["run_id"]
        assert frames == [
            Frame("metadata", {"run_id": run_id, "attempt": 1}, frames[0].id),
            Frame("updates", {"refine_topic": {"topic": "x and cats"}}, frames[1].id),
            Frame(
                "updates",
                {"generate_joke": {"joke": "This is a joke about x and cats"}},
                frames[2].id,
            ),
        ]
        assert f"\r\nlocation: /runs/{run_id}/stream\r\n" in head
        assert f"\r\ncontent-location: /runs/{run_id}\r\n" in head
        for line in (
            "cache-control: no-store",
            "connection: keep-alive",
            "x-accel-buffering: no",
            "content-type: text/event-stream; charset=utf-8",
            "transfer-encoding: chunked",
        ):
            assert f"\r\n{line}\r\n" in head

    async def test_a_run_on_a_thread_is_told_where_it_is_with_its_thread(self, wire: Wire) -> None:
        thread = await wire.thread()
        head, reader, _ = await wire.ask("POST", f"/threads/{thread}/runs/stream", AGENT)
        frames = frames_in(await unchunked(reader))
        run = f"/threads/{thread}/runs/{frames[0].data['run_id']}"
        assert f"\r\nlocation: {run}/stream\r\n" in head
        assert f"\r\ncontent-location: {run}\r\n" in head
        assert names_of(frames) == ["metadata", "values", "values", "values"]

    async def test_when_the_stream_ends_the_row_says_how(self, wire: Wire) -> None:
        thread = await wire.thread()
        for order, status in ((AGENT, "success"), (FAIL, "error")):
            frames = await wire.stream("POST", f"/threads/{thread}/runs/stream", order)
            run_id = frames[0].data["run_id"]
            run = await wire.json("GET", f"/threads/{thread}/runs/{run_id}")
            assert run["status"] == status

    async def test_subgraphs_are_named(self, wire: Wire) -> None:
        order = {"assistant_id": "sub", "input": {"foo": "foo"}, "stream_mode": "updates"}
        frames = await wire.stream("POST", "/runs/stream", {**order, "stream_subgraphs": True})
        assert "updates|node_2" in names_of(frames)

    @pytest.mark.parametrize(
        ("path", "body", "status"),
        [
            ("/runs/stream", {**AGENT, "stream_mode": "bogus"}, 422),
            ("/runs/stream", {"input": {}}, 422),
            ("/runs/stream", {**AGENT, "assistant_id": "nobody"}, 422),
            ("/threads/nonsense/runs/stream", AGENT, 422),
            ("/threads/01a1fb68-5b61-71b0-b7bb-f82c3d9ebc67/runs/stream", AGENT, 404),
        ],
    )
    async def test_what_cannot_be_is_refused(
        self, wire: Wire, path: str, body: Any, status: int
    ) -> None:
        answer = await wire.json("POST", path, body)
        assert answer["status"] == status
        assert isinstance(answer["detail"], str)


class TestJoining:
    async def test_the_run_is_read_on_from_any_event(self, wire: Wire) -> None:
        thread = await wire.thread()
        order = {**FAIL, "stream_mode": ["values", "updates"]}
        head, reader, _ = await wire.ask("POST", f"/threads/{thread}/runs/stream", order)
        frames = frames_in(await unchunked(reader))
        assert names_of(frames)[-1] == "error"
        where = place_in(head)
        assert await wire.stream("GET", where, **EVERYTHING) == frames
        for at, frame in enumerate(frames, 1):
            assert await wire.stream("GET", where, last_event_id=str(frame.id)) == frames[at:]

    @pytest.mark.parametrize(
        "order",
        [{"interrupt_before": ["nope"]}, {"checkpoint_id": new_id(), "input": None}],
        ids=["no such node", "no such checkpoint"],
    )
    async def test_a_run_that_fails_before_it_begins_is_read_again_as_it_was(
        self, wire: Wire, order: dict[str, Any]
    ) -> None:
        thread = await wire.thread()
        path = f"/threads/{thread}/runs/stream"
        head, reader, _ = await wire.ask("POST", path, {**AGENT, **order})
        frames = frames_in(await unchunked(reader))
        assert names_of(frames) == ["metadata", "error"]
        assert await wire.stream("GET", place_in(head)) == frames[1:]
        assert await wire.stream("GET", place_in(head), **EVERYTHING) == frames
        for at, frame in enumerate(frames, 1):
            assert (
                await wire.stream("GET", place_in(head), last_event_id=str(frame.id)) == frames[at:]
            )

    async def test_a_run_that_was_cancelled_before_its_turn_has_told_nothing(
        self, wire: Wire
    ) -> None:
        async with Gate() as gate:
            _, thread, reader, _ = await waiting_run(wire, gate)
            second = await wire.json("POST", f"/threads/{thread}/runs", AGENT)
            where = f"/threads/{thread}/runs/{second['run_id']}"
            await wire.ask("POST", f"{where}/cancel")
            gate.open()
            await unchunked(reader)
        assert await wire.stream("GET", f"{where}/stream", **EVERYTHING) == []

    async def test_what_a_run_has_told_and_is_forgotten_is_not_there(self, tmp_path: Path) -> None:
        settings = Settings(database=tmp_path / "forgetful.db", retention=0)
        app = create_app(GRAPHS, settings=settings)
        async with listening(app) as port, Wire(port) as wire:
            thread = await wire.thread()
            for order in (AGENT, FAIL):
                path = f"/threads/{thread}/runs/stream"
                head, reader, _ = await wire.ask("POST", path, order)
                await unchunked(reader)
                await app.state.services.dispatcher.sweep()
                found = await wire.json("GET", place_in(head), **EVERYTHING)
                assert (found["status"], "not kept" in found["detail"]) == (404, True)

    async def test_a_plain_join_sees_what_comes_from_now_on(self, wire: Wire) -> None:
        async with Gate() as gate:
            where, _, reader, _ = await waiting_run(wire, gate, stream_mode="updates")
            _, joined, _ = await wire.ask("GET", where)
            gate.open()
            assert names_of(frames_in(await unchunked(joined))) == ["updates"] * 5
            assert names_of(frames_in(await unchunked(reader))) == ["metadata"] + ["updates"] * 5

    async def test_a_plain_join_after_the_end_sees_only_the_error(self, wire: Wire) -> None:
        thread = await wire.thread()
        for order, names in ((AGENT, []), (FAIL, ["error"])):
            head, reader, _ = await wire.ask("POST", f"/threads/{thread}/runs/stream", order)
            await unchunked(reader)
            assert names_of(await wire.stream("GET", place_in(head))) == names

    @pytest.mark.parametrize(
        "query",
        [
            "stream_mode=updates&stream_mode=custom",
            "stream_mode=%5B%22updates%22%2C%22custom%22%5D",
            "stream_mode=updates,custom",
            "stream_modes=updates,custom",
        ],
    )
    async def test_modes_are_chosen_in_every_form(self, wire: Wire, query: str) -> None:
        thread = await wire.thread()
        order = {"assistant_id": "slow", "input": {"delay": 0, "log": []}}
        head, reader, _ = await wire.ask("POST", f"/threads/{thread}/runs/stream", order)
        await unchunked(reader)
        frames = await wire.stream("GET", f"{place_in(head)}?{query}", **EVERYTHING)
        assert names_of(frames) == ["custom", "updates"] * 5

    async def test_a_stateless_run_can_be_joined_where_it_says_it_is(self, wire: Wire) -> None:
        async with Gate() as gate:
            order = {"assistant_id": "slow", "input": {"gate": gate.address, "log": []}}
            head, reader, _ = await wire.ask("POST", "/runs/stream", order)
            await gate.arrival()
            _, joined, _ = await wire.ask("GET", place_in(head), **EVERYTHING)
            gate.open()
            assert frames_in(await unchunked(joined)) == frames_in(await unchunked(reader))
        again = await wire.stream("GET", place_in(head), **EVERYTHING)
        assert names_of(again) == ["metadata"] + ["values"] * 6

    async def test_a_hundred_get_the_same(self, wire: Wire) -> None:
        async with Gate() as gate:
            where, _, reader, _ = await waiting_run(wire, gate, stream_mode=["values", "custom"])
            asked = [wire.ask("GET", where, **EVERYTHING) for _ in range(100)]
            joined = [answer[1] for answer in await asyncio.gather(*asked)]
            gate.open()
            own = frames_in(await unchunked(reader))
            others = await asyncio.gather(*map(unchunked, joined))
        assert len(own) == 12
        assert all(frames_in(other) == own for other in others)

    @pytest.mark.parametrize(
        ("path", "headers", "status"),
        [
            ("/threads/{t}/runs/01a1fb68-5b61-71b0-b7bb-f82c3d9ebc67/stream", {}, 404),
            ("/runs/01a1fb68-5b61-71b0-b7bb-f82c3d9ebc67/stream", {}, 404),
            ("/threads/{t}/runs/nonsense/stream", {}, 422),
            ("/threads/{t}/runs/..%2f..%2fetc/stream", {}, 404),
            ("/threads/nonsense/runs/01a1fb68-5b61-71b0-b7bb-f82c3d9ebc67/stream", {}, 422),
            ("/runs/{r}/stream", {"last_event_id": "garbage"}, 422),
            ("/runs/{r}/stream?stream_mode=bogus", {}, 422),
            ("/runs/{r}/stream?cancel_on_disconnect=perhaps", {}, 422),
        ],
    )
    async def test_what_is_not_there_or_cannot_be_is_refused(
        self, wire: Wire, path: str, headers: dict[str, str], status: int
    ) -> None:
        thread = await wire.thread()
        [first, *_] = await wire.stream("POST", "/runs/stream", AGENT)
        where = path.format(t=thread, r=first.data["run_id"])
        answer = await wire.json("GET", where, **headers)
        assert answer["status"] == status

    async def test_a_run_of_another_thread_is_not_there(self, wire: Wire) -> None:
        thread, other = await wire.thread(), await wire.thread()
        [first, *_] = await wire.stream("POST", f"/threads/{thread}/runs/stream", AGENT)
        where = f"/threads/{other}/runs/{first.data['run_id']}/stream"
        assert (await wire.json("GET", where))["status"] == 404


class TestGoing:
    async def status_of(self, wire: Wire, where: str) -> str:
        """Of a run that has ended, or ends."""
        await wire.stream("GET", where)
        return (await wire.json("GET", where.removesuffix("/stream")))["status"]

    async def test_a_run_goes_on_without_its_reader(self, wire: Wire) -> None:
        async with Gate() as gate:
            where, _, _, connection = await waiting_run(wire, gate)
            connection.close()
            gate.open()
            assert await self.status_of(wire, where) == "success"

    async def test_one_that_is_to_go_with_its_reader_goes(self, wire: Wire) -> None:
        async with Gate() as gate:
            where, _, _, connection = await waiting_run(wire, gate, on_disconnect="cancel")
            connection.close()
            assert await self.status_of(wire, where) == "interrupted"

    @pytest.mark.parametrize("yes", ["true", "1"])
    async def test_it_goes_with_one_that_joined_if_that_is_asked(
        self, wire: Wire, yes: str
    ) -> None:
        async with Gate() as gate:
            where, *_ = await waiting_run(wire, gate)
            _, _, connection = await wire.ask("GET", f"{where}?cancel_on_disconnect={yes}")
            connection.close()
            assert await self.status_of(wire, where) == "interrupted"

    async def test_one_that_stops_reading_holds_up_nobody_and_finds_everything_later(
        self, wire: Wire
    ) -> None:
        thread = await wire.thread()
        order = {"assistant_id": "burst", "input": {"count": 20_000}, "stream_mode": "custom"}
        head, reader, _ = await wire.ask("POST", f"/threads/{thread}/runs/stream", order)
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        quick = await wire.stream("GET", place_in(head), **EVERYTHING)
        reader._transport.resume_reading()  # type: ignore[attr-defined]
        slow = frames_in(await unchunked(reader))
        assert slow == quick
        assert [frame.data["number"] for frame in slow[1:]] == list(range(20_000))

    async def test_signs_of_life_come_while_nothing_happens(self, wire: Wire) -> None:
        async with Gate() as gate:
            _, _, reader, _ = await waiting_run(wire, gate)
            for _ in range(2):
                await reader.readuntil(b": heartbeat\r\n")


class TestTheRealClient:
    async def test_it_streams_and_joins(self, port: int) -> None:
        modes: Any = ["updates", "values"]
        created: list[str] = []
        async with get_client(url=f"http://127.0.0.1:{port}") as client:
            thread = (await client.threads.create())["thread_id"]
            streamed = client.runs.stream(
                thread,
                "agent",
                input={"topic": "x"},
                stream_mode=modes,
                on_run_created=lambda run: created.append(run["run_id"]),
            )
            parts = [(part.event, part.data) async for part in streamed]
            joined = client.runs.join_stream(
                thread, created[0], stream_mode=modes, last_event_id="-1"
            )
            assert [(part.event, part.data) async for part in joined] == parts[1:]
        assert [name for name, _ in parts[1:]] == ["values", *["updates", "values"] * 2]


class TestRestarts:
    async def test_what_was_seen_before_a_kill_is_not_seen_again_and_nothing_is_missed(
        self, tmp_path: Path
    ) -> None:
        async with (
            Gate() as gate,
            ServerProcess(tmp_path / "server.db") as server,
            AsyncExitStack() as stack,
        ):
            wire = await stack.enter_async_context(Wire(int(server.url.rpartition(":")[2])))
            modes = ["updates", "values"]
            where, _, reader, _ = await waiting_run(wire, gate, stream_mode=modes)
            gate.let_on()
            assert await gate.arrival() == "step2"
            seen: list[Frame] = []
            while names_of(seen)[-2:] != ["updates", "values"]:
                seen += await next_frames(reader)
            await server.kill()
            gate.open()
            await server.restart()
            rest = await wire.stream("GET", where, last_event_id=str(seen[-1].id))
            everything = await wire.stream("GET", where, **EVERYTHING)
        assert rest[0].name == "metadata"
        assert rest[0].data["attempt"] == 2
        assert seen + rest == everything
        done = [name for frame in everything if frame.name == "updates" for name in frame.data]
        assert done == [f"step{number}" for number in range(1, 6)]
        ids = [frame.id for frame in everything]
        assert ids == sorted(set(ids))  # type: ignore[type-var]
