"""The checker tells histories that some order explains from those that none does."""

from __future__ import annotations

import itertools
import random
from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.histories.linear import NEVER, Operation, violation_in
from tests.histories.models import Items, StoreModel, ThreadModel, shown
from tests.histories.threads import Thread


def put(value: str, began: float, ended: float = NEVER, *, lost: bool = False) -> Operation:
    return Operation("a client", "items", "put", ("x", value), began, ended, lost=lost)


def get(value: str | None, began: float, ended: float) -> Operation:
    return Operation("a client", "items", "get", ("x",), began, ended, value)


EXPLAINED: dict[str, list[Operation]] = {
    "nothing": [],
    "one after another": [put("1", 0, 1), get("1", 2, 3), put("2", 4, 5), get("2", 6, 7)],
    "a read beside a write sees it": [put("1", 0, 3), get("1", 1, 2)],
    "a read beside a write does not see it": [put("1", 0, 3), get(None, 1, 2)],
    "the write that was called last came first": [
        put("1", 0, 9),
        put("2", 1, 8),
        get("2", 2, 3),
        get("1", 4, 5),
    ],
    "at the very same moment": [put("1", 0, 1), get(None, 1, 2)],
    "a lost write was done": [put("1", 0, 5, lost=True), get(None, 1, 2), get("1", 6, 7)],
    "a lost write was not done": [put("1", 0, 5, lost=True), get(None, 6, 7)],
    "a write that may be done at any time": [
        put("1", 0, lost=True),
        get(None, 1, 2),
        get("1", 6, 7),
    ],
}
UNEXPLAINED: dict[str, list[Operation]] = {
    "a value from nowhere": [get("1", 0, 1)],
    "a stale read": [put("1", 0, 1), put("2", 2, 3), get("1", 4, 5)],
    "a lost write of one who was told": [put("1", 0, 1), get(None, 2, 3)],
    "seen, then not seen": [put("1", 0, 9), get("1", 1, 2), get(None, 3, 4)],
    "a value that comes back": [
        put("1", 0, 1),
        put("2", 0, 9),
        put("3", 0, 9),
        get("2", 2, 4),
        get("3", 5, 6),
        get("2", 7, 8),
    ],
    "a lost write was seen, then not": [
        put("1", 0, 9, lost=True),
        get("1", 1, 2),
        get(None, 10, 11),
    ],
    "a lost write was done after the death": [
        put("1", 0, 2, lost=True),
        get(None, 3, 4),
        get("1", 5, 6),
    ],
}


@pytest.mark.parametrize("name", EXPLAINED)
def test_a_history_that_an_order_explains_is_taken(name: str) -> None:
    assert violation_in(EXPLAINED[name], StoreModel()) is None


@pytest.mark.parametrize("name", UNEXPLAINED)
def test_a_history_that_no_order_explains_is_refused(name: str) -> None:
    violation = violation_in(UNEXPLAINED[name], StoreModel())
    assert violation is not None
    assert violation.operation == UNEXPLAINED[name][-1]


def test_each_object_is_looked_at_by_itself() -> None:
    here = put("1", 0, 1)
    there = Operation("a client", "other items", "get", ("x",), 2, 3, None)
    assert violation_in([here, there], StoreModel()) is None
    stale = get(None, 2, 3)
    violation = violation_in([here, there, stale], StoreModel())
    assert violation is not None
    assert violation.operation.key == "items"
    assert list(violation.history) == [here, stale]


def test_a_violation_says_what_was_seen_and_what_could_be() -> None:
    assert str(violation_in(UNEXPLAINED["a stale read"], StoreModel())) == (
        "nothing explains\n"
        "  4.000000 … 5.000000 a client: items.get('x') -> '1'\n"
        "after\n"
        "  0.000000 … 1.000000 a client: items.put('x', '1') -> None\n"
        "  2.000000 … 3.000000 a client: items.put('x', '2') -> None\n"
        "  4.000000 … 5.000000 a client: items.get('x') -> '1'\n"
        "from any of\n"
        "  frozenset({('x', '2')})"
    )


# --- beside a search that tries everything ------------------------------------------------------


def is_explained(history: Sequence[Operation]) -> bool:
    """The same by trying all orders, with and without those that were lost."""
    lost = [each for each in history if each.lost]
    kept = [each for each in history if not each.lost]
    return any(
        _fits(order)
        for count in range(len(lost) + 1)
        for some in itertools.combinations(lost, count)
        for order in itertools.permutations([*kept, *some])
    )


def _fits(order: Sequence[Operation]) -> bool:
    """True if none had ended before one that it follows was called, and each saw what it must."""
    if any(later.ended < each.began for each, later in itertools.combinations(order, 2)):
        return False
    states: list[Items] = [frozenset()]
    for operation in order:
        states = [
            state
            for before in states
            for state, _ in StoreModel().steps(before, operation, begun=False)
        ]
    return bool(states)


