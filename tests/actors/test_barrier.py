"""Channels that wait for several writers."""

from __future__ import annotations

from typing import Any

import pytest

from actors.barrier import NamedBarrierValue, NamedBarrierValueAfterFinish
from actors.channels import MISSING
from actors.errors import EmptyChannelError, InvalidUpdateError


def waiting_for(*names: str) -> NamedBarrierValue:
    return NamedBarrierValue(str, set(names)).named("join:a+b:c")


def deferred(*names: str) -> NamedBarrierValueAfterFinish:
    return NamedBarrierValueAfterFinish(str, set(names)).named("join:a+b:c")


def test_it_opens_when_all_have_written() -> None:
    barrier = waiting_for("a", "b")

    assert barrier.update(["a"]) is True
    assert not barrier.is_available()
    with pytest.raises(EmptyChannelError):
        barrier.get()
    assert barrier.update(["b"]) is True
    assert barrier.is_available()
    assert barrier.get() is None


def test_a_name_written_twice_counts_once() -> None:
    barrier = waiting_for("a", "b")

    assert barrier.update(["a", "a"]) is True
    assert barrier.update(["a"]) is False
    assert not barrier.is_available()


def test_a_step_without_writes_keeps_what_was_ticked_off() -> None:
    barrier = waiting_for("a", "b")
    barrier.update(["a"])

    assert barrier.expires is False
    assert barrier.update(()) is False
    assert barrier.checkpoint() == {"a"}


def test_consumed_it_waits_for_everyone_again() -> None:
    barrier = waiting_for("a", "b")
    barrier.update(["a", "b"])

    assert barrier.consume() is True
    assert not barrier.is_available()
    assert barrier.checkpoint() is MISSING
    assert barrier.consume() is False


def test_a_closed_barrier_is_not_consumed() -> None:
    barrier = waiting_for("a", "b")
    barrier.update(["a"])

    assert barrier.consume() is False
    assert barrier.checkpoint() == {"a"}


@pytest.mark.parametrize("stray", ["zz", None, ["unhashable"]])
def test_a_name_nobody_waits_for_is_refused_and_changes_nothing(stray: Any) -> None:
    barrier = waiting_for("a", "b")

    with pytest.raises(InvalidUpdateError) as caught:
        barrier.update(["a", stray])

    assert str(caught.value).startswith(f"At key 'join:a+b:c': {stray!r} is not among the names")
    assert "Write one of ['a', 'b']" in str(caught.value)
    assert barrier.checkpoint() is MISSING


def test_what_was_stored_does_not_change_with_the_barrier() -> None:
    barrier = waiting_for("a", "b")
    barrier.update(["a"])

    stored = barrier.checkpoint()
    barrier.update(["b"])

    assert stored == {"a"}


def test_the_deferred_one_opens_when_nothing_else_is_left() -> None:
    barrier = deferred("a", "b")

    barrier.update(["a"])
    assert barrier.finish() is False, "b is still missing"
    barrier.update(["b"])
    assert not barrier.is_available()
    assert barrier.consume() is False
    assert barrier.finish() is True
    assert barrier.finish() is False
    assert barrier.is_available()


def test_the_deferred_one_starts_over_once_consumed() -> None:
    barrier = deferred("a")
    barrier.update(["a"])
    barrier.finish()

    assert barrier.consume() is True
    assert not barrier.is_available()
    assert barrier.checkpoint() is MISSING
    barrier.update(["a"])
    assert not barrier.is_available()


def test_the_deferred_one_is_stored_with_whether_it_is_open() -> None:
    barrier = deferred("a")
    barrier.update(["a"])
    assert barrier.checkpoint() == ({"a"}, False)
    barrier.finish()
    assert barrier.checkpoint() == ({"a"}, True)

    again = deferred("a")
    again.restore(barrier.checkpoint())
    assert again.is_available()
    again.restore(MISSING)
    assert not again.is_available()


def test_barriers_are_the_same_when_they_wait_for_the_same() -> None:
    assert waiting_for("a", "b").same_as(waiting_for("b", "a"))
    assert not waiting_for("a").same_as(waiting_for("a", "b"))
    assert not waiting_for("a").same_as(deferred("a"))


def test_a_fresh_barrier_waits_for_the_same_names() -> None:
    used = waiting_for("a", "b")
    used.update(["a"])

    fresh = used.fresh()

    assert fresh.names == {"a", "b"}
    assert fresh.key == "join:a+b:c"
    assert fresh.checkpoint() is MISSING
