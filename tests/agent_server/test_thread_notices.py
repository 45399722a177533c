"""A thread's notices as they are sent."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent_server.app import create_app
from agent_server.protocol import Filter
from agent_server.services import Services
from agent_server.settings import Settings
from agent_server.thread_notices import NoticePieces, ThreadNotices
from checkpoint import new_id
from tests.agent_server.harness import graphs


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
