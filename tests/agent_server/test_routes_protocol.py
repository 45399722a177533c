from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
from langgraph_sdk import get_client

from agent_server.app import create_app
from agent_server.settings import Settings
from checkpoint import new_id
from tests.agent_server.harness import graphs
from tests.agent_server.lib_streams import Wire, listening

GRAPHS = {"agent": graphs.agent, "hitl": graphs.hitl, "fail": graphs.fail}
CHANNELS = ["values", "lifecycle", "input"]
START = {"assistant_id": "agent", "input": {"topic": "x"}}


@pytest.fixture
async def port(tmp_path: Path) -> AsyncGenerator[int]:
    settings = Settings(database=tmp_path / "server.db", heartbeat=100)
    async with listening(create_app(GRAPHS, settings=settings)) as number:
        yield number


@pytest.fixture
async def wire(port: int) -> AsyncGenerator[Wire]:
    async with Wire(port) as client:
        yield client


async def command(wire: Wire, thread: str, method: str, **params: Any) -> Any:
    body = {"id": 1, "method": method, "params": params}
    answer = await wire.json("POST", f"/threads/{thread}/commands", body)
    assert answer.pop("status") == 200
    return answer


class Watching:
    """A thread's notices as they come."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def read(self, count: int) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while len(found) < count:
            size = int(await self._reader.readline(), 16)
            chunk = (await self._reader.readexactly(size + 2)).decode()
            lines = re.findall(r"^data: (.*)\r$", chunk, re.MULTILINE)
            found += [json.loads(line) for line in lines]
        return found


async def watch(wire: Wire, thread: str, **body: Any) -> Watching:
    given = {"channels": CHANNELS, **body}
    head, reader, _ = await wire.ask("POST", f"/threads/{thread}/stream/events", given)
    assert head.startswith("HTTP/1.1 200"), head
    return Watching(reader)


def methods(notices: list[dict[str, Any]]) -> list[str]:
    return [
        notice["params"]["data"]["event"] if notice["method"] == "lifecycle" else notice["method"]
        for notice in notices
    ]


class TestByHttp:
    async def test_a_run_makes_its_thread_and_is_told(self, wire: Wire) -> None:
        thread = new_id()
        answer = await command(wire, thread, "run.start", **START)
        assert answer["type"] == "success"
        assert answer["meta"] == {"applied_through_seq": 0}
        run_id = answer["result"]["run_id"]
        watching = await watch(wire, thread)
        notices = await watching.read(5)
        assert methods(notices) == ["running", "values", "values", "values", "completed"]
        assert all(notice["event_id"].startswith(run_id) for notice in notices)

    async def test_one_that_watches_sees_what_comes_and_may_come_back(self, wire: Wire) -> None:
        thread = await wire.thread()
        watching = await watch(wire, thread)
        for _ in range(2):
            await command(wire, thread, "run.start", **START)
        notices = await watching.read(10)
        numbers = [notice["seq"] for notice in notices]
        assert numbers == sorted(set(numbers))
        for at in (1, 5, 9):
            again = await watch(wire, thread, since=numbers[at - 1])
            assert await again.read(10 - at) == notices[at:]

    async def test_a_question_is_answered(self, wire: Wire) -> None:
        thread = await wire.thread()
        watching = await watch(wire, thread)
        given = {"assistant_id": "hitl", "input": {"text": "a"}}
        await command(wire, thread, "run.start", **given)
        notices = await watching.read(5)
        assert methods(notices) == ["running", "values", "values", "input.requested", "interrupted"]
        asked = notices[3]["params"]["data"]["interrupt_id"]
        run = notices[0]["event_id"].partition(":")[0]
        await wire.stream("GET", f"/threads/{thread}/runs/{run}/stream")
        wrong = await command(wire, thread, "input.respond", interrupt_id="x", response="no")
        assert wrong["error"] == "not_found"
        right = await command(wire, thread, "input.respond", interrupt_id=asked, response="yes")
        assert right["result"] == {}
        rest = await watching.read(5)
        assert methods(rest)[-1] == "completed"
        assert rest[-2]["params"]["data"]["approved"] == "yes"

    async def test_a_failure_is_told(self, wire: Wire) -> None:
        thread = await wire.thread()
        await command(wire, thread, "run.start", **{**START, "assistant_id": "fail"})
        notices = await (await watch(wire, thread)).read(4)
        assert notices[-1]["params"]["data"]["error"] == "boom: x"

    @pytest.mark.parametrize(
        ("method", "params", "code"),
        [
            ("nope", {}, "unknown_command"),
            ("state.get", {}, "unknown_command"),
            ("agent.getTree", {}, "not_found"),
            ("run.start", {}, "invalid_argument"),
            ("run.start", {**START, "assistant_id": "nobody"}, "invalid_argument"),
            ("subscription.subscribe", {"channels": ["bogus"]}, "invalid_argument"),
        ],
    )
    async def test_a_command_that_cannot_be_is_refused(
        self, wire: Wire, method: str, params: dict[str, Any], code: str
    ) -> None:
        answer = await command(wire, await wire.thread(), method, **params)
        assert (answer["type"], answer["id"], answer["error"]) == ("error", 1, code)

    @pytest.mark.parametrize("body", [{"method": "x"}, {"id": "1", "method": "x"}, [], None])
    async def test_what_is_no_command_is_refused(self, wire: Wire, body: Any) -> None:
        path = f"/threads/{await wire.thread()}/commands"
        answer = await wire.json("POST", path, body if body is not None else {})
        assert answer["status"] == 400
        assert answer["error"] == "invalid_argument"

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"channels": ["bogus"]},
            {"channels": ["values"], "since": "x"},
            {"channels": ["values"], "depth": -1},
            {"channels": ["values"], "namespaces": [1]},
        ],
    )
    async def test_what_cannot_be_watched_is_refused(self, wire: Wire, body: Any) -> None:
        path = f"/threads/{await wire.thread()}/stream/events"
        answer = await wire.json("POST", path, body)
        assert answer["status"] == 400


class TestTheRealClient:
    async def test_a_run_is_followed_interrupted_answered_and_ended(self, port: int) -> None:
        async with (
            asyncio.timeout(20),
            get_client(url=f"http://127.0.0.1:{port}") as client,
            client.threads.stream(assistant_id="hitl") as stream,
        ):
            await stream.run.start(input={"text": "a"})
            before = [values async for values in stream.values]
            assert before[-1] == {"text": "a!"}
            [asked] = stream.interrupts
            assert asked["value"] == {"question": "ok?", "text": "a!"}
            await stream.run.respond("yes")
            assert await stream.output == {"text": "a! done", "approved": "yes"}
