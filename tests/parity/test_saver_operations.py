"""Every scenario of saver operations, run by both engines: the same states and histories."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .contract import ContractSaver
from .lib import Engine
from .operations import DELETING, OPERATIONS, Desk, Operation

NewDatabase = Callable[[], Path]


FOLLOWED = {"the run that answered is deleted and the question waits again": (2, ("last",))}
"""Where all tasks of the newest step are over, and its checkpoint is gone: what we show as next.
LangGraph shows nothing, and goes on with that all the same."""


def seen(operation: Operation, engine: Engine, saver: Any) -> list[Any]:
    desk = Desk(engine, saver, operation.build(engine).compile(checkpointer=saver))
    operation.act(desk)
    return desk.seen


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@pytest.mark.parametrize("operation", DELETING, ids=lambda operation: operation.name)
def test_deleting_leaves_the_same(
    operation: Operation, kind: str, ours: Engine, theirs: Engine, database: NewDatabase
) -> None:
    with theirs.saver(kind, database()) as saver:
        expected = seen(operation, theirs, saver)
    with ours.saver(kind, database()) as saver:
        assert seen(operation, ours, saver) == expected


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_copying_and_pruning_leave_the_same(
    operation: Operation, ours: Engine, theirs: Engine, database: NewDatabase
) -> None:
    expected = seen(operation, theirs, ContractSaver())
    if operation.name in FOLLOWED:
        place, following = FOLLOWED[operation.name]
        assert expected[place]["next"] == ()
        expected[place]["next"] = following
    for kind in ("memory", "sqlite"):
        with ours.saver(kind, database()) as saver:
            assert seen(operation, ours, saver) == expected, kind
