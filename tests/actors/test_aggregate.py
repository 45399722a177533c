"""The channel of a reducer."""

from __future__ import annotations

import operator
from collections.abc import Mapping, MutableSequence, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Literal

import pytest

from actors.aggregate import BinaryOperatorAggregate, overwrite_of
from actors.channels import MISSING, Channel, LastValue
from actors.errors import EmptyChannelError, InvalidUpdateError
from actors.values import Overwrite


def appending() -> Any:
    return BinaryOperatorAggregate(list, operator.add).named("v")


class NeedsAnArgument:
    def __init__(self, value: int) -> None:
        self.value = value


class RefusesToBeMade:
    def __init__(self) -> None:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("typ", "start"),
    [
        (list, []),
        (list[int], []),
        (int, 0),
        (str, ""),
        (dict[str, int], {}),
        (Sequence[int], []),
        (MutableSequence, []),
        (Mapping[str, int], {}),
        (AbstractSet[int], set()),
    ],
)
def test_it_starts_as_its_type_does(typ: Any, start: Any) -> None:
    channel = BinaryOperatorAggregate(typ, operator.add)

    assert channel.is_available()
    assert channel.get() == start
    assert type(channel.get()) is type(start)


@pytest.mark.parametrize(
    "typ", [NeedsAnArgument, RefusesToBeMade, list | None, Any, Literal["a"], "text"]
)
def test_it_starts_empty_when_its_type_cannot_be_made(typ: Any) -> None:
    channel: Any = BinaryOperatorAggregate(typ, lambda a, b: (a, b)).named("v")

    assert not channel.is_available()
    assert channel.checkpoint() is MISSING
    with pytest.raises(EmptyChannelError):
        channel.get()

    channel.update([1])
    assert channel.get() == 1, "the first value is taken as it is"
    channel.update([2])
    assert channel.get() == (1, 2)


def test_writes_are_reduced_in_order() -> None:
    channel = appending()

    assert channel.update([["a"], ["b", "c"]]) is True
    assert channel.update([["d"]]) is True
    assert channel.get() == ["a", "b", "c", "d"]


def test_no_writes_change_nothing() -> None:
    channel = appending()

    assert channel.update(()) is False
    assert channel.expires is False
    assert channel.get() == []


def test_runs_do_not_share_the_starting_value() -> None:
    prototype = BinaryOperatorAggregate(list, operator.iadd).named("v")
    first, second = prototype.fresh(), prototype.fresh()

    first.update([[1]])

    assert first.get() == [1]
    assert second.get() == []
    assert prototype.get() == []


@pytest.mark.parametrize(
    "writes",
    [
        [Overwrite([9])],
        [[1], Overwrite([9]), [2]],
        [{"__overwrite__": [9]}, [1]],
        [[1], {"type": "__overwrite__", "value": [9]}],
    ],
)
def test_an_overwrite_replaces_everything_of_its_step(writes: list[Any]) -> None:
    channel = appending()
    channel.update([[0]])

    assert channel.update(writes) is True
    assert channel.get() == [9]

    channel.update([[10]])
    assert channel.get() == [9, 10]


def test_a_value_may_be_overwritten_with_what_is_no_value_of_its_type() -> None:
    channel = appending()

    channel.update([Overwrite(None)])

    assert channel.is_available()
    assert channel.get() is None


@pytest.mark.parametrize("second", [Overwrite([2]), {"__overwrite__": [2]}])
def test_a_second_overwrite_in_a_step_is_refused_and_changes_nothing(second: Any) -> None:
    channel = appending()
    channel.update([[0]])

    with pytest.raises(InvalidUpdateError) as caught:
        channel.update([Overwrite([1]), [5], second])

    assert str(caught.value).startswith("Can receive only one Overwrite value per super-step.")
    assert "At key 'v' got 2: [1], [2]" in str(caught.value)
    assert channel.get() == [0]


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"a": 1},
        {"__overwrite__": 1, "a": 2},
        {"type": "__overwrite__"},
        {"type": "x", "value": 1},
    ],
)
def test_a_dict_that_only_looks_like_an_overwrite_is_reduced(value: dict[str, Any]) -> None:
    channel: Any = BinaryOperatorAggregate(dict, operator.or_).named("v")
    channel.update([{"old": 0}])

    channel.update([value])

    assert overwrite_of(value) is MISSING
    assert channel.get() == {"old": 0} | value


def test_what_the_reducer_raises_comes_out_as_it_is_and_nothing_changes() -> None:
    channel = appending()
    channel.update([[1]])

    with pytest.raises(TypeError, match="can only concatenate list"):
        channel.update([[2], 5])

    assert channel.get() == [1]


def test_restoring_nothing_is_starting_over() -> None:
    channel = appending()
    channel.update([[1]])

    channel.restore(MISSING)

    assert channel.get() == []


def test_a_copy_can_be_written_without_the_original_changing() -> None:
    channel = appending()
    channel.update([[1]])

    twin = channel.copy()
    twin.update([[2]])

    assert (channel.get(), twin.get()) == ([1], [1, 2])
    assert twin.key == "v"


def of(reducer: Any) -> Channel:
    return BinaryOperatorAggregate(list, reducer)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (of(operator.add), of(operator.add), True),
        (of(operator.add), of(operator.mul), False),
        (of(lambda a, b: a + b), of(lambda a, b: a + b), True),
        (of(lambda a, b: a + b), of(lambda a, b: b + a), False),
        (of(operator.add), of(lambda a, b: a + b), False),
        (of(operator.add), LastValue(list), False),
    ],
)
def test_aggregates_are_the_same_when_their_reducers_are(
    one: Channel, other: Channel, same: bool
) -> None:
    assert one.same_as(other) is same
    assert other.same_as(one) is same


class Stamping:
    """A reducer that numbers what is written, before it is stored."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, held: list[Any], written: list[Any]) -> list[Any]:
        return held + written

    def settle(self, written: list[Any]) -> list[Any]:
        self.count += 1
        return [(self.count, item) for item in written]


def test_a_reducer_may_settle_what_is_written() -> None:
    channel = BinaryOperatorAggregate(list, Stamping()).named("v")
    assert channel.settles
    assert channel.settle(["a", "b"]) == [(1, "a"), (1, "b")]
    assert channel.get() == []


@pytest.mark.parametrize("value", [Overwrite(["a"]), {"__overwrite__": ["a"]}], ids=repr)
def test_what_overwrites_is_not_settled(value: Any) -> None:
    assert BinaryOperatorAggregate(list, Stamping()).named("v").settle(value) is value


@pytest.mark.parametrize(
    "channel", [appending(), LastValue(list).named("v")], ids=["aggregate", "last value"]
)
def test_any_other_channel_takes_writes_as_they_are(channel: Any) -> None:
    value = ["a"]
    assert not channel.settles
    assert channel.settle(value) is value
