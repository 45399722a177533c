"""Every journey, made by both engines: the same outcomes, states and histories."""

from collections.abc import Callable
from pathlib import Path

import pytest

from . import time_travel, time_travel_subgraphs
from .journeys import Journey, travel_async, travel_sync
from .lib import Engine

JOURNEYS = [
    value
    for module in (time_travel, time_travel_subgraphs)
    for value in vars(module).values()
    if isinstance(value, Journey)
]
each_journey = pytest.mark.parametrize("trip", JOURNEYS, ids=lambda trip: trip.name)
on_each_saver = pytest.mark.parametrize("kind", ["memory", "sqlite"])


@on_each_saver
@each_journey
async def test_an_async_journey_gives_the_same(
    trip: Journey, kind: str, ours: Engine, theirs: Engine, database: Callable[[], Path]
) -> None:
    expected = await travel_async(trip, theirs, kind, database())
    assert await travel_async(trip, ours, kind, database()) == expected


@on_each_saver
@each_journey
def test_a_sync_journey_gives_the_same(
    trip: Journey, kind: str, ours: Engine, theirs: Engine, database: Callable[[], Path]
) -> None:
    expected = travel_sync(trip, theirs, kind, database())
    assert travel_sync(trip, ours, kind, database()) == expected


def test_there_are_enough_journeys() -> None:
    assert len(JOURNEYS) >= 45
