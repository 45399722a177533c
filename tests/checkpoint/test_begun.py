"""A commit that was begun is over when it is committed, or on the disk, and is seen through."""

from __future__ import annotations

import asyncio
import gc
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from checkpoint import (
    Batch,
    Begun,
    DatabaseUnwritableError,
    MemorySaver,
    SaverClosedError,
    SqliteSaver,
    StaleClaimError,
    begin_of,
    waited_for,
)
from checkpoint.story import Story, values_of
from checkpoint.testing_faults import FaultPlan
from tests.waiting import let_all_run


@pytest.mark.parametrize(("synced", "flushes"), [(False, 0), (True, 1)])
async def test_it_ends_when_it_is_committed_or_on_the_disk(
    tmp_path: Path, *, synced: bool, flushes: int
) -> None:
    plan = FaultPlan()
    async with SqliteSaver(tmp_path / "db", faults=plan) as saver:
        story = await Story.begin(saver)
        before = plan.passed["synced"]
        begun = saver.begin(story.batch({"n": 1}), synced=synced)
        assert not begun.made
        await begun
        assert begun.made
        assert plan.passed["synced"] - before == flushes
        assert await values_of(saver) == {"n": 1}


async def test_memory_is_as_good_as_a_disk() -> None:
    async with SqliteSaver(":memory:") as saver:
        story = await Story.begin(saver)
        await saver.begin(story.batch({"n": 1}), synced=True)
        assert await values_of(saver) == {"n": 1}


async def test_who_is_cancelled_hears_first_how_it_ended(tmp_path: Path) -> None:
    plan = FaultPlan()
    hold = plan.hold("checkpoint committed")
    async with SqliteSaver(tmp_path / "db", faults=plan) as saver:
        story = await Story.begin(saver)
        begun = saver.begin(story.batch({"n": 1}), synced=False)
        seen: list[bool] = []

        async def wait() -> None:
            try:
                await begun
            finally:
                seen.append(begun.made)

        task = asyncio.create_task(wait())
        assert await asyncio.to_thread(hold.wait)
        task.cancel()
        await let_all_run()
        assert not task.done()
        hold.let_go()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert seen == [True]


async def test_who_only_commits_need_not_wait_when_cancelled(tmp_path: Path) -> None:
    plan = FaultPlan()
    hold = plan.hold("checkpoint committed")
    async with SqliteSaver(tmp_path / "db", faults=plan) as saver:
        story = await Story.begin(saver)
        task = asyncio.create_task(saver.commit(story.batch({"n": 1})))
        assert await asyncio.to_thread(hold.wait)
        task.cancel()
        ended, _ = await asyncio.wait({task}, timeout=5)
        hold.let_go()
        assert [each.cancelled() for each in ended] == [True]
        assert await values_of(saver) == {"n": 1}


async def test_nobody_is_told_what_went_wrong_after_a_cancel(tmp_path: Path) -> None:
    plan = FaultPlan()
    hold = plan.hold("checkpoint committed")
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    async with SqliteSaver(tmp_path / "db", faults=plan) as saver:
        story, other = await Story.begin(saver), await Story.begin(saver, "other")
        other.end()
        first = asyncio.create_task(story.step({"n": 1}))
        assert await asyncio.to_thread(hold.wait)
        refused = asyncio.create_task(saver.commit(other.batch({"n": 1})))
        await let_all_run()
        refused.cancel()
        await asyncio.wait({refused})
        hold.let_go()
        await first
        await story.step({"n": 2})
        assert refused.cancelled()
        del refused
        gc.collect()
    assert told == []


async def test_what_is_refused_was_not_made(tmp_path: Path) -> None:
    async with SqliteSaver(tmp_path / "db") as saver:
        story = await Story.begin(saver)
        story.end()
        begun = saver.begin(story.batch({"n": 1}), synced=True)
        with pytest.raises(StaleClaimError):
            await begun
        assert not begun.made


async def test_what_the_disk_fails_after_was_made(tmp_path: Path) -> None:
    plan = FaultPlan()
    async with SqliteSaver(tmp_path / "db", faults=plan) as saver:
        story = await Story.begin(saver)
        plan.fail("syncing", nth=plan.passed["syncing"] + 1)
        begun = saver.begin(story.batch({"n": 1}), synced=True)
        with pytest.raises(DatabaseUnwritableError):
            await begun
        assert begun.made


async def test_a_closed_saver_begins_nothing(tmp_path: Path) -> None:
    async with SqliteSaver(tmp_path / "db") as saver:
        story = await Story.begin(saver)
        batch = story.batch({"n": 1})
    with pytest.raises(SaverClosedError):
        saver.begin(batch, synced=False)


class OwnCommit(SqliteSaver):
    async def commit(self, batch: Batch) -> None:
        await super().commit(batch)


class OwnSync(SqliteSaver):
    async def synced(self) -> None:
        await super().synced()


def noted(commit: Any) -> Any:
    @wraps(commit)
    async def noting(saver: SqliteSaver, batch: Batch) -> None:
        await commit(saver, batch)

    return noting


class Wrapped(SqliteSaver):
    commit = noted(SqliteSaver.commit)


class Marked(OwnCommit):
    @waited_for
    async def commit(self, batch: Batch) -> None:
        await self.begin(batch, synced=False)


@pytest.mark.parametrize(
    ("saver", "begins"),
    [
        (SqliteSaver(":memory:"), True),
        (Marked(":memory:"), True),
        (OwnCommit(":memory:"), False),
        (OwnSync(":memory:"), False),
        (Wrapped(":memory:"), False),
        (MemorySaver(), False),
    ],
)
def test_a_saver_with_a_commit_of_its_own_is_asked_for_it(saver: Any, *, begins: bool) -> None:
    assert (begin_of(saver) is not None) is begins


async def test_it_refuses_to_be_cancelled() -> None:
    begun = Begun()
    assert not begun.cancel()
    assert not begun.cancelled()
    begun.set_result(None)
    await begun


@pytest.mark.parametrize("error", [None, DatabaseUnwritableError("full")])
async def test_what_follows_it_is_called_before_who_awaits_it_goes_on(
    error: Exception | None,
) -> None:
    begun, order = Begun(), list[str]()
    begun.add_done_callback(lambda _: order.append("callback"))
    begun.when_over(lambda: order.append("then"))
    if error is None:
        begun.set_result(None)
    else:
        begun.set_exception(error)
    assert order == ["then"]
    await asyncio.wait({begun})
    assert order == ["then", "callback"]
    assert begun.exception() is error


async def test_what_follows_one_that_is_over_is_called_at_once() -> None:
    begun, order = Begun(), list[str]()
    begun.set_result(None)
    begun.when_over(lambda: order.append("then"))
    assert order == ["then"]
