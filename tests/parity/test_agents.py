"""Agents, run by both engines: the same chunks in the modes that show their messages."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from . import agents
from .agent_lib import Story, awatch, kit_of, watch
from .lib import Engine

STORIES = {value.name: value for name, value in vars(agents).items() if isinstance(value, Story)}
MODES: list[Any] = ["updates", "values", "messages", ["custom", "updates", "values"]]
PAIRS = [
    pytest.param(story, mode, id=f"{story.name} / {mode}")
    for story in STORIES.values()
    for mode in MODES
    if mode != story.unlike
]
SYNC = [
    pytest.param(story, saver, id=f"{story.name} / {saver}")
    for story in STORIES.values()
    for saver in ("memory", "sqlite")
    if not story.awaits
]


@pytest.mark.parametrize(("story", "mode"), PAIRS)
async def test_an_agent_streams_the_same_chunks_through_the_async_door(
    story: Story, mode: Any, ours: Engine, theirs: Engine
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        expected = await awatch(story, kit_of(theirs, ours=False), mode)
    assert await awatch(story, kit_of(ours, ours=True), mode) == expected


@pytest.mark.parametrize(("story", "saver"), SYNC)
def test_an_agent_streams_the_same_chunks_through_the_sync_door(
    story: Story, saver: str, ours: Engine, theirs: Engine, database: Callable[[], Path]
) -> None:
    mode = ["updates", "values"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        expected = watch(story, kit_of(theirs, ours=False), mode, saver, database())
    assert watch(story, kit_of(ours, ours=True), mode, saver, database()) == expected


def test_there_are_enough_stories() -> None:
    assert len(STORIES) > 60
