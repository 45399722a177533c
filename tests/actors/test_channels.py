"""Channels that hold one value, and the topic."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from actors.channels import (
    MISSING,
    AnyValue,
    Channel,
    EphemeralValue,
    LastValue,
    LastValueAfterFinish,
    Topic,
    UntrackedValue,
)
from actors.errors import EmptyChannelError, InvalidUpdateError
from actors.values import Overwrite

ONE_VALUE = [LastValue(int), AnyValue(int), EphemeralValue(int), UntrackedValue(int)]


def by_class(channel: Channel) -> str:
    return type(channel).__name__


def named(channel: Any) -> Any:
    return channel.named("v")


def holds(channel: Channel) -> Any:
    return channel.get() if channel.is_available() else MISSING


@pytest.mark.parametrize("prototype", ONE_VALUE, ids=by_class)
def test_a_new_channel_is_empty(prototype: Channel) -> None:
    channel = named(prototype)

    assert not channel.is_available()
    assert channel.checkpoint() is MISSING
    assert channel.update(()) is False
    with pytest.raises(EmptyChannelError, match=r"'v'.*holds no value yet: write to it first"):
        channel.get()


@pytest.mark.parametrize("prototype", ONE_VALUE, ids=by_class)
@pytest.mark.parametrize("value", [1, None, [], MISSING.__class__])
def test_what_is_written_can_be_read(prototype: Channel, value: Any) -> None:
    channel = named(prototype)

    assert channel.update([value]) is True
    assert channel.is_available()
    assert channel.get() is value


@pytest.mark.parametrize("prototype", ONE_VALUE, ids=by_class)
def test_consuming_and_finishing_mean_nothing_to_it(prototype: Channel) -> None:
    channel = named(prototype)
    channel.update([1])

    assert channel.consume() is False
    assert channel.finish() is False
    assert channel.get() == 1


@pytest.mark.parametrize("prototype", [LastValue(int), UntrackedValue(int)], ids=by_class)
def test_a_step_without_writes_leaves_the_value(prototype: Channel) -> None:
    channel = named(prototype)
    channel.update([1])

    assert channel.expires is False
    assert channel.update(()) is False
    assert channel.get() == 1


@pytest.mark.parametrize("prototype", [AnyValue(int), EphemeralValue(int)], ids=by_class)
def test_a_step_without_writes_clears_what_expires(prototype: Channel) -> None:
    channel = named(prototype)
    channel.update([1])

    assert channel.expires is True
    assert channel.update(()) is True
    assert not channel.is_available()
    assert channel.update(()) is False


@pytest.mark.parametrize(
    ("prototype", "says"),
    [
        (LastValue(int), "At key 'v': Can receive only one value per step. Use an Annotated key"),
        (EphemeralValue(int), "At key 'v': EphemeralValue(guard=True) can receive only one value"),
        (UntrackedValue(int), "At key 'v': UntrackedValue(guard=True) can receive only one value"),
    ],
    ids=["LastValue", "EphemeralValue", "UntrackedValue"],
)
def test_two_writes_in_a_step_are_refused_and_change_nothing(prototype: Channel, says: str) -> None:
    channel = named(prototype)
    channel.update([1])

    with pytest.raises(InvalidUpdateError) as caught:
        channel.update([2, 3])

    assert str(caught.value).startswith(says)
    assert "Got 2 in one step: 2, 3" in str(caught.value)
    assert channel.get() == 1


def test_a_refusal_shows_only_the_start_of_long_values() -> None:
    channel = named(LastValue(str))

    with pytest.raises(InvalidUpdateError) as caught:
        channel.update(["x" * 10_000] * 100)

    assert len(str(caught.value)) < 400
    assert str(caught.value).endswith("…")


@pytest.mark.parametrize(
    "prototype",
    [AnyValue(int), EphemeralValue(int, guard=False), UntrackedValue(int, guard=False)],
    ids=by_class,
)
def test_without_a_guard_the_last_write_wins(prototype: Channel) -> None:
    channel = named(prototype)

    assert channel.update([1, 2, 3]) is True
    assert channel.get() == 3


def test_an_overwrite_of_a_last_value_is_its_value() -> None:
    channel = named(LastValue(int))

    channel.update([Overwrite(5)])

    assert channel.get() == 5


def test_an_untracked_value_is_in_no_checkpoint_but_in_copies() -> None:
    channel = named(UntrackedValue(object))
    handle = object()
    channel.update([handle])

    assert channel.persisted is False
    assert channel.checkpoint() is MISSING
    assert channel.copy().get() is handle


def test_a_topic_collects_and_counts_a_list_as_its_items() -> None:
    topic = named(Topic(int))

    assert topic.update([1, [2, 3], []]) is True
    assert topic.get() == [1, 2, 3]
    assert topic.consume() is False


def test_a_topic_holds_a_step_only() -> None:
    topic = named(Topic(int))
    topic.update([1])

    assert topic.expires is True
    assert topic.update([2]) is True
    assert topic.get() == [2]
    assert topic.update(()) is True
    assert not topic.is_available()
    assert topic.checkpoint() is MISSING
    assert topic.update(()) is False
    with pytest.raises(EmptyChannelError, match="Topic"):
        topic.get()


def test_an_accumulating_topic_keeps_what_it_has() -> None:
    topic = named(Topic(int, accumulate=True))
    topic.update([1])

    assert topic.expires is False
    assert topic.update(()) is False
    assert topic.update([[2]]) is True
    assert topic.get() == [1, 2]


def test_a_reader_of_a_topic_cannot_change_it() -> None:
    topic = named(Topic(int, accumulate=True))
    topic.update([1])
    stored = topic.checkpoint()

    topic.get().append(99)
    topic.update([2])

    assert topic.get() == [1, 2]
    assert stored == [1], "what was given to be stored stays as it was"


def test_a_deferred_trigger_opens_when_nothing_else_is_left() -> None:
    channel = named(LastValueAfterFinish(int))

    assert channel.finish() is False, "nothing was written"
    assert channel.update([1, 2]) is True
    assert not channel.is_available()
    with pytest.raises(EmptyChannelError):
        channel.get()
    assert channel.finish() is True
    assert channel.finish() is False
    assert channel.get() == 2


def test_a_deferred_trigger_is_empty_once_consumed() -> None:
    channel = named(LastValueAfterFinish(int))
    channel.update([1])

    assert channel.consume() is False, "it was not open"
    channel.finish()
    assert channel.consume() is True
    assert channel.checkpoint() is MISSING
    assert channel.finish() is False


def test_a_write_to_an_open_deferred_trigger_closes_it_again() -> None:
    channel = named(LastValueAfterFinish(int))
    channel.update([1])
    channel.finish()

    assert channel.update([2]) is True
    assert not channel.is_available()
    assert channel.update(()) is False


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (LastValue(int), LastValue(str), True),
        (LastValue(int), AnyValue(int), False),
        (EphemeralValue(int), EphemeralValue(int), True),
        (EphemeralValue(int), EphemeralValue(int, guard=False), False),
        (UntrackedValue(int), EphemeralValue(int), False),
        (Topic(int), Topic(str), True),
        (Topic(int), Topic(int, accumulate=True), False),
        (LastValueAfterFinish(int), LastValue(int), False),
    ],
)
def test_channels_are_the_same_when_constructed_alike(
    one: Channel, other: Channel, same: bool
) -> None:
    assert one.same_as(other) is same
    assert other.same_as(one) is same


@pytest.mark.parametrize(
    "prototype",
    [*ONE_VALUE, EphemeralValue(int, guard=False), Topic(int, accumulate=True)],
    ids=by_class,
)
def test_a_fresh_copy_shares_the_name_and_nothing_else(prototype: Channel) -> None:
    first = named(prototype)
    first.update([1])

    second = first.fresh()

    assert second.key == "v"
    assert second.same_as(first)
    assert not second.is_available()
    second.update([2])
    assert first.get() in (1, [1])


def test_naming_a_channel_leaves_the_one_given_as_it_was() -> None:
    shared = EphemeralValue(int)

    one, other = shared.named("one"), shared.named("other")

    assert (one.key, other.key, shared.key) == ("one", "other", "")


def test_channels_have_no_dict() -> None:
    for channel in (LastValue(int), Topic(int), EphemeralValue(int), LastValueAfterFinish(int)):
        assert not hasattr(channel, "__dict__")


def test_missing_is_one_object_however_it_is_copied() -> None:
    assert repr(MISSING) == "MISSING"
    assert not MISSING
    assert copy.deepcopy(MISSING) is MISSING
    assert pickle.loads(pickle.dumps(MISSING)) is MISSING
    assert holds(LastValue(int)) is MISSING
