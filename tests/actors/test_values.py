"""Values that users make and get."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from actors import Command, GraphBuildError, Interrupt, Runtime, Send, TimeoutPolicy, entrypoint


def test_generic_values_are_made_of_their_subscripted_class_too() -> None:
    assert Command[Literal["b"]](goto="b") == Command(goto="b")
    assert Runtime[dict[str, int]](context={"n": 1}).context == {"n": 1}
    assert entrypoint.final[int, str](value=1, save="s").save == "s"


def test_an_interrupt_that_is_made_by_hand_needs_no_id() -> None:
    assert Interrupt("sure?") == Interrupt(value="sure?", id="placeholder-id")


def test_a_send_keeps_its_timeout_as_a_policy() -> None:
    limited = Send("work", 1, timeout=2)
    assert limited.timeout == TimeoutPolicy(run_timeout=2)
    assert limited == Send("work", 1, timeout=TimeoutPolicy(run_timeout=2))
    assert limited != Send("work", 1)
    assert repr(limited) == f"Send(node='work', arg=1, timeout={limited.timeout!r})"
    assert repr(Send("work", 1)) == "Send(node='work', arg=1)"


@pytest.mark.parametrize("timeout", ["soon", True, [1]])
def test_a_send_with_a_timeout_that_is_no_time_is_refused(timeout: Any) -> None:
    with pytest.raises(GraphBuildError, match=r"A Send to 'work' has timeout=.*give seconds"):
        Send("work", 1, timeout=timeout)


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_send_that_leaves_no_time_is_refused(timeout: float) -> None:
    with pytest.raises(GraphBuildError, match="must be greater than 0"):
        Send("work", 1, timeout=timeout)
