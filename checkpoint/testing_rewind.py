"""The suite that every saver passes, about going back to what a run found.

Used as those of `testing.py`.
"""
# ruff: noqa: D102, S101 - a test's name says what it asserts

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from .decoder import Decoder
from .errors import CheckpointConflictError, StaleClaimError
from .ids import new_id
from .record import Batch, EventRow, Loaded
from .rewind import RewindPoint, rewind_point
from .story import LONG, SaverWithEvents, Story, refused, values_of


async def point_of(saver: SaverWithEvents, ns: str = "") -> RewindPoint | None:
    """What a scope of the thread holds now, as a point to go back to."""
    loaded = await saver.load("thread", ns)
    return rewind_point(loaded, loaded.record.id) if loaded else None


def places_in(loaded: Loaded) -> dict[int, list[tuple[int, int]]]:
    """Where its blob rows stand; their bytes differ where they are encrypted."""
    return {key: [(row.start, row.count) for row in rows] for key, rows in loaded.blobs.items()}


async def all_of(saver: SaverWithEvents, ns: str = "") -> Sequence[Loaded]:
    """All that is stored for a scope of the thread."""
    return await saver.history("thread", ns, limit=1000)


async def rewound(
    saver: SaverWithEvents, story: Story, points: Mapping[str, RewindPoint | None]
) -> Story:
    """End a story by going back, and begin the next one."""
    await saver.rewind(story.claim, points)
    story.end()
    return await Story.begin(saver)


