"""About how much memory values and events take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming import (
    Custom,
    Event,
    RunStarted,
    StepCommitted,
    TaskFinished,
    TaskInterrupted,
    TaskStarted,
    Token,
    Traced,
)
from streaming.sizes import EVENT, about_bytes, event_bytes

MEGA = 1_000_000


@dataclass
class Box:
    content: Any


@pytest.mark.parametrize(
    "value",
    [
        "x" * MEGA,
        b"x" * MEGA,
        {"a": {"b": ["x" * MEGA]}},
        ["x" * 1_000] * 1_000,
        list(range(20_000)),
        {"messages": [Box("x" * 10_000)] * 100},
    ],
)
def test_what_is_large_is_known_to_be(value: Any) -> None:
    assert MEGA / 2 < about_bytes(value) < 4 * MEGA


def test_what_is_small_is_known_to_be() -> None:
    assert about_bytes({"topic": "x", "joke": "y", "n": 1}) < 2_000
    assert about_bytes(None) < 100


def test_a_value_that_holds_itself_has_an_end() -> None:
    ring: list[Any] = []
    ring.append(ring)
    assert about_bytes(ring) < 10_000


class Counted(list[Any]):
    """A list that counts who goes through lists of its kind."""

    looks = 0

    def __iter__(self) -> Iterator[Any]:
        Counted.looks += 1
        return super().__iter__()


def test_parts_that_all_hold_each_other_are_not_looked_at_in_all_ways() -> None:
    everybody = [Counted() for _ in range(20)]
    for each in everybody:
        each.extend(everybody)
    assert about_bytes(everybody) > 20 * 20
    assert 20 < Counted.looks < 10_000


def _nested(depth: int) -> st.SearchStrategy[Any]:
    """Values of no more levels than are looked at, also when they are put one level deeper."""
    leaf: st.SearchStrategy[Any] = st.none() | st.text(max_size=20)
    for _ in range(depth):
        leaf = leaf | st.lists(leaf, max_size=3)
    return leaf


@given(_nested(3))
def test_more_is_never_less(value: Any) -> None:
    assert about_bytes([value, value]) >= about_bytes([value]) >= about_bytes(value) > 0


def test_what_is_deeper_than_it_looks_counts_as_small() -> None:
    assert about_bytes([[[[[[["x" * 1_000]]]]]]]) < 1_000


BIG = "x" * MEGA


@pytest.mark.parametrize(
    "event",
    [
        Custom(data=BIG),
        Custom(data={"n": 1, "text": BIG}),
        Custom(data={"deep": [{"text": BIG}]}),
        Custom(data=Box(BIG)),
        Token(chunk=Box(BIG)),
        TaskFinished(task_id="t", name="n", update={"a": BIG}, result={"a": BIG}),
        TaskInterrupted(task_id="t", name="n", interrupts=[Box(BIG)], values={"a": BIG}),
        StepCommitted(values={"a": BIG}, wrote=True),
        StepCommitted(values={"a": BIG, "b": BIG}, wrote=True, changed={"b"}),
        StepCommitted(values=BIG, wrote=True, bare=True),
        Traced(
            event="on_chain_end",
            name="n",
            run_id="r",
            parent_ids=(),
            tags=(),
            metadata={},
            data={"output": BIG},
        ),
    ],
)
def test_an_event_counts_what_it_brings_once(event: Event) -> None:
    assert MEGA <= event_bytes(event) < 1.1 * MEGA


@pytest.mark.parametrize(
    "event",
    [
        RunStarted(run_id="r"),
        TaskStarted(task_id="t", name="n", input={"a": BIG}, triggers=()),
        StepCommitted(values={"a": BIG, "b": 1}, wrote=True, changed={"b"}),
        Custom(data={"n": 1}),
        Custom(data="text"),
    ],
)
def test_what_it_shares_with_earlier_events_is_not_counted_again(event: Event) -> None:
    assert EVENT <= event_bytes(event) < 2 * EVENT


class Unready:
    """A proxy whose target is not there yet."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no {name} before it is bound")


def test_a_value_whose_own_code_raises_is_taken_for_a_small_one() -> None:
    assert about_bytes(Unready()) < 100
    assert MEGA <= about_bytes({"proxy": Unready(), "text": BIG}) < 1.1 * MEGA


@given(st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.text())))
def test_what_comes_often_is_counted_as_everything_else(data: dict[str, Any]) -> None:
    plain = EVENT + about_bytes(data)
    assert 0.9 * plain <= event_bytes(Custom(data=data)) <= 1.1 * plain
