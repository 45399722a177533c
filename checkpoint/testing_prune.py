"""Suites that every saver passes which has `Administration`: pruning threads, deleting runs.

Used as those of `testing.py`; the fixture `saver` gives an open saver with events.
"""
# ruff: noqa: D102, S101 - a test's name says what it asserts

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from .decoder import Decoder
from .errors import InvalidLimitError
from .ids import new_id
from .reports import Removed
from .story import LONG, Story, refused
from .tales import (
    AdministeredSaver,
    branch,
    child_step,
    ids,
    parents_of,
    picture_of,
    told,
)


class RunsSuite:
    """What a run wrote can be deleted, and later runs stay whole."""

    async def test_a_run_in_the_middle_goes_and_the_others_are_linked(
        self, saver: AdministeredSaver
    ) -> None:
        runs = [new_id() for _ in range(3)]
        records = [await told(saver, 3, run_id=run) for run in runs]
        await saver.events.append(runs[1], [(1, b"one")])
        before = await picture_of(saver, "thread")
        removed = await saver.adelete_for_runs([runs[1]])
        assert removed.checkpoints == 3
        left = [*records[0], *records[2]]
        assert await picture_of(saver, "thread") == {
            ("", each.id): before["", each.id] for each in left
        }
        parents = await parents_of(saver)
        assert list(parents) == ids(left)
        assert parents[records[2][0].id] == records[0][-1].id
        assert await saver.events.last(runs[1]) == 0

    async def test_a_run_goes_from_every_thread(self, saver: AdministeredSaver) -> None:
        run = new_id()
        await told(saver, 2, "one", run_id=run)
        await told(saver, 2, "two", run_id=run)
        kept = await told(saver, 2, "two", run_id="another")
        removed = await saver.adelete_for_runs([run, "unknown"])
        assert removed.checkpoints == 4
        assert [(each.thread_id, each.checkpoints) for each in await saver.athreads()] == [
            ("two", 2)
        ]
        assert await parents_of(saver, "two") == {kept[1].id: kept[0].id, kept[0].id: None}

    async def test_branches_of_other_runs_keep_what_they_need(
        self, saver: AdministeredSaver
    ) -> None:
        mine, other = new_id(), new_id()
        records = await told(saver, 3, run_id=mine)
        await told(saver, 2, run_id=other)
        fork = await branch(saver, records[1], {"items": [LONG]})
        before = await picture_of(saver, "thread")
        await saver.adelete_for_runs([mine])
        after = await picture_of(saver, "thread")
        assert len(after) == 3
        assert after.items() <= before.items()
        assert (await parents_of(saver))[fork.id] is None

    async def test_a_checkpoint_stays_while_a_subgraph_of_another_run_belongs_to_it(
        self, saver: AdministeredSaver
    ) -> None:
        records = await told(saver, 3, run_id="first")
        child = await child_step(saver, "node:1", records[-1], {"child": LONG})
        await saver.adelete_for_runs(["first"])
        assert list(await parents_of(saver)) == [records[-1].id]
        assert list(await picture_of(saver, "thread", "node:1")) == [("node:1", child.id)]


