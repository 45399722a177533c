"""A thread's notices as they are sent."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent_server.app import create_app
from agent_server.orders import RunBody, run_from
from agent_server.protocol import Filter
from agent_server.services import Services
from agent_server.settings import Settings
from agent_server.thread_notices import NoticePieces, ThreadNotices
from checkpoint import new_id
from tests.agent_server.harness import graphs
from tests.agent_server.stage import assistant_of


async def test_notices_that_the_server_s_stop_ends_are_not_whole(tmp_path: Path) -> None:
    app = create_app({"agent": graphs.agent}, settings=Settings(database=tmp_path / "server.db"))
    async with app.router.lifespan_context(app):
        services: Services = app.state.services
        pieces = NoticePieces(ThreadNotices(services, new_id(), Filter(frozenset({"values"}))))
        waiting = asyncio.create_task(anext(pieces))
        await asyncio.sleep(0)
        assert pieces.whole
        await services.drain()
        with pytest.raises(StopAsyncIteration):
            await waiting
        assert not pieces.whole


async def test_who_hears_of_a_run_s_end_finds_it_in_the_thread_s_row(tmp_path: Path) -> None:
    app = create_app({"agent": graphs.agent}, settings=Settings(database=tmp_path / "server.db"))
    async with app.router.lifespan_context(app):
        services: Services = app.state.services
        thread = await services.threads.create(None)
        notices = ThreadNotices(services, thread.thread_id, Filter(frozenset({"lifecycle"})))
        body = RunBody.model_validate({"assistant_id": "agent", "input": {"topic": "x"}})
        order = run_from(body, assistant_of("agent"), thread_id=thread.thread_id, now=0.0)
        await services.dispatcher.accept(order)
        async for notice in notices:
            if notice["params"]["data"]["event"] == "completed":
                break
        assert (await services.threads.get(thread.thread_id)).status == "idle"
