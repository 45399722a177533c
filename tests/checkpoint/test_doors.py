"""Sync twins of a saver's administration."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from checkpoint import MemorySaver, SqliteSaver, ThreadBusyError
from checkpoint.doors import SyncDoors, wait_for
from checkpoint.story import Story
from checkpoint.tales import told

place = contextvars.ContextVar("place", default="nowhere")


@pytest.fixture(params=["memory", "file"])
def saver(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MemorySaver | SqliteSaver]:
    if request.param == "memory":
        yield MemorySaver()
    else:
        with SqliteSaver(tmp_path / "threads.db") as saver:
            yield saver


def test_every_operation_works_without_a_loop(saver: MemorySaver | SqliteSaver) -> None:
    asyncio.run(told(saver, 4, run_id="run"))
    saver.copy_thread("thread", "copy")
    assert saver.prune(["copy"], keep_last=2).checkpoints == 2
    assert [each.checkpoints for each in saver.threads()] == [2, 4]
    assert saver.delete_for_runs(["run"]).checkpoints == 6
    asyncio.run(told(saver, 1))
    assert saver.verify("thread").checkpoints == 1
    assert saver.delete_thread("thread").checkpoints == 1
    assert list(saver.threads(limit=3)) == []


async def test_every_operation_works_inside_a_running_loop(
    saver: MemorySaver | SqliteSaver,
) -> None:
    await told(saver, 4)
    saver.copy_thread("thread", "copy")
    assert saver.prune(["copy"]).checkpoints == 3
    assert saver.delete_thread("copy").checkpoints == 1
    assert saver.verify().ok
    assert [each.thread_id for each in saver.threads()] == ["thread"]


async def test_a_thread_held_by_this_very_loop_is_not_waited_for_forever(
    saver: MemorySaver | SqliteSaver,
) -> None:
    story = await Story.begin(saver)
    with pytest.raises(ThreadBusyError, match="a story"):
        saver.delete_thread("thread", timeout=0.01)
    story.end()
    saver.delete_thread("thread", timeout=0.01)


async def test_the_context_of_the_caller_is_seen_in_the_helper_thread() -> None:
    async def look() -> tuple[str, str]:
        return place.get(), threading.current_thread().name

    place.set("here")
    found, thread = wait_for(look())
    assert found == "here"
    assert thread.startswith("checkpoint-door")


def test_what_a_coroutine_raises_is_raised() -> None:
    async def fail() -> None:
        raise LookupError("nothing there")

    with pytest.raises(LookupError, match="nothing there"):
        wait_for(fail())


def test_a_saver_that_lacks_the_async_methods_cannot_be_made() -> None:
    assert inspect.isabstract(SyncDoors)
