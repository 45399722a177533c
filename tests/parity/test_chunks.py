"""Every scenario, run by both engines: the same chunks, values and errors."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from .catalogue import each_scenario
from .lib import Engine
from .observe import MODES, Seen, Watch, watch_async, watch_sync
from .scenario import Scenario

NewDatabase = Callable[[], Path]


def expected_sync(scenario: Scenario, watch: Watch, theirs: Engine, database: Path) -> list[Seen]:
    """What the sync door must give: async nodes run there too, as through LangGraph's async one."""
    if scenario.awaits:
        return asyncio.run(watch_async(scenario, watch, theirs, database))
    return watch_sync(scenario, watch, theirs, database)


@each_scenario("chunks")
async def test_each_mode_alone_gives_the_same_chunks_through_the_async_door(
    scenario: Scenario, ours: Engine, theirs: Engine, database: NewDatabase
) -> None:
    for mode in MODES:
        watch = Watch("async", "memory", mode)
        expected = await watch_async(scenario, watch, theirs, database())
        assert await watch_async(scenario, watch, ours, database()) == expected, mode


@each_scenario("chunks")
def test_each_mode_alone_gives_the_same_chunks_through_the_sync_door(
    scenario: Scenario, ours: Engine, theirs: Engine, database: NewDatabase
) -> None:
    for mode in ("values", "updates", "custom"):
        watch = Watch("sync", "memory", mode)
        expected = expected_sync(scenario, watch, theirs, database())
        assert watch_sync(scenario, watch, ours, database()) == expected, mode


@each_scenario("chunks")
async def test_all_modes_at_once_interleave_alike_through_the_async_door(
    scenario: Scenario, ours: Engine, theirs: Engine, database: NewDatabase
) -> None:
    for saver, subgraphs in (("none", True), ("memory", False), ("memory", True)):
        watch = Watch("async", saver, MODES, subgraphs)
        expected = await watch_async(scenario, watch, theirs, database())
        assert await watch_async(scenario, watch, ours, database()) == expected, watch


@each_scenario("chunks")
def test_all_modes_at_once_interleave_alike_through_the_sync_door(
    scenario: Scenario, ours: Engine, theirs: Engine, database: NewDatabase
) -> None:
    for saver in ("none", "sqlite"):
        watch = Watch("sync", saver, MODES, subgraphs=True)
        expected = expected_sync(scenario, watch, theirs, database())
        assert watch_sync(scenario, watch, ours, database()) == expected, saver


@each_scenario("call")
async def test_the_async_call_returns_or_raises_the_same(
    scenario: Scenario, ours: Engine, theirs: Engine, database: NewDatabase
) -> None:
    for saver in ("none", "sqlite"):
        watch = Watch("async", saver, None)
        expected = await watch_async(scenario, watch, theirs, database())
        assert await watch_async(scenario, watch, ours, database()) == expected, saver


@each_scenario("call")
def test_the_sync_call_returns_or_raises_the_same(
    scenario: Scenario, ours: Engine, theirs: Engine, database: NewDatabase
) -> None:
    for saver in ("none", "memory"):
        watch = Watch("sync", saver, None)
        expected = expected_sync(scenario, watch, theirs, database())
        assert watch_sync(scenario, watch, ours, database()) == expected, saver
