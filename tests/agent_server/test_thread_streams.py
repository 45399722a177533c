from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from agent_server.app import create_app
from agent_server.errors import InvalidError
from agent_server.orders import RunBody, run_from
from agent_server.readers import STOPPING
from agent_server.settings import Settings
from agent_server.thread_streams import ThreadPlace, ThreadReader, thread_place
from tests.agent_server.harness import graphs
from tests.agent_server.harness.gate import Gate
from tests.agent_server.lib_streams import Wire, listening, unchunked
from tests.agent_server.stage import assistant_of

GRAPHS = {"agent": graphs.agent, "fail": graphs.fail, "slow": graphs.slow}
AGENT = {"assistant_id": "agent", "input": {"topic": "x"}, "stream_mode": "updates"}
RUN = ["metadata", "updates", "updates", "metadata"]


@pytest.fixture
async def wire(tmp_path: Path) -> AsyncGenerator[Wire]:
    settings = Settings(database=tmp_path / "server.db", heartbeat=100)
    async with listening(create_app(GRAPHS, settings=settings)) as port, Wire(port) as client:
        yield client


class Following:
    """A thread's stream, read as it comes."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self.ids: list[str] = []
        self.names: list[str] = []

    async def read(self, count: int) -> list[str]:
        """The names of the next events; their ids go to `ids`."""
        names: list[str] = []
        while len(names) < count:
            size = int(await self._reader.readline(), 16)
            chunk = (await self._reader.readexactly(size + 2)).decode()
            names += re.findall(r"^event: (.*)\r$", chunk, re.MULTILINE)
            self.ids += re.findall(r"^id: (.*)\r$", chunk, re.MULTILINE)
        self.names += names
        return names


async def follow(wire: Wire, thread: str, query: str = "", **headers: str) -> Following:
    head, reader, _ = await wire.ask("GET", f"/threads/{thread}/stream{query}", **headers)
    assert head.startswith("HTTP/1.1 200"), head
    return Following(reader)


async def run(wire: Wire, thread: str, body: Any = AGENT) -> None:
    await wire.stream("POST", f"/threads/{thread}/runs/stream", body)


class TestFollowing:
    async def test_runs_come_one_after_another_each_with_its_end(self, wire: Wire) -> None:
        thread = await wire.thread()
        following = await follow(wire, thread)
        await run(wire, thread)
        await run(wire, thread)
        assert await following.read(8) == RUN * 2
        places = [thread_place(text) for text in following.ids]
        assert len(places) == 8
        assert places == sorted(set(places), key=lambda p: (p.moment, p.number))  # type: ignore[union-attr]

    async def test_what_came_before_is_left_out_but_a_run_that_goes_on_is_followed(
        self, wire: Wire
    ) -> None:
        thread = await wire.thread()
        await run(wire, thread)
        async with Gate() as gate:
            order = {"assistant_id": "slow", "input": {"gate": gate.address, "log": []}}
            updates = {**order, "stream_mode": "updates"}
            await wire.ask("POST", f"/threads/{thread}/runs/stream", updates)
            await gate.arrival()
            following = await follow(wire, thread)
            gate.open()
            assert await following.read(6) == ["updates"] * 5 + ["metadata"]

    async def test_the_thread_is_read_on_from_any_event(self, wire: Wire) -> None:
        thread = await wire.thread()
        for order in (AGENT, {**AGENT, "assistant_id": "fail"}):
            await run(wire, thread, order)
        whole = await follow(wire, thread, last_event_id="0-0")
        names = await whole.read(8)
        assert names == [*RUN, "metadata", "updates", "error", "metadata"]
        for at, place in enumerate(whole.ids[:-1], 1):
            rest = await follow(wire, thread, last_event_id=place)
            assert await rest.read(8 - at) == names[at:]
            assert rest.ids == whole.ids[at:]

    async def test_lifecycle_shows_beginnings_and_ends(self, wire: Wire) -> None:
        thread = await wire.thread()
        await run(wire, thread)
        for query in ("?stream_modes=lifecycle", "?stream_mode=lifecycle"):
            following = await follow(wire, thread, query, last_event_id="-")
            await following.read(2)
            assert following.names == ["metadata", "metadata"]

    async def test_what_is_written_to_the_state_is_shown(self, wire: Wire) -> None:
        thread = await wire.thread()
        await run(wire, thread)
        following = await follow(wire, thread, "?stream_modes=state_update")
        await wire.json("POST", f"/threads/{thread}/state", {"values": {"topic": "new"}})
        assert await following.read(1) == ["state_update"]


@pytest.mark.parametrize("path", ["stream", "stream/events"])
async def test_who_follows_a_thread_follows_none_that_gets_its_id(wire: Wire, path: str) -> None:
    thread = await wire.thread()
    method, body = ("GET", None) if path == "stream" else ("POST", {"channels": ["values"]})
    _, reader, _ = await wire.ask(method, f"/threads/{thread}/{path}", body)
    await run(wire, thread)
    await wire.ask("DELETE", f"/threads/{thread}")
    await run(wire, thread, {**AGENT, "if_not_exists": "create", "input": {"topic": "another's"}})
    async with asyncio.timeout(10):
        told = await unchunked(reader)
    assert b"x and cats" in told
    assert b"another's" not in told


async def test_a_stop_of_the_server_is_told_once(tmp_path: Path) -> None:
    settings = Settings(database=tmp_path / "server.db", drain=0)
    app = create_app(GRAPHS, settings=settings)
    async with app.router.lifespan_context(app), Gate() as gate:
        services = app.state.services
        thread = (await services.threads.create(None)).thread_id
        body = RunBody(assistant_id="slow", input={"gate": gate.address, "log": []})
        order = run_from(body, assistant_of("slow"), thread_id=thread, now=services.clock())
        await services.dispatcher.accept(order)
        await gate.arrival()
        reader = await ThreadReader(services, thread, ["run_modes"], ThreadPlace(0, 0)).begin()
        first = await anext(reader)
        draining = asyncio.ensure_future(services.drain())
        async with asyncio.timeout(10):
            pieces = [first, *[piece async for piece in reader]]
            await draining
        assert pieces.count(STOPPING) == 1
        assert pieces[-1] == STOPPING
        assert not reader.whole


class TestBadInput:
    @pytest.mark.parametrize(
        ("path", "headers", "status"),
        [
            ("?stream_modes=zz", {}, 422),
            ("", {"last_event_id": "garbage"}, 422),
        ],
    )
    async def test_what_cannot_be_is_refused(
        self, wire: Wire, path: str, headers: dict[str, str], status: int
    ) -> None:
        thread = await wire.thread()
        answer = await wire.json("GET", f"/threads/{thread}/stream{path}", **headers)
        assert answer["status"] == status

    async def test_an_unknown_thread_is_not_there(self, wire: Wire) -> None:
        unknown = "01a1fb68-5b61-71b0-b7bb-f82c3d9ebc67"
        assert (await wire.json("GET", f"/threads/{unknown}/stream"))["status"] == 404

    def test_places_are_read(self) -> None:
        assert thread_place("12-34") == ThreadPlace(12, 34)
        assert thread_place("0-0") == thread_place("-") == ThreadPlace(0, 0)
        assert thread_place(None) is None
        with pytest.raises(InvalidError, match="no id of an event of a thread"):
            thread_place("12-34-56")
