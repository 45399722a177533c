"""Suites that every saver passes.

Inherit a suite in a test module and give the fixture it asks for, a saver that is open:

    class TestMySaver(SaverSuite, EventTableSuite):
        @pytest.fixture
        async def saver(self):
            async with MySaver() as saver:
                yield saver

`testing_concurrency.py` has the suites about claims and about callers at the same time,
`testing_rewind.py` the one about forgetting a run.
"""
# ruff: noqa: D102, S101 - a test's name says what it asserts

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

from .decoder import Decoder
from .errors import CheckpointConflictError, InvalidIdError, SerializationError, StaleClaimError
from .ids import IdSource as IdSource  # noqa: PLC0414 - simulations use it
from .ids import ids_from as ids_from  # noqa: PLC0414 - the same
from .ids import new_id
from .record import BlobRow, Entry, EventRow, Inline, TaskWrites, Whole
from .story import LONG, SaverWithEvents, Story, refused, values_of


class SaverSuite:
    """What is committed can be loaded, and nothing else."""

    async def test_an_unknown_thread_has_no_checkpoints(self, saver: SaverWithEvents) -> None:
        assert await saver.load("nobody") is None
        assert await saver.load("nobody", "", new_id()) is None
        assert await saver.history("nobody") == []

    async def test_a_committed_checkpoint_comes_back_as_it_was(
        self, saver: SaverWithEvents
    ) -> None:
        story = await Story.begin(saver)
        extra = {"user": "u", "nested": {"tags": ["a", 1, None]}}
        await story.step({"a": 1, "b": LONG, "c": [LONG, LONG]}, source="input", extra=extra)
        record = await story.step({"a": 2}, dropped=["b"], run_id=new_id())
        loaded = await saver.load("thread")
        assert loaded is not None
        assert loaded.record == record
        assert (loaded.newest, loaded.writes) == (True, ())
        assert loaded.newest_id == record.id
        assert Decoder(saver.serializer).values(loaded) == {"a": 2, "c": [LONG, LONG]}

    async def test_a_long_line_of_checkpoints_comes_back_one_by_one(
        self, saver: SaverWithEvents
    ) -> None:
        story = await Story.begin(saver)
        records = [await story.step({f"c{i % 7}": i, "all": [LONG] * i}) for i in range(40)]
        for at, record in enumerate(records):
            loaded = await saver.load("thread", "", record.id)
            assert loaded is not None
            assert (loaded.record, loaded.newest) == (record, at == 39)
            assert Decoder(saver.serializer).values(loaded)["all"] == [LONG] * at

    async def test_what_the_caller_changes_later_does_not_change_what_is_stored(
        self, saver: SaverWithEvents
    ) -> None:
        story = await Story.begin(saver)
        messages, extra = [{"text": LONG}], {"tags": ["a"]}
        await story.step({"messages": messages}, extra=extra)
        messages[0]["text"] = "other"
        extra["tags"].append("b")
        loaded = await saver.load("thread")
        assert loaded is not None
        assert loaded.record.metadata.extra == {"tags": ["a"]}
        assert Decoder(saver.serializer).values(loaded) == {"messages": [{"text": LONG}]}

    async def test_what_a_reader_changes_does_not_change_what_others_read(
        self, saver: SaverWithEvents
    ) -> None:
        story = await Story.begin(saver)
        await story.step({"a": 1}, extra={"tags": ["a"]})
        for _ in range(2):
            loaded = await saver.load("thread")
            assert loaded is not None
            metadata = loaded.record.metadata
            assert (metadata.parents, metadata.extra) == ({}, {"tags": ["a"]})
            cast("dict[str, str]", metadata.parents)["node"] = "other"
            metadata.extra["tags"].append("b")
            cast("dict[str, Entry]", loaded.record.entries).clear()
        assert await values_of(saver) == {"a": 1}

    async def test_metadata_that_cannot_be_stored_is_named(self, saver: SaverWithEvents) -> None:
        story = await Story.begin(saver)
        batch = story.batch({"a": 1}, extra={"fine": 1, "client": object()})
        with refused(SerializationError, "config['metadata']['client']: "):
            await saver.commit(batch)
        assert await saver.load("thread") is None

    async def test_scopes_of_a_thread_are_apart(self, saver: SaverWithEvents) -> None:
        story = await Story.begin(saver)
        await story.step({"a": LONG})
        child = Story(saver, story.claim, "node:1", None)
        await child.step({"a": LONG + "child"})
        assert await values_of(saver) == {"a": LONG}
        assert await values_of(saver, ns="node:1") == {"a": LONG + "child"}
        assert await saver.load("thread", "node:2") is None

    async def test_a_branch_from_an_old_checkpoint_leaves_the_others_alone(
        self, saver: SaverWithEvents
    ) -> None:
        story = await Story.begin(saver)
        first = await story.step({"list": [LONG]})
        await story.step({"list": [LONG, LONG + "main"]})
        old = await saver.load("thread", "", first.id)
        assert old is not None
        assert not old.newest
        branch = Story(saver, story.claim, "", old)
        branch.head = replace(first, id=story.head.id) if story.head else None
        batch = branch.batch({"list": [LONG, LONG + "branch"]})
        fork = replace(batch.checkpoints[0], parent_id=first.id)
        await saver.commit(replace(batch, checkpoints=(fork,)))
        lists = [Decoder(saver.serializer).values(h)["list"] for h in await saver.history("thread")]
        assert lists == [[LONG, LONG + "branch"], [LONG, LONG + "main"], [LONG]]

    async def test_next_key_follows_every_row_that_is_stored(self, saver: SaverWithEvents) -> None:
        story = await Story.begin(saver)
        first = await story.step({"a": LONG})
        await story.write("task", [("a", LONG + "2")])
        await story.step({"a": LONG + "3"})
        for checkpoint_id in (None, first.id):
            loaded = await saver.load("thread", "", checkpoint_id)
            assert loaded is not None
            assert loaded.next_key == 3

    async def test_pending_writes_come_back_with_their_checkpoint(
        self, saver: SaverWithEvents
    ) -> None:
        story = await Story.begin(saver)
        first = await story.step({"a": 1})
        tasks = [new_id(), new_id()]
        for task_id in tasks:
            await story.write(task_id, [("a", 2), ("b", [LONG, LONG]), ("a", LONG)])
        await story.step({"a": 3})
        old = await saver.load("thread", "", first.id)
        assert old is not None
        writes = [(w.task_id, w.channel, w.value) for w in Decoder(saver.serializer).writes(old)]
        expected = [("a", 2), ("b", [LONG, LONG]), ("a", LONG)]
        assert writes == [(task_id, *write) for task_id in tasks for write in expected]
        newest = await saver.load("thread")
        assert newest is not None
        assert newest.writes == ()

    async def test_a_task_that_runs_again_replaces_its_writes(self, saver: SaverWithEvents) -> None:
        story = await Story.begin(saver)
        await story.step({"a": 1})
        await story.write("task", [("error", "no")])
        kept = await story.write("task", [("a", 2)])
        loaded = await saver.load("thread")
        assert loaded is not None
        assert loaded.writes == (kept,)

    async def test_history_is_newest_first_and_pages(self, saver: SaverWithEvents) -> None:
        story = await Story.begin(saver)
        ids = [(await story.step({"n": n})).id for n in range(25)]
        ids.reverse()
        page = await saver.history("thread", limit=10)
        rest = await saver.history("thread", before=page[-1].record.id, limit=100)
        assert [h.record.id for h in (*page, *rest)] == ids
        assert [h.newest for h in (*page, *rest)] == [True] + [False] * 24
        assert {h.newest_id for h in (*page, *rest)} == {ids[0]}
        assert await saver.history("thread", limit=0) == []
        assert await saver.history("thread", before=ids[-1]) == []

    async def test_history_counts_only_what_matches(self, saver: SaverWithEvents) -> None:
        story = await Story.begin(saver)
        run = new_id()
        for n in range(20):
            await story.step(
                {"n": n},
                source="input" if n % 5 == 0 else "loop",
                run_id=run if n < 10 else None,
                extra={"user": n % 2, "none": None},
            )

        async def steps(limit: int = 100, **match: Any) -> list[int]:
            found = await saver.history("thread", limit=limit, match=match)
            return [h.record.metadata.step for h in found]

        assert await steps(source="input") == [14, 9, 4, -1]
        assert await steps(source="input", limit=2) == [14, 9]
        assert await steps(run_id=run, user=1) == [8, 6, 4, 2, 0]
        assert await steps(step=3) == [3]
        assert await steps(none=None, step=4) == [4]
        assert await steps(unknown=None, step=3) == [3]  # what is not there counts as None
        assert await steps(unknown=1) == []

    async def test_a_page_of_history_shares_the_rows_of_a_shared_list(
        self, saver: SaverWithEvents
    ) -> None:
        story = await Story.begin(saver)
        messages: list[str] = []
        for n in range(30):
            messages.append(f"{n} {LONG}")
            await story.step({"messages": messages})
        page = await saver.history("thread", limit=30)
        decoder = Decoder(saver.serializer)
        lists = [decoder.values(h)["messages"] for h in page]
        assert [len(found) for found in lists] == list(range(30, 0, -1))
        assert all(found[0] is lists[0][0] for found in lists), "decoded once"

    async def test_a_batch_that_does_not_fit_changes_nothing(self, saver: SaverWithEvents) -> None:
        story = await Story.begin(saver)
        first = await story.step({"a": LONG})
        good = story.batch({"a": LONG + "2", "b": [LONG]})
        event = EventRow("run", 2, b"not the first")
        lost = TaskWrites("", new_id(), "task", (("a", Inline(0, b"\x01")),))
        for bad in (
            replace(good, checkpoints=(replace(good.checkpoints[0], id=first.id),)),
            replace(good, checkpoints=(good.checkpoints[0], good.checkpoints[0])),
            replace(good, blobs=(*good.blobs, BlobRow("", 0, 0, 0, b"other"))),
            replace(good, events=(event,)),
            replace(good, writes=(lost,)),
        ):
            with refused(CheckpointConflictError, "nothing was changed"):
                await saver.commit(bad)
        loaded = await saver.load("thread")
        assert loaded is not None
        assert (loaded.record, loaded.next_key) == (first, 1)
        assert await saver.events.last("run") == 0
        assert await story.commit(good) == good.checkpoints[0]

    async def test_an_id_that_is_not_newer_or_no_id_is_refused(
        self, saver: SaverWithEvents
    ) -> None:
        story = await Story.begin(saver)
        early = new_id()
        await story.step({"a": 1})
        batch = story.batch({"a": 2})
        with refused(CheckpointConflictError, early, "new_id"):
            await saver.commit(
                replace(batch, checkpoints=(replace(batch.checkpoints[0], id=early),))
            )
        with refused(InvalidIdError, "'one'", "new_id"):
            await saver.commit(
                replace(batch, checkpoints=(replace(batch.checkpoints[0], id="one"),))
            )
        assert await saver.load("thread", "", "one") is None
        with refused(InvalidIdError, "'one'"):
            await saver.history("thread", before="one")

    async def test_metadata_that_cannot_be_stored_is_refused(self, saver: SaverWithEvents) -> None:
        story = await Story.begin(saver)
        with refused(SerializationError):
            await saver.commit(story.batch({"a": 1}, extra={"bad": object()}))
        assert await saver.load("thread") is None

    async def test_a_value_that_is_only_referenced_is_found(self, saver: SaverWithEvents) -> None:
        story = await Story.begin(saver)
        await story.step({"big": LONG, "other": 1})
        record = await story.step({"other": 2})
        entry: Entry = record.entries["big"]
        assert entry == Whole(1, 0)
        assert await values_of(saver) == {"big": LONG, "other": 2}

    async def test_a_dict_that_points_to_items_of_a_list_comes_back_with_them(
        self, saver: SaverWithEvents
    ) -> None:
        story = await Story.begin(saver)
        await story.step({"said": ["first " + LONG]})
        given: dict[str, Any] = {"n": 1, "said": [LONG]}
        alone = story.batch({"given": given})
        taken = story.batch({"said": ["first " + LONG, LONG]})
        entry = story.encoder.compose("given", given, alone.checkpoints[0].version)
        assert entry is not None
        first = alone.checkpoints[0]
        first = replace(first, entries={**first.entries, "given": entry})
        await story.commit(replace(alone, checkpoints=(first,), blobs=taken.blobs))
        await story.step({"said": ["first " + LONG, LONG, "more " + LONG]}, dropped=("given",))
        found = await saver.load("thread", "", first.id)
        assert found is not None
        assert found.record.entries == first.entries
        values = Decoder(saver.serializer).values(found)
        assert values == {"given": given, "said": ["first " + LONG]}


