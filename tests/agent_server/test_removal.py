"""Taking a thread away while runs are on it, or seem to be."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypedDict

import pytest

from actors import START, StateGraph
from agent_server.errors import ConflictError, NotFoundError
from agent_server.removal import remove_thread
from checkpoint import new_id
from tests.agent_server.database import keep_run
from tests.agent_server.serving import Serving, serving


class State(TypedDict, total=False):
    n: int


class Step:
    """A node that says when it has begun, and never ends by itself."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.cancelled = False

    async def __call__(self, state: State) -> State:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return state


@pytest.fixture
def step() -> Step:
    return Step()


@pytest.fixture
async def server(tmp_path: Path, step: Step) -> AsyncIterator[Serving]:
    graph: Any = StateGraph(State).add_node("step", step).add_edge(START, "step").compile()
    async with serving(tmp_path, {"endless": graph}) as server:
        yield server


async def remove(server: Serving, thread_id: str) -> None:
    services = server.services
    await remove_thread(services.threads, services.dispatcher, thread_id)


async def test_runs_are_stopped_before_their_thread_goes(server: Serving, step: Step) -> None:
    id_ = (await server.ask("POST", "/threads", {}))["thread_id"]
    body = {"assistant_id": "endless", "input": {"n": 1}}
    first = await server.ask("POST", f"/threads/{id_}/runs", body)
    second = await server.ask("POST", f"/threads/{id_}/runs", body)
    await step.begun.wait()

    await remove(server, id_.upper())

    assert step.cancelled
    for run in (first, second):
        assert server.services.dispatcher.live(run["run_id"]) is None
    assert await server.refused("GET", f"/threads/{id_}", None, 404)
    with pytest.raises(NotFoundError):
        await remove(server, id_)


async def test_a_thread_whose_runs_cannot_be_stopped_stays(server: Serving) -> None:
    id_ = (await server.ask("POST", "/threads", {}))["thread_id"]
    await server.services.tables.write(lambda db: keep_run(db, new_id(), id_, "running"))

    with pytest.raises(ConflictError, match="stop who starts them"):
        await remove(server, id_)

    assert (await server.ask("GET", f"/threads/{id_}"))["thread_id"] == id_
