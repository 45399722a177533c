"""Every scenario, run by both engines: the same snapshots and the same history."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from .catalogue import each_scenario
from .lib import Engine
from .observe import Watch, snapshots_async, snapshots_sync
from .scenario import Scenario

NewDatabase = Callable[[], Path]
# LangGraph's own savers store a barrier or topic as it is some moments later unless they are waited
# for: with "async" its history can show what only the next step wrote
STORED = [
    Watch("async", "memory", None, durability="sync"),
    Watch("async", "sqlite", None, durability="sync"),
    Watch("async", "memory", None, durability="exit"),
]


@each_scenario("state")
async def test_async_snapshots_and_history_are_the_same(
    scenario: Scenario, ours: Engine, theirs: Engine, database: NewDatabase
) -> None:
    for watch in STORED:
        expected = await snapshots_async(scenario, watch, theirs, database())
        assert await snapshots_async(scenario, watch, ours, database()) == expected, watch


@each_scenario("state")
def test_sync_snapshots_and_history_are_the_same(
    scenario: Scenario, ours: Engine, theirs: Engine, database: NewDatabase
) -> None:
    watch = Watch("sync", "memory", None, durability="sync")
    if scenario.awaits:
        expected = asyncio.run(snapshots_async(scenario, watch, theirs, database()))
    else:
        expected = snapshots_sync(scenario, watch, theirs, database())
    assert snapshots_sync(scenario, watch, ours, database()) == expected
