"""The disk of simulations: its saver passes the suites, a new process finds what was committed."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from checkpoint.story import SaverWithEvents, Story, values_of
from checkpoint.tales import AdministeredSaver
from checkpoint.testing import EventTableSuite, SaverSuite
from checkpoint.testing_administration import AdminSuite
from checkpoint.testing_concurrency import ClaimSuite
from checkpoint.testing_disk import Calm, Disk, DiskSaver
from checkpoint.testing_rewind import RewindSuite


class TestDiskSaver(SaverSuite, EventTableSuite, ClaimSuite, RewindSuite):
    @pytest.fixture
    async def saver(self) -> SaverWithEvents:
        return Disk().open()


class TestAdministration(AdminSuite):
    @pytest.fixture
    async def saver(self) -> AdministeredSaver:
        return Disk().open()


async def a_step(saver: DiskSaver, value: Any) -> None:
    story = await Story.begin(saver)
    try:
        await story.step({"value": value})
    finally:
        story.end()


async def test_a_new_process_finds_what_was_committed() -> None:
    disk = Disk()
    first = disk.open()
    await a_step(first, 1)
    await first.events.append("run", [(1, b"one")])
    second = disk.open()
    assert await values_of(second) == {"value": 1}
    assert await second.events.read("run", 0, 9) == [(1, b"one")]


async def test_what_was_not_synced_is_lost_with_the_power() -> None:
    disk = Disk()
    saver = disk.open()
    await a_step(saver, 1)
    await saver.synced()
    await a_step(saver, 2)
    await a_step(saver, 3)
    assert await values_of(disk.open()) == {"value": 3}
    assert disk.lose_power(kept=1) == 1
    assert await values_of(disk.open()) == {"value": 2}
    disk.entries.pop()
    assert await values_of(disk.open()) == {"value": 1}


async def test_a_rewind_a_copy_a_deletion_and_forgotten_events_are_found_too() -> None:
    disk = Disk()
    saver = disk.open()
    await a_step(saver, 1)
    await saver.acopy_thread("thread", "copy")
    await saver.events.append("gone", [(1, b"one")])
    await saver.events.forget(["gone"])
    claim = await saver.claim("thread", "test", timeout=0)
    await saver.rewind(claim, {"": None})
    saver.release(claim)
    second = disk.open()
    assert await values_of(second, "thread") is None
    assert await values_of(second, "copy") == {"value": 1}
    assert await second.events.last("gone") == 0
    await second.adelete_thread("copy")
    assert await values_of(disk.open(), "copy") is None


class Recorded(Calm):
    """Notes the points, and stops for ever at one of them."""

    def __init__(self, stop_at: str = "") -> None:
        self.passed: list[str] = []
        self._stop_at = stop_at
        self.stopped = asyncio.Event()

    async def reach(self, point: str) -> None:
        self.passed.append(point)
        if point == self._stop_at:
            self.stopped.set()
            await asyncio.Event().wait()


async def test_the_points_have_the_names_that_those_of_a_database_have() -> None:
    points = Recorded()
    saver = Disk().open(points)
    story = await Story.begin(saver)
    await story.step({"value": 1})
    await story.write("task", [("value", 2)])
    await saver.events.append("run", [(1, b"one")])
    await saver.synced()
    await saver.rewind(story.claim, {"": None})
    kinds = ("checkpoint", "writes", "events")
    expected = [f"{kind} {stage}" for kind in kinds for stage in ("applied", "committed")]
    expected += ["syncing", "synced", "rewind applied", "rewind committed"]
    assert points.passed == expected


@pytest.mark.parametrize(("point", "kept"), [("applied", None), ("committed", {"value": 1})])
async def test_what_dies_before_its_commit_is_not_there_and_after_it_is(
    point: str, kept: Any
) -> None:
    disk, points = Disk(), Recorded(f"checkpoint {point}")
    step = asyncio.create_task(a_step(disk.open(points), 1))
    await points.stopped.wait()
    assert await values_of(disk.open()) == kept
    step.cancel()


async def test_commits_happen_in_the_order_they_were_asked_for() -> None:
    seen: list[Any] = []
    saver = Disk().open(on_entry=seen.append)
    story = await Story.begin(saver)
    first = story.batch({"value": 1})
    await asyncio.gather(
        saver.commit(first), saver.commit(replace(first, checkpoints=(), blobs=()))
    )
    assert [len(entry.checkpoints) for entry in seen] == [1, 0]
    story.end()
