"""An effect's life, noted: what is called, what is given back, what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from actors import OutcomeUnknown, OwnTaskError
from actors.once import Book, Effect, Known, OnUnknown, Stage, effect_id, perform, run_through
from checkpoint import UnregisteredTypeError

PAY = Effect("id of pay", "pay", "retry")
CAREFUL = Effect("id of pay", "pay", "raise")


class Diary:
    """A world that keeps what it is told in a list, and calls what it was given."""

    def __init__(self, act: Callable[[], Any], *, fails_at: str = "") -> None:
        self.lines: list[str] = []
        self.called = asyncio.Event()
        self._act = act
        self._fails_at = fails_at

    async def note(self, effect: Effect, stage: Stage, result: Any = None) -> Known:
        if stage == self._fails_at:
            raise OSError(f"the disk is full at {stage!r}")
        if stage == "done" and callable(result):
            raise UnregisteredTypeError("a function cannot be stored")
        self.lines.append(stage)
        return Known(stage, (lambda: result) if stage == "done" else None)

    async def act(self) -> Any:
        self.lines.append("call")
        self.called.set()
        result = self._act()
        return await result if asyncio.iscoroutine(result) else result

    async def join(self, over: Future[None]) -> None:
        await asyncio.shield(asyncio.wrap_future(over))


def fails() -> Any:
    raise LookupError("no such account")


def book(known: Known | None = None) -> Book:
    return Book({} if known is None else {PAY.id: known})


async def test_the_intent_is_noted_before_the_call_and_the_result_after_it() -> None:
    diary = Diary(lambda: 7)
    assert await perform(PAY, book(), diary) == 7
    assert diary.lines == ["intent", "call", "done"]


async def test_a_second_ask_gets_the_first_ones_result_without_a_call() -> None:
    shared, diary = book(), Diary(lambda: 7)
    assert [await perform(PAY, shared, diary) for _ in range(3)] == [7, 7, 7]
    assert diary.lines.count("call") == 1


async def test_what_an_earlier_run_has_done_is_read_anew_each_time() -> None:
    shared, diary = book(Known("done", lambda: ["paid"])), Diary(fails)
    first, second = [await perform(CAREFUL, shared, diary) for _ in range(2)]
    assert first == second == ["paid"]
    assert first is not second
    assert diary.lines == []


async def test_an_intent_without_a_result_is_called_again_when_that_is_asked_for() -> None:
    diary = Diary(lambda: 7)
    assert await perform(PAY, book(Known("intent")), diary) == 7
    assert diary.lines == ["intent", "call", "done"]


async def test_an_intent_without_a_result_raises_when_that_is_asked_for() -> None:
    diary = Diary(lambda: 7)
    with pytest.raises(OutcomeUnknown, match="nothing says whether it was done") as caught:
        await perform(CAREFUL, book(Known("intent")), diary)
    assert (caught.value.key, caught.value.idempotency_key) == ("pay", "id of pay")
    assert diary.lines == []


@pytest.mark.parametrize("stage", ["intent", "failed"])
async def test_a_call_that_was_made_again_is_not_made_a_third_time(stage: Stage) -> None:
    shared, diary = book(Known(stage)), Diary(lambda: 7)
    assert [await perform(PAY, shared, diary) for _ in range(2)] == [7, 7]
    assert diary.lines == ["intent", "call", "done"]


@pytest.mark.parametrize("on_unknown", ["retry", "raise"])
async def test_a_result_that_was_lost_is_never_called_for_again(on_unknown: OnUnknown) -> None:
    diary = Diary(lambda: 7)
    with pytest.raises(OutcomeUnknown, match="would repeat the effect"):
        await perform(Effect(PAY.id, "pay", on_unknown), book(Known("lost")), diary)
    assert diary.lines == []


async def test_what_the_call_raises_is_noted_as_failed_and_the_next_ask_calls_again() -> None:
    shared, diary = book(), Diary(fails)
    for _ in range(2):
        with pytest.raises(LookupError, match="no such account"):
            await perform(CAREFUL, shared, diary)
    assert diary.lines == ["intent", "call", "failed"] * 2


async def test_a_result_that_cannot_be_stored_is_noted_as_lost_and_says_that_it_was_done() -> None:
    shared, diary = book(), Diary(lambda: fails)
    with pytest.raises(UnregisteredTypeError) as caught:
        await perform(PAY, shared, diary)
    assert "done all the same" in "".join(caught.value.__notes__)
    assert diary.lines == ["intent", "call", "lost"]
    with pytest.raises(OutcomeUnknown):
        await perform(PAY, shared, diary)


async def test_nothing_is_called_when_the_intent_cannot_be_noted() -> None:
    shared, full = book(), Diary(lambda: 7, fails_at="intent")
    with pytest.raises(OSError, match="'intent'"):
        await perform(PAY, shared, full)
    assert full.lines == []
    assert await perform(CAREFUL, shared, Diary(lambda: 8)) == 8


async def test_a_result_that_was_not_noted_is_still_given_back_as_long_as_the_book_lives() -> None:
    shared, full = book(), Diary(lambda: 7, fails_at="done")
    with pytest.raises(OSError, match="'done'"):
        await perform(PAY, shared, full)
    later = Diary(fails)
    assert [await perform(CAREFUL, shared, later) for _ in "ab"] == [7, 7]
    assert later.lines == ["done"]  # noted by the first who asks again


async def test_a_result_that_turns_out_to_be_none_when_it_is_noted_late_is_lost() -> None:
    shared, full = book(), Diary(lambda: fails, fails_at="done")
    with pytest.raises(OSError, match="'done'"):
        await perform(PAY, shared, full)
    later = Diary(fails)
    with pytest.raises(UnregisteredTypeError):
        await perform(PAY, shared, later)
    assert later.lines == ["lost"]
    with pytest.raises(OutcomeUnknown, match="would repeat the effect"):
        await perform(PAY, shared, later)


async def test_asks_at_the_same_time_make_one_call() -> None:
    shared, gate = book(), asyncio.Event()

    async def slow() -> int:
        await gate.wait()
        return 7

    diary = Diary(slow)
    asks = [asyncio.create_task(perform(PAY, shared, diary)) for _ in range(5)]
    await diary.called.wait()
    gate.set()
    assert await asyncio.gather(*asks) == [7] * 5
    assert diary.lines.count("call") == 1


async def test_who_waits_for_a_call_that_fails_makes_it_itself() -> None:
    shared, gate, calls = book(), asyncio.Event(), 0

    async def first_fails() -> int:
        nonlocal calls
        calls += 1
        if calls > 1:
            return calls
        await gate.wait()
        return fails()

    diary = Diary(first_fails)
    asks = [asyncio.create_task(perform(PAY, shared, diary)) for _ in range(3)]
    await diary.called.wait()
    gate.set()
    first, *others = await asyncio.gather(*asks, return_exceptions=True)
    assert isinstance(first, LookupError)
    assert others == [2, 2]


async def test_a_call_that_is_cancelled_leaves_its_outcome_unknown() -> None:
    shared, diary = book(), Diary(asyncio.Event().wait)
    ask = asyncio.create_task(perform(PAY, shared, diary))
    await diary.called.wait()
    ask.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ask
    assert diary.lines == ["intent", "call"]
    with pytest.raises(OutcomeUnknown):
        await perform(CAREFUL, shared, diary)
    assert await perform(PAY, shared, Diary(lambda: 7)) == 7


async def test_a_waiter_that_is_cancelled_leaves_the_call_alone() -> None:
    shared, gate = book(), asyncio.Event()

    async def slow() -> int:
        await gate.wait()
        return 7

    diary = Diary(slow)
    first = asyncio.create_task(perform(PAY, shared, diary))
    await diary.called.wait()
    second = asyncio.create_task(perform(PAY, shared, diary))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    gate.set()
    assert await first == 7


async def test_an_effect_inside_itself_is_refused_and_one_inside_another_is_not() -> None:
    shared = book()
    inner = Effect("id of ship", "ship", "retry")

    async def both() -> int:
        shipped: int = await perform(inner, shared, Diary(lambda: 1))
        return shipped + await perform(PAY, shared, Diary(lambda: 2))

    with pytest.raises(OwnTaskError, match="a key of its own"):
        await perform(PAY, shared, Diary(both))
    assert await perform(inner, shared, Diary(fails)) == 1


def test_a_world_without_a_loop_is_run_through_at_once() -> None:
    diary = Diary(lambda: 7)
    assert run_through(perform(PAY, book(), diary)) == 7
    assert diary.lines == ["intent", "call", "done"]


def test_running_through_what_waits_on_a_loop_is_refused_and_closed() -> None:
    closed: list[bool] = []

    async def waits() -> None:
        try:
            await asyncio.sleep(0)
        finally:
            closed.append(True)

    with pytest.raises(OwnTaskError, match="await once"):
        run_through(waits())
    assert closed == [True]


def test_an_effects_id_depends_on_its_task_and_key_and_looks_like_a_uuid() -> None:
    ids = {effect_id(task, key) for task in ("t1", "t2") for key in ("a", "b", "\ud800")}
    assert len(ids) == 6
    assert effect_id("t1", "a") == effect_id("t1", "a")
    assert {tuple(map(len, name.split("-"))) for name in ids} == {(8, 4, 4, 4, 12)}
