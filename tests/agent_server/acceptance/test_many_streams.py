"""Two hundred runs streamed at once from a real server, by the real client."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
from langgraph_sdk.client import LangGraphClient
from langgraph_sdk.schema import StreamPart

from checkpoint import new_id
from tests.agent_server.harness.gate import Gate
from tests.agent_server.harness.server import ServerProcess

pytestmark = pytest.mark.asyncio(loop_scope="module")  # whose loop reads the server's log

STREAMS, CLIENTS = 200, 4  # a client opens a hundred connections at most
MODES: Any = ["values", "updates", "custom"]


async def streamed(client: LangGraphClient, number: int, gate: str) -> list[StreamPart]:
    """All parts of one run that waits at the gate; every other run is on a thread."""
    thread_id: Any = new_id() if number % 2 else None
    parts = client.runs.stream(
        thread_id,
        "slow",
        input={"gate": gate, "log": [str(number)]},
        stream_mode=MODES,
        if_not_exists="create",
    )
    return [part async for part in parts]


def seen(parts: list[StreamPart], number: int) -> list[tuple[str, Any]]:
    """What came, without what tells one run from another."""
    first, *rest = parts
    assert first.event == "metadata"
    assert [int(part.id or 0) for part in parts] == sorted({int(part.id or 0) for part in parts})
    for part in rest:
        if part.event == "values":
            mark, *part.data["log"] = part.data["log"]
            assert mark == str(number)
            del part.data["gate"]
    return [(part.event, part.data) for part in rest]


async def statuses(url: str) -> dict[str, int]:
    """How many runs wait and run, as the server tells it."""
    async with httpx.AsyncClient(base_url=url) as client:
        return (await client.get("/metrics", params={"format": "json"})).json()["queue"]


async def test_two_hundred_streams_at_once_get_all_of_their_own_events_exactly_once(
    server: ServerProcess,
) -> None:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(server.client()) for _ in range(CLIENTS)]
        alone = seen(await streamed(clients[0], 0, "127.0.0.1:1"), 0)
        assert [event for event, _ in alone] == ["values", *["custom", "updates", "values"] * 5]
        # The gate is there for the first step; then it is gone, and so open.
        async with asyncio.TaskGroup() as group, Gate() as gate:
            streams = [
                group.create_task(streamed(clients[number % CLIENTS], number, gate.address))
                for number in range(STREAMS)
            ]
            arrived = {await gate.arrival() for _ in range(STREAMS)}
            await server.has_streams(STREAMS)
            assert await statuses(server.url) == {"n_pending": 0, "n_running": STREAMS}
    assert arrived == {"step1"}
    for number, stream in enumerate(streams):
        assert seen(stream.result(), number) == alone
    run_ids = {stream.result()[0].data["run_id"] for stream in streams}
    assert len(run_ids) == STREAMS
