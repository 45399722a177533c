"""Faults at commit points: each is passed where its name says, and what goes wrong there stays."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from checkpoint import (
    Batch,
    DatabaseUnwritableError,
    EventRow,
    InvalidArgumentError,
    SqliteSaver,
    SqliteStore,
)
from checkpoint.story import Story
from checkpoint.testing_faults import FaultPlan

KILLED = -9


async def a_step(saver: SqliteSaver, value: Any = 1) -> None:
    story = await Story.begin(saver)
    try:
        await story.step({"value": value})
    finally:
        story.end()


async def test_a_step_passes_its_points_once_each(tmp_path: Path) -> None:
    plan = FaultPlan()
    async with SqliteSaver(tmp_path / "db", faults=plan) as saver:
        await a_step(saver)
        await saver.synced()
    kinds = ("saver", "claim", "checkpoint")
    expected = {f"{kind} {stage}" for kind in kinds for stage in ("applied", "committed")}
    expected |= {f"{kind} answered" for kind in kinds}
    expected |= {"claim taken", "claim left", "syncing", "synced", "moving", "moved"}
    assert set(plan.passed) == expected
    assert {plan.passed[point] for point in expected - {"syncing", "synced"}} == {1}


async def test_pending_writes_events_and_the_store_have_points_of_their_own(
    tmp_path: Path,
) -> None:
    plan = FaultPlan()
    async with SqliteSaver(tmp_path / "db", faults=plan) as saver:
        story = await Story.begin(saver)
        await story.step({"a": 1})
        assert story.head is not None
        batch = Batch(story.claim.thread_id, story.claim.epoch, events=(EventRow("run", 1, b"1"),))
        await saver.commit(batch)
        await saver.events.append("run", [(2, b"2")])
        await saver.events.forget(["run"])
        await saver.rewind(story.claim, {})
        story.end()
        async with SqliteStore(tmp_path / "db") as store:
            await store.aput(("a",), "key", {"v": 1})
    assert plan.passed["events committed"] == 2
    for point in ("forget", "rewind", "store"):
        assert plan.passed[f"{point} committed"] >= 1


@pytest.mark.parametrize("point", ["checkpoint applied", "checkpoint committed"])
async def test_a_commit_that_fails_raises_a_typed_error_and_the_next_one_does_not(
    point: str, tmp_path: Path
) -> None:
    plan = FaultPlan()
    plan.fail(point)
    async with SqliteSaver(tmp_path / "db", faults=plan) as saver:
        with pytest.raises(DatabaseUnwritableError, match="as planned"):
            await a_step(saver)
        there = await saver.load("thread") is not None
        assert there == (point == "checkpoint committed"), "only the answer was lost"
        await a_step(saver, 2)
        assert len(await saver.history("thread")) == 1 + there


async def test_what_fails_while_it_is_applied_leaves_its_neighbours_in_the_transaction_alone(
    tmp_path: Path,
) -> None:
    plan = FaultPlan()
    plan.fail("events applied", nth=2)
    hold = plan.hold("claim applied")
    async with SqliteSaver(tmp_path / "db", faults=plan) as saver:
        claiming = asyncio.ensure_future(saver.claim("thread", "holder", timeout=None))
        assert await asyncio.to_thread(hold.wait)
        appends = [saver.events.append(f"run {n}", [(1, b"1")]) for n in range(3)]
        waiting = asyncio.gather(*appends, return_exceptions=True)
        hold.let_go()
        one, two, three = await waiting
        assert (one, three) == (None, None)
        assert isinstance(two, DatabaseUnwritableError)
        assert [await saver.events.last(f"run {n}") for n in range(3)] == [1, 0, 1]
        saver.release(await claiming)


async def test_a_claim_that_fails_leaves_the_thread_free(tmp_path: Path) -> None:
    plan = FaultPlan()
    plan.fail("claim taken")
    async with SqliteSaver(tmp_path / "db", faults=plan) as saver:
        with pytest.raises(DatabaseUnwritableError, match="as planned"):
            await saver.claim("thread", "one", timeout=0)
        saver.release(await saver.claim("thread", "two", timeout=0))


async def test_a_flush_that_failed_fails_all_later_ones(tmp_path: Path) -> None:
    plan = FaultPlan()
    plan.fail("syncing")
    async with SqliteSaver(tmp_path / "db", faults=plan) as saver:
        for _ in range(2):
            await a_step(saver)
            with pytest.raises(DatabaseUnwritableError, match="as planned"):
                await saver.synced()


async def test_after_a_cut_nothing_is_written_and_nothing_hangs(tmp_path: Path) -> None:
    plan = FaultPlan()
    plan.cut("checkpoint applied", nth=2)
    async with SqliteSaver(tmp_path / "db", faults=plan) as saver:
        await a_step(saver)
        for _ in range(3):
            with pytest.raises(DatabaseUnwritableError):
                await a_step(saver)
        with pytest.raises(DatabaseUnwritableError):
            await saver.synced()
    async with SqliteSaver(tmp_path / "db") as saver:
        assert len(await saver.history("thread")) == 1
        await a_step(saver)


def test_a_killed_process_leaves_what_was_committed(tmp_path: Path) -> None:
    path = tmp_path / "db"
    program = f"""
import asyncio
from tests.checkpoint.test_testing_faults import FaultPlan, SqliteSaver, a_step
async def main():
    plan = FaultPlan()
    plan.kill("checkpoint applied", nth=3)
    async with SqliteSaver({str(path)!r}, faults=plan) as saver:
        while True:
            await a_step(saver)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=Path.cwd(), check=False)
    assert done.returncode == KILLED
    with SqliteSaver(path) as saver:
        assert len(asyncio.run(saver.history("thread"))) == 2


def test_faults_for_a_file_that_is_open_already_are_refused(tmp_path: Path) -> None:
    plan = FaultPlan()
    with SqliteSaver(tmp_path / "db"), pytest.raises(InvalidArgumentError, match="too late"):
        SqliteSaver(tmp_path / "db", faults=plan).open()
    with SqliteSaver(tmp_path / "db", faults=plan), SqliteSaver(tmp_path / "db", faults=plan):
        assert plan.passed["saver committed"] == 2


@pytest.mark.parametrize("point", ["checkpoint answered", "claim left"])
def test_where_all_is_done_nothing_can_be_made_to_fail(point: str) -> None:
    for plan in (FaultPlan().fail, FaultPlan().cut):
        with pytest.raises(InvalidArgumentError, match="cannot fail"):
            plan(point)


def test_passings_are_counted_from_one() -> None:
    with pytest.raises(InvalidArgumentError, match="from 1"):
        FaultPlan().kill("synced", nth=0)


async def test_a_private_database_has_the_points_too() -> None:
    plan = FaultPlan()
    plan.fail("checkpoint applied", error=RuntimeError("by hand"))
    async with SqliteSaver(":memory:", faults=plan) as saver:
        with pytest.raises(RuntimeError, match="by hand"):
            await a_step(saver)
        await a_step(saver)
