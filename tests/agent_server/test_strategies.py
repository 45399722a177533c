"""What becomes of a thread's runs when another one comes."""

from __future__ import annotations

from typing import get_args

import pytest

from agent_server.errors import ConflictError
from agent_server.records import CancelAction, Multitask
from agent_server.strategies import make_way


@pytest.mark.parametrize("strategy", get_args(Multitask))
def test_on_an_idle_thread_no_strategy_does_anything(strategy: Multitask) -> None:
    assert make_way(strategy, []) is None


@pytest.mark.parametrize(
    ("strategy", "action"),
    [("enqueue", None), ("interrupt", "interrupt"), ("rollback", "rollback")],
)
def test_on_a_busy_thread_the_others_wait_or_make_way(
    strategy: Multitask, action: CancelAction | None
) -> None:
    assert make_way(strategy, ["a run"]) == action


def test_on_a_busy_thread_reject_is_refused() -> None:
    with pytest.raises(ConflictError, match="Thread is already running a task"):
        make_way("reject", ["a run"])
