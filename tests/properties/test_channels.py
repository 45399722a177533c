"""What holds of every channel, whatever is written to it."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from actors.channels import (
    MISSING,
    AnyValue,
    BinaryOperatorAggregate,
    Channel,
    EphemeralValue,
    LastValue,
    LastValueAfterFinish,
    NamedBarrierValue,
    NamedBarrierValueAfterFinish,
    Topic,
    UntrackedValue,
)
from actors.errors import InvalidUpdateError
from actors.values import Overwrite

MAKERS: list[Callable[[], Channel]] = [
    lambda: LastValue(list),
    lambda: AnyValue(list),
    lambda: EphemeralValue(list),
    lambda: EphemeralValue(list, guard=False),
    lambda: UntrackedValue(list, guard=False),
    lambda: Topic(str),
    lambda: Topic(str, accumulate=True),
    lambda: BinaryOperatorAggregate(list, operator.add),
    lambda: BinaryOperatorAggregate(list | None, operator.add),
    lambda: NamedBarrierValue(str, {"a", "b"}),
    lambda: NamedBarrierValueAfterFinish(str, {"a", "b"}),
    lambda: LastValueAfterFinish(list),
]

values = st.lists(st.sampled_from("abc"), max_size=3)
writes = st.one_of(values, values.map(Overwrite), st.sampled_from("ab"))
steps = st.one_of(st.lists(writes, max_size=3), st.sampled_from(["consume", "finish"]))


def step(channel: Channel, what: Any) -> Any:
    """One step's effect, errors included."""
    try:
        if what == "consume":
            return channel.consume()
        return channel.finish() if what == "finish" else channel.update(what)
    except (InvalidUpdateError, TypeError) as error:
        return type(error)


def seen(channel: Channel) -> Any:
    """Everything a run can observe of a channel."""
    held = channel.get() if channel.is_available() else MISSING
    return channel.is_available(), held, channel.checkpoint()


def played(make: Callable[[], Channel], history: list[Any]) -> Channel:
    channel = make().named("v")
    for what in history:
        step(channel, what)
    return channel


histories = st.lists(steps, max_size=6)
stored = st.sampled_from([make for make in MAKERS if make().persisted])
makers = st.sampled_from(MAKERS)


@given(stored, histories, steps)
def test_a_restored_channel_is_equal_and_goes_on_equally(
    make: Callable[[], Channel], history: list[Any], what: Any
) -> None:
    channel = played(make, history)

    restored = channel.fresh()
    restored.restore(channel.checkpoint())

    assert seen(restored) == seen(channel)
    assert step(restored, what) == step(channel, what)
    assert seen(restored) == seen(channel)


@given(makers, histories)
def test_the_same_writes_in_the_same_order_give_the_same_channel(
    make: Callable[[], Channel], history: list[Any]
) -> None:
    assert seen(played(make, history)) == seen(played(make, history))


@given(makers, histories, steps)
def test_an_update_that_says_nothing_changed_is_right(
    make: Callable[[], Channel], history: list[Any], what: Any
) -> None:
    channel = played(make, history)
    before = seen(channel)

    changed = step(channel, what)

    if changed is False:
        assert seen(channel) == before


@given(makers, histories, steps)
def test_a_refused_update_changes_nothing(
    make: Callable[[], Channel], history: list[Any], what: Any
) -> None:
    channel = played(make, history)
    before = seen(channel)

    result = step(channel, what)

    if isinstance(result, type):
        assert seen(channel) == before


@given(makers, histories)
def test_after_a_step_without_writes_what_expires_is_empty(
    make: Callable[[], Channel], history: list[Any]
) -> None:
    channel = played(make, history)
    before = seen(channel)

    channel.update(())

    assert seen(channel) == before or channel.expires
    assert not (channel.expires and channel.is_available())


@given(makers, histories, steps)
def test_a_copy_and_its_original_live_apart(
    make: Callable[[], Channel], history: list[Any], what: Any
) -> None:
    channel = played(make, history)
    before = seen(channel)

    twin = channel.copy()
    assert seen(twin) == before
    step(twin, what)

    assert seen(channel) == before