class RewindSuite:
    """After a rewind the thread is what it would be if the run had never been."""

    async def test_a_rewound_thread_holds_what_it_held_before(self, saver: SaverWithEvents) -> None:
        story = await Story.begin(saver)
        for n in range(5):
            await story.step({"n": n, "big": LONG * n, "list": [LONG] * n})
        point, before = await point_of(saver), await all_of(saver)
        for n in range(5, 25):
            await story.step({"n": n, "big": LONG * n, "list": [LONG] * n, "new": LONG})
            await story.write("task", [("big", LONG + "pending"), ("list", [LONG, "x"])])
        await rewound(saver, story, {"": point})
        assert await all_of(saver) == before
        assert await saver.load("thread") == before[0]

    async def test_a_thread_that_was_new_is_gone(self, saver: SaverWithEvents) -> None:
        story = await Story.begin(saver)
        await story.step({"a": LONG, "list": [LONG]})
        await story.write("task", [("a", LONG)])
        story = await rewound(saver, story, {"": None})
        assert await saver.load("thread") is None
        assert await all_of(saver) == []
        record = await story.step({"a": LONG + "again"})
        assert record.entries["a"].version == 1
        assert await values_of(saver) == {"a": LONG + "again"}

    async def test_every_scope_that_is_named_is_rewound_and_no_other(
        self, saver: SaverWithEvents
    ) -> None:
        story = await Story.begin(saver)
        await story.step({"a": 1})
        children = {ns: Story(saver, story.claim, ns, None) for ns in ("old:1", "other:1")}
        for child in children.values():
            await child.step({"c": [LONG]})
        points = {ns: await point_of(saver, ns) for ns in ("", "old:1", "new:1", "never:1")}
        before = await all_of(saver, "old:1")
        children["new:1"] = Story(saver, story.claim, "new:1", None)
        for child in children.values():
            await child.step({"c": [LONG, LONG]})
        await story.step({"a": 2})
        await rewound(saver, story, points)
        assert await values_of(saver) == {"a": 1}
        assert await all_of(saver, "old:1") == before
        assert await all_of(saver, "new:1") == []
        assert await values_of(saver, ns="other:1") == {"c": [LONG, LONG]}

    async def test_a_list_goes_on_in_place_as_if_the_run_had_never_been(
        self, saver: SaverWithEvents
    ) -> None:
        async def chat(story: Story, *words: str) -> None:
            for word in words:
                messages.append(f"{word} {LONG}")
                await story.step({"messages": messages, "last": f"{word} {LONG}"})

        messages: list[str] = []
        story = await Story.begin(saver)
        await chat(story, "a", "b", "c")
        story.end()
        story, kept = await Story.begin(saver), list(messages)
        point = await point_of(saver)
        await chat(story, "lost", "also lost")
        messages[:] = kept
        story = await rewound(saver, story, {"": point})
        await chat(story, "d", "e")

        loaded = await saver.load("thread")
        assert loaded is not None
        assert Decoder(saver.serializer).values(loaded)["messages"] == messages
        story.end()
        plain = await Story.begin(saver, "never rewound")
        messages.clear()
        await chat(plain, "a", "b", "c")
        plain.end()
        plain = await Story.begin(saver, "never rewound")
        await chat(plain, "d", "e")
        same = await saver.load("never rewound")
        assert same is not None
        assert (places_in(loaded), loaded.next_key) == (places_in(same), same.next_key)
        assert loaded.record.entries == same.record.entries

    async def test_items_that_only_an_older_checkpoint_shows_stay(
        self, saver: SaverWithEvents
    ) -> None:
        story = await Story.begin(saver)
        await story.step({"list": [LONG, LONG + "2", LONG + "3"]})
        await story.step({"list": [LONG]})
        story.end()
        story = await Story.begin(saver)
        point, before = await point_of(saver), await all_of(saver)
        await story.step({"list": [LONG, LONG + "lost"]})
        await rewound(saver, story, {"": point})
        assert await all_of(saver) == before
        lists = [Decoder(saver.serializer).values(h)["list"] for h in before]
        assert lists == [[LONG], [LONG, LONG + "2", LONG + "3"]]

    async def test_the_pending_writes_of_the_point_are_what_they_were(
        self, saver: SaverWithEvents
    ) -> None:
        story = await Story.begin(saver)
        await story.step({"a": 1})
        await story.write("failed", [("error", LONG)])
        await story.write("done", [("list", [LONG])])
        story.end()
        story = await Story.begin(saver)
        point, before = await point_of(saver), await saver.load("thread")
        await story.write("failed", [("a", LONG + "second try")])
        await story.write("new", [("list", [LONG, LONG])])
        await story.step({"a": 2})
        await rewound(saver, story, {"": point})
        assert await saver.load("thread") == before

    async def test_a_branch_is_forgotten_and_the_main_line_stays(
        self, saver: SaverWithEvents
    ) -> None:
        story = await Story.begin(saver)
        first = await story.step({"list": [LONG]})
        await story.write("task", [("list", [LONG + "pending"])])
        head = await story.step({"list": [LONG, LONG + "main"]})
        before, old = await all_of(saver), await saver.load("thread", "", first.id)
        assert old is not None
        branch = Story(saver, story.claim, "", old)
        branch.head = replace(first, id=head.id)  # ids of a scope must grow
        batch = branch.batch({"list": [LONG, LONG + "branch"]})
        fork = replace(batch.checkpoints[0], parent_id=first.id)
        await saver.commit(replace(batch, checkpoints=(fork,)))
        await rewound(saver, story, {"": rewind_point(old, head.id)})
        assert await all_of(saver) == before

    async def test_what_follows_a_rewind_keeps_its_own_metadata(
        self, saver: SaverWithEvents
    ) -> None:
        runs = [new_id(), new_id()]
        story = await Story.begin(saver)
        for n in range(3):
            await story.step({"n": n}, run_id=runs[0], extra={"user": "first"})
        point = await point_of(saver)
        await story.step({"n": 3}, run_id=runs[1], extra={"user": "second"})
        story = await rewound(saver, story, {"": point})
        for n in range(20):
            await story.step({"n": n}, run_id=runs[1], extra={"user": "second"})
        found = [h.record.metadata for h in await all_of(saver)]
        assert [m.run_id for m in found] == [runs[1]] * 20 + [runs[0]] * 3
        assert [m.extra["user"] for m in found] == ["second"] * 20 + ["first"] * 3

    async def test_after_a_rewind_its_claim_stores_nothing_more(
        self, saver: SaverWithEvents
    ) -> None:
        story = await Story.begin(saver)
        await story.step({"a": 1})
        point, late = await point_of(saver), story.batch({"a": 2})
        await saver.rewind(story.claim, {"": point})
        with refused(StaleClaimError, "rewound", "nothing was stored"):
            await saver.commit(late)
        await saver.rewind(story.claim, {"": point})
        story.end()
        with refused(StaleClaimError):
            await saver.commit(late)
        await (await Story.begin(saver)).step({"a": 3})
        assert await values_of(saver) == {"a": 3}

    async def test_a_claim_that_is_over_rewinds_nothing(self, saver: SaverWithEvents) -> None:
        old = await Story.begin(saver)
        await old.step({"a": 1})
        point = await point_of(saver)
        old.end()
        with refused(StaleClaimError, "'thread'"):
            await saver.rewind(old.claim, {"": None})
        new = await Story.begin(saver)
        await new.step({"a": 2})
        with refused(StaleClaimError, "claim the thread"):
            await saver.rewind(old.claim, {"": point})
        await new.step({"a": 3})
        assert await values_of(saver) == {"a": 3}

    async def test_a_point_of_another_thread_is_refused_and_nothing_changed(
        self, saver: SaverWithEvents
    ) -> None:
        story = await Story.begin(saver)
        await story.step({"a": 1})
        point = await point_of(saver)
        await story.step({"a": 2})
        assert point is not None
        strange = replace(point, base=new_id())
        for ns in ("node:1", ""):
            with refused(CheckpointConflictError, strange.base, "nothing was changed"):
                await saver.rewind(story.claim, {"other": None, "": point} | {ns: strange})
        assert await values_of(saver) == {"a": 2}

    async def test_other_threads_and_run_events_stay(self, saver: SaverWithEvents) -> None:
        other = await Story.begin(saver, "other")
        await other.step({"a": LONG})
        story = await Story.begin(saver)
        batch = story.batch({"a": LONG})
        await story.commit(replace(batch, events=(EventRow("run", 1, b"one"),)))
        await rewound(saver, story, {"": None})
        assert await values_of(saver, "other") == {"a": LONG}
        assert await saver.events.read("run", 0, 10) == [(1, b"one")]
        await saver.commit(Batch("other", other.claim.epoch, events=(EventRow("run", 2, b"two"),)))
        assert await saver.events.last("run") == 2
