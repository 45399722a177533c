"""Every scenario, run by both engines: the same snapshots and the same history."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from .catalogue import each_scenario
from .lib import Engine
from .observe import snapshots_async, snapshots_sync
from .scenario import Scenario

NewDatabase = Callable[[], Path]
each_saver = pytest.mark.parametrize("saver", ["memory", "sqlite"])


@each_saver
@each_scenario("state")
async def test_async_snapshots_and_history_are_the_same(
    scenario: Scenario, saver: str, ours: Engine, theirs: Engine, database: NewDatabase
) -> None:
    expected = await snapshots_async(scenario, saver, theirs, database())
    assert await snapshots_async(scenario, saver, ours, database()) == expected


@each_saver
@each_scenario("state")
def test_sync_snapshots_and_history_are_the_same(
    scenario: Scenario, saver: str, ours: Engine, theirs: Engine, database: NewDatabase
) -> None:
    if scenario.awaits:
        expected = asyncio.run(snapshots_async(scenario, saver, theirs, database()))
    else:
        expected = snapshots_sync(scenario, saver, theirs, database())
    assert snapshots_sync(scenario, saver, ours, database()) == expected
