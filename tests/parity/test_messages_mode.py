"""What `messages` shows: the same messages with the same metadata, in the same order."""

from collections.abc import Callable
from pathlib import Path

import pytest

from . import messages_below, messages_mode, messages_returned
from .lib import Engine
from .observe import Watch, watch_async, watch_sync
from .scenario import Scenario, found_in
from .test_chunks import expected_sync

NewDatabase = Callable[[], Path]
ALL = found_in(messages_mode, messages_below, messages_returned)


def each_scenario(respect: str) -> pytest.MarkDecorator:
    chosen = [scenario for scenario in ALL if respect in scenario.compare.split()]
    return pytest.mark.parametrize("scenario", chosen, ids=lambda scenario: scenario.name)


@each_scenario("chunks")
async def test_messages_alone_are_the_same_through_the_async_door(
    scenario: Scenario, ours: Engine, theirs: Engine, database: NewDatabase
) -> None:
    for saver, subgraphs in (("memory", False), ("none", True), ("memory", True)):
        watch = Watch("async", saver, "messages", subgraphs)
        expected = await watch_async(scenario, watch, theirs, database())
        assert await watch_async(scenario, watch, ours, database()) == expected, watch


@each_scenario("chunks")
def test_messages_alone_are_the_same_through_the_sync_door(
    scenario: Scenario, ours: Engine, theirs: Engine, database: NewDatabase
) -> None:
    for saver, subgraphs in (("memory", False), ("none", True)):
        watch = Watch("sync", saver, "messages", subgraphs)
        expected = expected_sync(scenario, watch, theirs, database())
        assert watch_sync(scenario, watch, ours, database()) == expected, watch


@each_scenario("chunks")
async def test_messages_come_between_the_chunks_of_other_modes_as_they_do_there(
    scenario: Scenario, ours: Engine, theirs: Engine, database: NewDatabase
) -> None:
    for modes in (("messages",), ("updates", "messages", "custom", "values")):
        watch = Watch("async", "sqlite", modes, subgraphs=True)
        expected = await watch_async(scenario, watch, theirs, database())
        assert await watch_async(scenario, watch, ours, database()) == expected, watch


@each_scenario("call")
async def test_models_called_in_graphs_nobody_reads_say_the_same(
    scenario: Scenario, ours: Engine, theirs: Engine, database: NewDatabase
) -> None:
    watch = Watch("async", "memory", None)
    expected = await watch_async(scenario, watch, theirs, database())
    assert await watch_async(scenario, watch, ours, database()) == expected
