"""Suites that every saver passes which has `Administration`: copying, deleting, listing threads.

Used as those of `testing.py`; the fixture `saver` gives an open saver with events.  `AdminSuite`
is all of it.
"""
# ruff: noqa: D102, S101 - a test's name says what it asserts

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .errors import (
    InvalidArgumentError,
    InvalidLimitError,
    StaleClaimError,
    ThreadBusyError,
    ThreadNotEmptyError,
    UnknownThreadError,
)
from .ids import new_id
from .record import EventRow
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
from .testing_prune import PruneSuite, RunsSuite


class CopySuite:
    """A copy is the same thread under another id, and a thread of its own."""

    async def test_a_copy_holds_what_the_thread_holds(self, saver: AdministeredSaver) -> None:
        records = await told(saver, 20, extra={"user": "u"}, run_id=new_id())
        await branch(saver, records[3], {"items": [LONG]})
        await child_step(saver, "node:1", records[5], {"child": LONG})
        story = await Story.begin(saver)
        await story.write("task", [("n", 1), ("items", [LONG, LONG + "2"])])
        await saver.acopy_thread("thread", "copy")
        story.end()
        spaces = ("", "node:1")
        assert await picture_of(saver, "copy", *spaces) == await picture_of(
            saver, "thread", *spaces
        )
        assert await parents_of(saver, "copy") == await parents_of(saver)

    async def test_a_copy_and_its_source_go_on_each_by_itself(
        self, saver: AdministeredSaver
    ) -> None:
        await told(saver, 3)
        await saver.acopy_thread("thread", "copy")
        source = await picture_of(saver, "thread")
        await told(saver, 3, "copy")
        assert await picture_of(saver, "thread") == source
        copy = await picture_of(saver, "copy")
        await saver.adelete_thread("thread")
        assert await picture_of(saver, "copy") == copy
        assert len(copy) == 6

    async def test_a_copy_of_nothing_is_refused(self, saver: AdministeredSaver) -> None:
        with refused(UnknownThreadError, "'nobody'", "threads()"):
            await saver.acopy_thread("nobody", "copy")
        assert await saver.athreads() == []

    async def test_a_target_that_holds_something_is_refused_and_named(
        self, saver: AdministeredSaver
    ) -> None:
        await told(saver, 2)
        there = await told(saver, 3, "other")
        with refused(ThreadNotEmptyError, "'other'", "3 checkpoints", there[-1].id):
            await saver.acopy_thread("thread", "other")
        assert list(await parents_of(saver, "other")) == ids(there)

    async def test_a_thread_is_not_copied_to_itself(self, saver: AdministeredSaver) -> None:
        await told(saver, 2)
        with refused(InvalidArgumentError, "itself"):
            await saver.acopy_thread("thread", "thread")

    async def test_a_target_that_is_in_use_is_waited_for_and_its_owner_named(
        self, saver: AdministeredSaver
    ) -> None:
        await told(saver, 2)
        story = await Story.begin(saver, "copy")
        with refused(ThreadBusyError, "'copy'", "a story"):
            await saver.acopy_thread("thread", "copy", timeout=0)
        story.end()
        await saver.acopy_thread("thread", "copy", timeout=0)

    async def test_events_are_not_copied_and_stay_with_the_source(
        self, saver: AdministeredSaver
    ) -> None:
        run = new_id()
        await told(saver, 2, run_id=run)
        await saver.events.append(run, [(1, b"one")])
        await saver.acopy_thread("thread", "copy")
        await saver.adelete_thread("copy")
        assert await saver.events.read(run, 0, 10) == [(1, b"one")]
        await saver.adelete_thread("thread")
        assert await saver.events.last(run) == 0


