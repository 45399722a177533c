"""Agents, run by both engines: the same chunks in the modes that show their messages."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from . import agents
from .agent_lib import ASKED, Story, awatch, kit_of, watch
from .lib import Engine
from .spans import Spans, told

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


WITHIN = ("call_model", "RunnableSequence", "Prompt")
"""What LangGraph's nodes make of a prompt and a model, and run inside of themselves."""
TRACED = (
    agents.parts_of_version_2,
    agents.a_name,
    agents.a_hook_before_that_changes_the_messages,
    agents.a_tool_that_is_not_there,
    agents.a_failure_that_is_answered,
    agents.a_tool_that_fails,
    agents.a_tool_that_updates_the_state,
)


async def spans_of(story: Story, kit: Any) -> list[Any]:
    """What an agent's run tells of spans: LangGraph's own within its nodes left out."""
    *events, last = await told(story.build(kit, None), ASKED, {"tags": ["mine"]})
    events += [] if isinstance(last, Exception) else [last]
    within = {event["run_id"] for event in events if event["name"] in WITHIN}
    label = Spans().label
    return [
        (
            event["event"],
            event["name"],
            label(event["run_id"]),
            [label(each) for each in event["parent_ids"] if each not in within],
            [tag for tag in event["tags"] if not tag.startswith("seq:")],
            event["metadata"].get("langgraph_node"),
            sorted(event["data"]),
        )
        for event in events
        if event["run_id"] not in within
    ]


@pytest.mark.parametrize("story", TRACED, ids=lambda story: story.name)
async def test_an_agent_is_traced_alike(story: Story, ours: Engine, theirs: Engine) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # theirs
        expected = await spans_of(story, kit_of(theirs, ours=False))
    assert await spans_of(story, kit_of(ours, ours=True)) == expected