def some_history(dice: random.Random) -> list[Operation]:
    """Six operations of three clients on one key; half of what is read is made up."""
    moments: dict[str, float] = {}
    history: list[Operation] = []
    for number in range(6):
        client = dice.choice("abc")
        began = moments.get(client, 0.0) + dice.random()
        ended = moments[client] = began + dice.random() * 2
        value = dice.choice([None, *(each.given[1] for each in history if each.name == "put")])
        if dice.random() < 0.5:
            lost = dice.random() < 0.2
            history.append(put(str(number), began, ended, lost=lost))
        else:
            history.append(Operation(client, "items", "get", ("x",), began, ended, value))
    return history


def test_it_says_what_trying_all_orders_says() -> None:
    found = {True: 0, False: 0}
    for seed in range(300):
        history = some_history(random.Random(seed))
        explained = violation_in(history, StoreModel()) is None
        assert explained == is_explained(history), seed
        found[explained] += 1
    assert min(found.values()) > 30


# --- operations of several steps ----------------------------------------------------------------


def of_thread(
    name: str, began: float, ended: float, *given: Hashable, result: Hashable = None, **more: Any
) -> Operation:
    return Operation("a client", "thread", name, given, began, ended, result, **more)


def run(
    word: str, began: float, ended: float, result: Hashable = None, *, lost: bool = False
) -> Operation:
    return of_thread("invoke", began, ended, ("input", word), result=result, lost=lost)


def rolled_back(word: str, began: float, ended: float) -> Operation:
    given = ("input", word), "rollback", 0, 0
    return of_thread("run_and_cancel", began, ended, *given, result="cancelled")


def state(began: float, ended: float, *log: str, next: str, asked: bool = False) -> Operation:  # noqa: A002
    return of_thread("state", began, ended, result=(log, (next,), asked))


ALONE = (("w", "first"), True)
TWICE = (("w", "first", "v", "first"), True)


@pytest.mark.parametrize(
    "history",
    [
        [run("w", 0, 9, ALONE), state(1, 2, "w", next="first")],
        [run("w", 0, 9, ALONE), state(1, 2, "w", "first", next="ask")],
        [run("w", 0, 9, ALONE), run("v", 0, 9, TWICE)],
        [
            rolled_back("w", 0, 5),
            state(1, 2, "w", next="first"),
            run("v", 3, 9, (("v", "first"), True)),
        ],
        [run("w", 0, 5, lost=True), run("v", 1, 9, (("w", "v", "first"), True))],
        [run("w", 0, 5, lost=True), run("v", 1, 9, (("w", "first", "v", "first"), True))],
        [run("w", 0, 5, lost=True), run("v", 1, 9, (("v", "first"), True))],
        [
            run("w", 0, 9, ALONE),
            of_thread("update", 0, 9, "u"),
            state(10, 11, "w", "first", "u", next="ask"),
        ],
    ],
)
def test_a_run_takes_a_step_after_another(history: list[Operation]) -> None:
    assert violation_in(history, ThreadModel()) is None


@pytest.mark.parametrize(
    "history",
    [
        [
            run("w", 0, 9, ALONE),
            state(1, 2, "w", "first", next="ask"),
            state(3, 4, "w", next="first"),
        ],
        [run("w", 0, 9, ALONE), run("v", 0, 9, (("w", "v", "first"), True))],
        [run("w", 0, 9, ALONE), run("v", 0, 9, (("v", "first"), True))],
        [rolled_back("w", 0, 5), state(6, 7, "w", next="first")],
        [
            run("w", 0, 5, lost=True),
            state(6, 7, "w", next="first"),
            state(8, 9, "w", "first", next="ask"),
        ],
        [run("w", 0, 5, lost=True), run("v", 1, 4, (("w", "v", "first"), True))],
        [run("w", 0, 9, ALONE), of_thread("update", 1, 2, "u"), state(3, 4, "w", "u", next="ask")],
    ],
    ids=[
        "a step taken back",
        "a run within another",
        "a run that was forgotten",
        "a rollback that was none",
        "a dead one goes on",
        "a thread taken from one who lives",
        "an update within a run",
    ],
)
def test_runs_that_get_in_each_others_way_are_refused(history: list[Operation]) -> None:
    assert violation_in(history, ThreadModel()) is not None


def test_a_thread_is_free_as_soon_as_its_runner_is_dead_and_not_only_when_that_is_known() -> None:
    found = next(iter(Thread().after_input("in")))
    left = found.updated("by another")
    lost = Operation("one", "t", "invoke", (("input", "in"),), 0, 9, None, True, 0)
    update = Operation("two", "t", "update", ("by another",), 1, 5)
    look = Operation("two", "t", "state", (), 6, 7, shown(left))
    assert violation_in([lost, update, look], ThreadModel()) is None
    alive = replace(lost, killed=6)
    assert violation_in([alive, update, look], ThreadModel()) is not None
    early = Operation("two", "t", "state", (), 2, 3, shown(left.updated("by nobody")))
    assert violation_in([lost, update, early], ThreadModel()) is not None
