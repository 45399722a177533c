"""What streams and snapshots show of tasks and checkpoints."""

from __future__ import annotations

from typing import Any

import pytest

from actors.commands import PULL, Task
from actors.views import (
    config_view,
    error_text,
    iso_utc,
    message_text,
    namespace_text,
    result_of,
    task_view,
    update_of,
)
from tests.actors.engine import chain, says

KEYS = frozenset({"a", "b"})


def new_task() -> Task:
    spec = chain(node=says("node")).compile().spec
    task = Task(spec.nodes["node"], (PULL, "node"), ())
    task.id = "t1"
    return task


@pytest.mark.parametrize(
    ("writes", "shown"),
    [
        ([], None),
        ([("branch:to:x", None)], None),
        ([("a", 1)], {"a": 1}),
        ([("a", 1), ("b", 2), ("branch:to:x", None)], {"a": 1, "b": 2}),
        ([("a", 1), ("a", 2)], [{"a": 1}, {"a": 2}]),
        ([("a", 1), ("b", 2), ("a", 3)], [{"a": 1}, {"b": 2}, {"a": 3}]),
        ([("a", None)], {"a": None}),
    ],
)
def test_an_update_is_a_dict_or_a_list_when_a_key_was_written_twice(
    writes: list[tuple[str, Any]], shown: Any
) -> None:
    assert update_of(writes, KEYS) == shown


@pytest.mark.parametrize(
    ("writes", "shown"),
    [
        ([], {}),
        ([("branch:to:x", None)], {}),
        ([("a", 1), ("b", 2)], {"a": 1, "b": 2}),
        ([("a", 1), ("a", 2)], {"a": {"$writes": [1, 2]}}),
        ([("a", 1), ("a", 2), ("a", 3), ("b", 4)], {"a": {"$writes": [1, 2, 3]}, "b": 4}),
        ([("a", {"$writes": [0]}), ("a", 2)], {"a": {"$writes": [{"$writes": [0]}, 2]}}),
    ],
)
def test_a_result_gathers_several_writes_of_one_key(
    writes: list[tuple[str, Any]], shown: Any
) -> None:
    assert result_of(writes, KEYS) == shown


def test_an_error_is_kept_as_its_repr() -> None:
    assert error_text(ValueError("no")) == "ValueError('no')"


def test_an_error_whose_repr_raises_is_kept_as_its_class() -> None:
    class ShyError(Exception):
        def __init__(self, raised: BaseException) -> None:
            super().__init__()
            self.raised = raised

        def __repr__(self) -> str:
            raise self.raised

        __str__ = __repr__

    for raised in (RuntimeError("no repr"), SystemExit(3)):
        assert "ShyError" in error_text(ShyError(raised))
        assert "ShyError" in message_text(ShyError(raised))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "1970-01-01T00:00:00.000000+00:00"),
        (1.5, "1970-01-01T00:00:01.500000+00:00"),
    ],
)
def test_times_are_iso_8601_in_utc_with_microseconds(seconds: float, text: str) -> None:
    assert iso_utc(seconds) == text


def test_a_namespace_is_stored_with_bars_between_its_parts() -> None:
    assert [namespace_text(ns) for ns in ((), ("a:1",), ("a:1", "b:2"))] == ["", "a:1", "a:1|b:2"]


def test_a_config_names_one_checkpoint_and_keeps_the_users_keys() -> None:
    view = config_view(
        thread_id="t",
        ns="",
        checkpoint_id="c",
        configurable={"user": "ada", "thread_id": "other", "checkpoint_id": "other"},
        parents={},
    )
    assert view["configurable"] == {
        "checkpoint_ns": "",
        "thread_id": "t",
        "user": "ada",
        "checkpoint_id": "c",
    }


def test_a_config_of_a_subgraph_maps_the_checkpoints_around_it() -> None:
    view = config_view(
        thread_id="t", ns="sub:1", checkpoint_id="c2", configurable={}, parents={"": "c1"}
    )
    assert view["configurable"]["checkpoint_map"] == {"": "c1", "sub:1": "c2"}


def test_a_task_that_has_not_run_shows_no_result() -> None:
    view = task_view(new_task(), None, KEYS)
    assert view == {"id": "t1", "name": "node", "interrupts": (), "state": None}


def test_a_task_that_has_run_shows_its_result() -> None:
    task = new_task()
    task.writes = [("a", 1), ("branch:to:x", None)]
    assert task_view(task, None, KEYS)["result"] == {"a": 1}


def test_a_failed_task_shows_its_error_instead_of_a_result() -> None:
    task = new_task()
    task.error = "ValueError('no')"
    view = task_view(task, None, KEYS)
    assert view["error"] == "ValueError('no')"
    assert "result" not in view