class DeleteSuite:
    """What is deleted is gone, and nothing else is."""

    async def test_nothing_is_left_of_a_deleted_thread(self, saver: AdministeredSaver) -> None:
        run = new_id()
        records = await told(saver, 5, run_id=run)
        await child_step(saver, "node:1", records[2], {"child": LONG})
        story = await Story.begin(saver)
        await story.write("task", [("n", LONG)])
        batch = story.batch({"n": 1})
        await story.commit(replace(batch, events=(EventRow("other run", 1, b"one"),)))
        story.end()
        await saver.events.append(run, [(1, b"one")])
        await told(saver, 2, "other")
        removed = await saver.adelete_thread("thread")
        assert removed.checkpoints == 7
        assert removed.blobs >= 6
        assert removed.bytes > 6 * len(LONG)
        assert await picture_of(saver, "thread", "", "node:1") == {}
        assert [each.thread_id for each in await saver.athreads()] == ["other"]
        for gone in (run, "other run"):
            assert await saver.events.last(gone) == 0
        assert (await saver.averify()).ok

    async def test_a_deleted_thread_begins_anew(self, saver: AdministeredSaver) -> None:
        await told(saver, 3)
        await saver.adelete_thread("thread")
        records = await told(saver, 2)
        assert list(await parents_of(saver)) == ids(records)
        loaded = await saver.load("thread")
        assert loaded is not None
        assert loaded.record.version == 2

    async def test_deleting_what_is_not_there_does_nothing(self, saver: AdministeredSaver) -> None:
        assert await saver.adelete_thread("nobody") == Removed()

    async def test_a_thread_in_use_is_waited_for_and_its_owner_named(
        self, saver: AdministeredSaver
    ) -> None:
        story = await Story.begin(saver)
        await story.step({"a": 1})
        with refused(ThreadBusyError, "'thread'", "a story"):
            await saver.adelete_thread("thread", timeout=0)
        with refused(ThreadBusyError, "a story"):
            await saver.aprune(["other", "thread"], timeout=0.01)
        await story.step({"a": 2})
        story.end()
        assert len(await parents_of(saver)) == 2

    async def test_who_claimed_before_writes_no_more(self, saver: AdministeredSaver) -> None:
        story = await Story.begin(saver)
        await story.step({"a": 1})
        late = story.batch({"a": 2})
        story.end()
        await saver.adelete_thread("thread")
        with refused(StaleClaimError, "nothing was stored"):
            await saver.commit(late)
        await told(saver, 1)
        with refused(StaleClaimError, "nothing was stored"):
            await saver.commit(late)

    async def test_a_text_that_is_no_id_is_refused(self, saver: AdministeredSaver) -> None:
        bad: Any
        for bad in (b"", None, 7):
            with refused(InvalidArgumentError, repr(bad)):
                await saver.adelete_thread(bad)
        for bad in ("thread", b"thread"):
            with refused(InvalidArgumentError, "letters", "list"):
                await saver.aprune(bad)


class ListingSuite:
    """Threads can be listed and looked through."""

    async def test_threads_are_listed_the_one_written_last_first(
        self, saver: AdministeredSaver
    ) -> None:
        assert await saver.athreads() == []
        await told(saver, 2, "one")
        records = await told(saver, 3, "two")
        last = await told(saver, 1, "one")
        await child_step(saver, "node:1", records[1], {"child": 1})
        one, two = await saver.athreads()
        assert (one.thread_id, one.checkpoints, one.newest_id) == ("one", 3, last[0].id)
        assert (two.thread_id, two.checkpoints, two.newest_id) == ("two", 4, records[-1].id)
        assert two.updated_at == records[-1].created_at
        assert list(await saver.athreads(limit=1)) == [one]
        bad: Any
        for bad in (-1, True, "all"):
            with refused(InvalidLimitError, repr(bad)):
                await saver.athreads(limit=bad)

    async def test_what_is_sound_is_found_to_be(self, saver: AdministeredSaver) -> None:
        records = await told(saver, 20)
        await branch(saver, records[3], {"items": [LONG]})
        await told(saver, 2, "other")
        found = await saver.averify()
        assert (found.ok, found.threads, found.checkpoints) == (True, 2, 23)
        assert found.blobs >= 20
        found = await saver.averify("other")
        assert (found.ok, found.threads, found.checkpoints) == (True, 1, 2)
        assert (await saver.averify("nobody")).threads == 0
        assert (await saver.averify("")).threads == 0
        await told(saver, 3, "")
        found = await saver.averify("")
        assert (found.ok, found.threads, found.checkpoints) == (True, 1, 3)
        no_id: Any = 7
        with refused(InvalidArgumentError, "thread_id=7", "nothing was changed"):
            await saver.averify(no_id)


class AdminSuite(CopySuite, DeleteSuite, RunsSuite, PruneSuite, ListingSuite):
    """All of them."""
