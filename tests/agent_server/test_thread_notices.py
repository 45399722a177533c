"""A thread's notices as they are sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from agent_server.app import create_app
from agent_server.feeds import MOST, RunBegins
from agent_server.orders import RunBody, run_from
from agent_server.services import Services
from agent_server.settings import Settings
from agent_server.subscriptions import Filter
from agent_server.thread_notices import NoticePieces, ThreadNotices
from checkpoint import new_id
from tests.agent_server.harness import graphs
from tests.agent_server.stage import assistant_of


@asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Services]:
    app = create_app({"agent": graphs.agent}, settings=settings)
    async with app.router.lifespan_context(app):
        yield app.state.services


async def test_notices_that_the_server_s_stop_ends_are_not_whole(tmp_path: Path) -> None:
    app = create_app({"agent": graphs.agent}, settings=Settings(database=tmp_path / "server.db"))
    async with app.router.lifespan_context(app):
        services: Services = app.state.services
        pieces = NoticePieces(
            ThreadNotices(services, new_id(), Filter(frozenset({"values"})).shows)
        )
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
        notices = ThreadNotices(services, thread.thread_id, Filter(frozenset({"lifecycle"})).shows)
        body = RunBody.model_validate({"assistant_id": "agent", "input": {"topic": "x"}})
        order = run_from(body, assistant_of("agent"), thread_id=thread.thread_id, now=0.0)
        await services.dispatcher.accept(order)
        async for notice in notices:
            if notice["params"]["data"]["event"] == "completed":
                break
        assert (await services.threads.get(thread.thread_id)).status == "idle"


async def run_on(services: Services, thread_id: str) -> str:
    """Run the graph to its end; gives the run's id."""
    body = RunBody.model_validate({"assistant_id": "agent", "input": {"topic": "x"}})
    order = run_from(body, assistant_of("agent"), thread_id=thread_id, now=services.clock())
    live = await services.dispatcher.accept(order, if_not_exists="create")
    await live.settled()
    return order.run_id


async def told(services: Services, thread_id: str, count: int, since: int = 0) -> list[Any]:
    """What a reader of states and lifecycle is told first."""
    wanted = Filter(frozenset({"values", "lifecycle"}), since=since)
    notices = ThreadNotices(services, thread_id, wanted.shows)
    async with asyncio.timeout(10):
        found = [await anext(notices) for _ in range(count)]
    notices.close()
    return found


def life(notice: Any) -> str:
    return notice["params"]["data"].get("event", notice["method"])


async def test_what_was_forgotten_is_told_as_a_gap_and_moves_no_number(tmp_path: Path) -> None:
    settings = Settings(database=tmp_path / "server.db")
    thread = new_id()
    async with serving(settings) as services:
        first = await run_on(services, thread)
        await run_on(services, thread)
        before = await told(services, thread, 10)
        await services.saver.events.forget([first])
    async with serving(settings) as services:  # nothing is in memory any more
        after = await told(services, thread, 7)
        assert [life(each) for each in after[:2]] == ["gap", "completed"]
        assert after[0]["params"]["data"] == {"lost": None, "run_id": first}
        assert after[2:] == before[5:]
        for at in (6, 7, 9):
            assert await told(services, thread, 10 - at, before[at - 1]["seq"]) == before[at:]
        assert await told(services, thread, 7, before[2]["seq"]) == after


async def test_who_is_too_slow_for_what_begins_is_told_so(tmp_path: Path) -> None:
    async with serving(Settings(database=tmp_path / "server.db")) as services:
        thread = new_id()
        notices = ThreadNotices(services, thread, Filter(frozenset({"lifecycle"})).shows)
        waiting = asyncio.create_task(anext(notices))
        await asyncio.sleep(0)
        for _ in range(MOST + 3):
            services.dispatcher.feeds.tell(thread, RunBegins(new_id()))
        told = await asyncio.wait_for(waiting, 10)
        assert told["method"] == "gap"
        assert told["params"]["data"]["lost"] == 3
        notices.close()


async def test_a_run_that_never_began_is_told_to_have_ended(tmp_path: Path) -> None:
    async with serving(Settings(database=tmp_path / "server.db")) as services:
        thread = new_id()
        body = RunBody.model_validate({"assistant_id": "agent", "after_seconds": 1000})
        order = run_from(body, assistant_of("agent"), thread_id=thread, now=services.clock())
        await services.dispatcher.accept(order, if_not_exists="create")
        await services.dispatcher.cancel(thread, [order.run_id], "interrupt", wait=True)
        assert [life(each) for each in await told(services, thread, 1)] == ["interrupted"]
