"""What has outlived its time goes."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from agent_server.config_file import ConfigFile
from agent_server.errors import NotFoundError
from agent_server.services import sweepers_of
from agent_server.settings import Settings
from agent_server.sweeper import AT_ONCE, Sweeper, store_sweeper, thread_sweeper
from agent_server.thread_rows import mark_thread
from agent_server.thread_search import ThreadQuery
from agent_server.threads import Lifetime, Threads
from checkpoint import SqliteStore
from tests.agent_server.database import Clock, Database
from tests.agent_server.harness.graphs import agent


@pytest.fixture
def sweeper(threads: Threads) -> Sweeper:
    return thread_sweeper(threads, interval=60)


async def left(threads: Threads) -> set[str]:
    page = await threads.search(ThreadQuery(limit=1000))
    return {each.thread_id for each in page.items}


async def test_threads_go_when_their_time_is_over(
    threads: Threads, sweeper: Sweeper, clock: Clock
) -> None:
    stays = (await threads.create(None)).thread_id
    later = (await threads.create(None, ttl=Lifetime(10))).thread_id
    over = (await threads.create(None, ttl=Lifetime(1))).thread_id

    clock.now += 59
    assert await sweeper.sweep() == 0
    clock.now += 2
    assert await sweeper.sweep() == 1

    assert await left(threads) == {stays, later}
    with pytest.raises(NotFoundError):
        await threads.get(over)


async def test_a_thread_that_keeps_its_newest_state_loses_the_others(
    threads: Threads, sweeper: Sweeper, clock: Clock, database: Database
) -> None:
    graph = agent.stored_in(database.saver)
    id_ = (await threads.create(None, ttl=Lifetime(1, "keep_latest"))).thread_id
    config = {"configurable": {"thread_id": id_}}
    await graph.ainvoke({"topic": "x"}, config)
    before = await graph.aget_state(config)

    clock.now += 61
    assert await sweeper.sweep() == 1
    assert await sweeper.sweep() == 0

    [only] = [each async for each in graph.aget_state_history(config)]
    assert (only.config, only.values) == (before.config, before.values)
    clock.now += 61
    assert await sweeper.sweep() == 1


async def test_a_busy_thread_stays(
    threads: Threads, sweeper: Sweeper, clock: Clock, database: Database
) -> None:
    id_ = (await threads.create(None, ttl=Lifetime(1))).thread_id
    await database.tables.write(lambda db: mark_thread(db, id_, status="busy", now=clock.now))

    clock.now += 61
    assert await sweeper.sweep() == 0

    assert await left(threads) == {id_}


async def test_however_many_there_are_they_all_go(
    threads: Threads, sweeper: Sweeper, clock: Clock
) -> None:
    for _ in range(AT_ONCE + 1):
        await threads.create(None, ttl=Lifetime(1))
    clock.now += 61

    assert await sweeper.sweep() == AT_ONCE + 1
    assert await left(threads) == set()


async def test_items_of_the_store_go_too(tmp_path: Path) -> None:
    clock = Clock()
    async with SqliteStore(tmp_path / "store.db", clock=clock) as store:
        await store.aput(("a",), "k", {"v": 1}, ttl=1)
        sweeper = store_sweeper(store, interval=60)

        assert await sweeper.sweep() == 0
        clock.now += 61
        assert await sweeper.sweep() == 1


async def test_it_runs_until_it_is_closed(threads: Threads, sweeper: Sweeper, clock: Clock) -> None:
    await threads.create(None, ttl=Lifetime(1))
    clock.now += 61

    running = asyncio.create_task(sweeper.run())
    for _ in range(10_000):
        if not await left(threads):
            break
    sweeper.close()
    await running

    assert await left(threads) == set()


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ({}, (60, 60)),
        ({"checkpointer": {"ttl": {"sweep_interval_minutes": 10}}}, (600, 60)),
        ({"checkpoint": {"ttl": {"sweep_interval_minutes": 0.5}}}, (30, 60)),
        ({"store": {"ttl": {"sweep_interval_minutes": 5}}}, (60, 300)),
        ({"store": {"ttl": {"default_ttl": 5}}}, (60, 60)),
    ],
    ids=repr,
)
def test_langgraph_json_says_how_often_each_is_swept(
    threads: Threads, database: Database, said: dict[str, Any], seconds: tuple[float, float]
) -> None:
    settings, file = Settings(sweep=60), ConfigFile.model_validate(said)
    sweepers = sweepers_of(settings, file, threads, database.store)
    assert tuple(each.interval for each in sweepers) == seconds
