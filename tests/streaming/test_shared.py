"""Readers who see the same of the same events are given the same chunks."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from streaming import Chunk, Custom, Event, RunLog, TaskFinished
from streaming.shared import LastShown
from streaming.view import View
from tests.streaming.lib import publish, take

CUSTOM = View(("custom",))


class Said:
    """A value that a test can see go."""


def said(*ids: int) -> list[Event]:
    return [Custom(id=event_id, data=event_id) for event_id in ids]


def data_in(chunks: Any) -> list[Any]:
    return [chunk.data for chunk in chunks]


class TestLastShown:
    def test_all_who_see_the_same_are_given_the_same_chunks(self) -> None:
        shown = LastShown()
        mine, yours = (shown.chunks(View(("custom",)), said(1, 2), 0, 3) for _ in range(2))
        assert data_in(mine) == [1, 2]
        assert [id(chunk) for chunk in mine] == [id(chunk) for chunk in yours]

    def test_nothing_is_held_once_as_many_have_it_as_there_are(self) -> None:
        shown = LastShown()
        held = [(shown.chunks(CUSTOM, said(1, 2), 0, 3), shown.held)[1] for _ in range(3)]
        assert held == [2, 2, 0]

    def test_nothing_is_held_for_a_single_reader(self) -> None:
        shown = LastShown()
        assert data_in(shown.chunks(CUSTOM, said(1), 0, 1)) == [1]
        assert shown.held == 0

    def test_one_batch_is_held_at_most_whatever_the_places_of_the_readers(self) -> None:
        shown = LastShown()
        for ids in ((1, 2), (1,), (2,), (1, 2, 3), (2, 3), (1, 2)):
            assert data_in(shown.chunks(CUSTOM, said(*ids), 0, 9)) == list(ids)
            assert shown.held == len(ids)

    def test_who_sees_something_else_of_the_same_events_is_given_chunks_of_its_own(self) -> None:
        shown = LastShown()
        inner = Custom(id=2, ns=("inner:1",), data="inner")
        done = TaskFinished(id=3, task_id="t", name="node", update={"a": 1, "b": 2}, result={})
        views: list[tuple[View, list[Any]]] = [
            (View(("custom",)), [1]),
            (View(("custom",), subgraphs=True), [1, "inner"]),
            (View(("updates",)), [{"node": {"a": 1, "b": 2}}]),
            (View(("updates",), output_keys=["a"]), [{"node": {"a": 1}}]),
            (View(("updates",), output_keys="a"), [{"node": 1}]),
            (View(("custom", "updates")), [1, {"node": {"a": 1, "b": 2}}]),
            (View(("custom",), where=lambda event: event.id == 9), []),
            (View(("custom",), make=lambda *of: Chunk(0, (), "custom", of[3])), [1]),
        ]
        for _ in range(2):
            for view, expected in views:
                events: list[Event] = [*said(1), inner, done]
                assert data_in(shown.chunks(view, events, 0, 99)) == expected

    def test_who_comes_back_in_the_middle_of_an_event_does_not_see_its_beginning_again(
        self,
    ) -> None:
        shown, view = LastShown(), View(("updates", "debug"))
        events: list[Event] = [
            TaskFinished(id=1, task_id="t", name="node", update={"a": 1}, result={})
        ]
        whole = shown.chunks(view, events, 0, 9)
        assert [chunk.mode for chunk in whole] == ["updates", "debug"]
        rest = shown.chunks(view, events, whole[0].id, 9)
        assert [chunk.mode for chunk in rest] == ["debug"]


class TestReadersOfALog:
    @pytest.mark.parametrize("keep", [True, False])
    async def test_they_share_their_chunks_and_leave_none_behind(self, keep: bool) -> None:
        log = RunLog("run", keep=keep)
        readers = [log.subscribe("custom") for _ in range(3)]
        publish(log, "a", "b")
        firsts = [await anext(reader) for reader in readers]
        assert len({id(chunk) for chunk in firsts}) == 1
        assert [await take(reader, 1) for reader in readers] == [["b"]] * 3

    async def test_what_a_reader_that_has_left_would_have_taken_is_not_held(self) -> None:
        log = RunLog("run", keep=True, max_events=1)
        mine, other = log.subscribe("custom"), log.subscribe("custom")
        value = Said()
        gone = weakref.ref(value)
        publish(log, value)
        del value
        await take(mine, 1)
        other.close()
        publish(log, "next")  # pushes it out of the ring
        gc.collect()
        assert gone() is None

    async def test_a_reader_that_is_behind_gets_all_that_others_had_before(self) -> None:
        log = RunLog("run")
        fast, slow = log.subscribe("custom"), log.subscribe("custom")
        for at in range(5):
            publish(log, at)
            assert await take(fast, 1) == [at]
        publish(log, 5)
        assert await take(slow, 6) == [0, 1, 2, 3, 4, 5]
        assert await take(fast, 1) == [5]

    async def test_the_owner_is_given_what_it_may_keep_for_itself(self) -> None:
        log = RunLog("run", keep=False)
        owner, other = log.own("custom"), log.subscribe("custom")
        publish(log, "a")
        assert await anext(owner) is not await anext(other)