class EventTableSuite:
    """Run events are kept without gaps."""

    async def test_events_come_back_in_order_and_in_pages(self, saver: SaverWithEvents) -> None:
        await saver.events.append("run", [(n, b"%d" % n) for n in range(1, 6)])
        await saver.events.append("run", [(6, b"6")])
        await saver.events.append("other", [(1, b"o")])
        assert await saver.events.last("run") == 6
        assert await saver.events.last("nobody") == 0
        assert await saver.events.read("run", 0, 2) == [(1, b"1"), (2, b"2")]
        assert await saver.events.read("run", 4, 10) == [(5, b"5"), (6, b"6")]
        assert await saver.events.read("run", 6, 10) == []
        assert await saver.events.read("nobody", 0, 10) == []

    async def test_an_id_that_is_not_the_next_is_refused(self, saver: SaverWithEvents) -> None:
        await saver.events.append("run", [(1, b"1")])
        for rows in ([(1, b"")], [(3, b"")], [(2, b""), (4, b"")], [(0, b"")]):
            with refused(CheckpointConflictError, "'run'", "nothing was changed"):
                await saver.events.append("run", rows)
        await saver.events.append("run", [])
        assert await saver.events.last("run") == 1

    async def test_events_go_in_with_their_checkpoint(self, saver: SaverWithEvents) -> None:
        story = await Story.begin(saver)
        rows = (EventRow("run", 1, b"one"), EventRow("run", 2, b"two"), EventRow("r2", 1, b"x"))
        await story.commit(replace(story.batch({"a": 1}), events=rows))
        assert await saver.events.read("run", 0, 10) == [(1, b"one"), (2, b"two")]
        stale = replace(story.batch({"a": 2}), epoch=0, events=(EventRow("run", 3, b"no"),))
        with refused(StaleClaimError):
            await saver.commit(stale)
        assert await saver.events.last("run") == 2

    async def test_forgotten_events_are_gone_and_those_of_other_runs_stay(
        self, saver: SaverWithEvents
    ) -> None:
        story = await Story.begin(saver)
        await story.commit(
            replace(story.batch({"a": LONG}), events=(EventRow("one", 1, b"with the step"),))
        )
        await saver.events.append("one", [(2, b"later")])
        await saver.events.append("two", [(1, b"alone")])
        await saver.events.append("three", [(1, b"stays")])
        await saver.events.forget(["one", "two", "nobody"])
        for run_id in ("one", "two"):
            assert await saver.events.last(run_id) == 0
            assert await saver.events.read(run_id, 0, 10) == []
        assert await saver.events.read("three", 0, 10) == [(1, b"stays")]
        assert await values_of(saver) == {"a": LONG}

    async def test_a_run_whose_events_were_forgotten_begins_anew(
        self, saver: SaverWithEvents
    ) -> None:
        await saver.events.append("run", [(1, b"1"), (2, b"2")])
        await saver.events.forget(["run"])
        await saver.events.append("run", [(1, b"new")])
        assert await saver.events.read("run", 0, 10) == [(1, b"new")]

    async def test_the_size_of_a_run_is_that_of_its_events(self, saver: SaverWithEvents) -> None:
        await saver.events.append("run", [(1, b"12345"), (2, b""), (3, b"678")])
        await saver.events.append("other", [(1, b"x")])
        assert await saver.events.size("run") == 8
        assert await saver.events.size("nobody") == 0
        await saver.events.forget(["run"])
        assert await saver.events.size("run") == 0