class PruneSuite:
    """What is kept loads as before, and what the caller still needs is kept."""

    async def test_the_newest_stays(self, saver: AdministeredSaver) -> None:
        records = await told(saver, 40)
        before = await picture_of(saver, "thread")
        removed = await saver.aprune(["thread"])
        assert removed.checkpoints == 39
        assert await parents_of(saver) == {records[-1].id: None}
        assert (await picture_of(saver, "thread")).items() <= before.items()
        assert await saver.aprune(["thread"]) == Removed()

    async def test_values_that_nothing_needs_any_more_go(self, saver: AdministeredSaver) -> None:
        story = await Story.begin(saver)
        for n in range(10):
            await story.step({"a": f"{n} {LONG}", "b": LONG})
        story.end()
        removed = await saver.aprune(["thread"], keep_last=2)
        assert (removed.checkpoints, removed.blobs) == (8, 8)
        assert removed.bytes > 8 * len(LONG)

    async def test_a_pruned_thread_goes_on_and_its_lists_grow(
        self, saver: AdministeredSaver
    ) -> None:
        await told(saver, 20)
        await saver.aprune(["thread"], keep_last=3)
        records = await told(saver, 20)
        assert len(await parents_of(saver)) == 23
        loaded = await saver.load("thread", "", records[-1].id)
        assert loaded is not None
        items = Decoder(saver.serializer).values(loaded)["items"]
        assert items == [f"{n} {LONG}" for n in range(len(items))]
        assert (await saver.averify()).ok

    async def test_the_newest_so_many_stay(self, saver: AdministeredSaver) -> None:
        records = await told(saver, 10)
        await saver.aprune(["thread"], keep_last=4)
        parents = await parents_of(saver)
        assert list(parents) == ids(records[-4:])
        assert parents[records[-4].id] is None
        assert parents[records[-1].id] == records[-2].id

    async def test_what_is_not_older_stays(self, saver: AdministeredSaver) -> None:
        records = await told(saver, 10)
        moment = datetime.fromtimestamp(records[6].created_at, UTC)
        await saver.aprune(["thread"], older_than=moment)
        assert list(await parents_of(saver)) == ids(records[6:])
        await saver.aprune(["thread"], older_than=datetime.now(UTC) - moment, keep_last=2)
        assert list(await parents_of(saver))[:2] == ids(records[-2:])
        await saver.aprune(["thread"], older_than=60)
        assert list(await parents_of(saver)) == ids(records[-1:])

    async def test_the_ends_of_branches_and_where_they_part_stay(
        self, saver: AdministeredSaver
    ) -> None:
        records = await told(saver, 6)
        fork = await branch(saver, records[2], {"items": [LONG]})
        before = await picture_of(saver, "thread")
        await saver.aprune(["thread"])
        assert await parents_of(saver) == {
            fork.id: records[2].id,
            records[5].id: records[2].id,
            records[2].id: None,
        }
        assert (await picture_of(saver, "thread")).items() <= before.items()
        assert await saver.aprune(["thread"]) == Removed()

    async def test_a_pending_interrupt_at_the_end_of_another_branch_stays(
        self, saver: AdministeredSaver
    ) -> None:
        records = await told(saver, 4)
        waiting = await branch(saver, records[0], {"n": 7})
        story = await Story.begin(saver)
        kept = await story.write("task", [("__interrupt__", [LONG])])
        story.end()
        await branch(saver, records[3], {"n": 8})
        removed = await saver.aprune(["thread"], keep_last=1, older_than=60)
        loaded = await saver.load("thread", "", waiting.id)
        assert loaded is not None
        assert (removed.checkpoints, loaded.writes) == (3, (kept,))
        assert Decoder(saver.serializer).writes(loaded)[0].value == [LONG]

    async def test_subgraphs_of_what_stays_stay_and_the_others_go(
        self, saver: AdministeredSaver
    ) -> None:
        records = await told(saver, 4)
        await child_step(saver, "node:1", records[1], {"child": LONG})
        waiting = await child_step(saver, "node:2", records[3], {"child": LONG})
        inner = await child_step(saver, "node:2|inner:3", waiting, {"inner": LONG})
        spaces = ("", "node:1", "node:2", "node:2|inner:3")
        before = await picture_of(saver, "thread", *spaces)
        removed = await saver.aprune(["thread"])
        assert removed.checkpoints == 4
        after = await picture_of(saver, "thread", *spaces)
        assert list(after) == [("", records[3].id), ("node:2", waiting.id), (inner.ns, inner.id)]
        assert after.items() <= before.items()

    async def test_a_subgraph_that_keeps_its_state_keeps_the_newest(
        self, saver: AdministeredSaver
    ) -> None:
        records = await told(saver, 4)
        calls = [await child_step(saver, "memory", each, {"n": each.id}) for each in records[:3]]
        await saver.aprune(["thread"])
        assert list(await picture_of(saver, "thread", "memory")) == [("memory", calls[-1].id)]

    async def test_several_threads_are_pruned_at_once_and_unknown_ones_passed_over(
        self, saver: AdministeredSaver
    ) -> None:
        for thread in ("one", "two", "three"):
            await told(saver, 5, thread)
        removed = await saver.aprune(["one", "two", "nobody", "one"])
        assert removed.checkpoints == 8
        counts = {each.thread_id: each.checkpoints for each in await saver.athreads()}
        assert counts == {"one": 1, "two": 1, "three": 5}

    async def test_the_strategy_delete_deletes(self, saver: AdministeredSaver) -> None:
        for thread in ("one", "two"):
            await told(saver, 5, thread)
        removed = await saver.aprune(["one"], strategy="delete")
        assert removed.checkpoints == 5
        assert [each.thread_id for each in await saver.athreads()] == ["two"]

    async def test_limits_that_cannot_be_are_refused_before_anything_is_changed(
        self, saver: AdministeredSaver
    ) -> None:
        await told(saver, 5)
        now = datetime.now(UTC)
        bad: list[dict[str, Any]] = [
            *({"keep_last": value} for value in (0, -1, True, 1.5, "3")),
            *({"older_than": value} for value in (-1, 0, True, "1d", float("nan"))),
            {"older_than": now.replace(tzinfo=None)},
            {"older_than": now + timedelta(days=1)},
            {"older_than": timedelta(seconds=-1)},
            {"older_than": float("inf")},
            {"strategy": "keep_all"},
            {"strategy": "delete", "keep_last": 2},
            {"strategy": "delete", "older_than": 60},
            {"timeout": -1},
            {"timeout": "soon"},
        ]
        for limits in bad:
            with refused(InvalidLimitError, str(next(iter(limits)))):
                await saver.aprune(["thread"], **limits)
        assert len(await parents_of(saver)) == 5
