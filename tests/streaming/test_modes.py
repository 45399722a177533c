from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from streaming import (
    MODES,
    SKIP,
    CheckpointSaved,
    Custom,
    Event,
    Paused,
    RunStarted,
    StepCommitted,
    StreamingError,
    TaskFailed,
    TaskFinished,
    TaskInterrupted,
    TaskStarted,
    Token,
    UnknownStreamModeError,
    Withdrawn,
    parse_modes,
    project,
)
from streaming.modes import VIEWS, narrow

STARTED = TaskStarted(
    step=1, time=1.5, task_id="t", name="n", input={"a": [1]}, triggers=("branch:to:n",)
)
FINISHED = TaskFinished(
    step=1, time=1.5, task_id="t", name="n", update={"a": [2]}, result={"a": [2]}
)
ERROR = ValueError("x")
FAILED = TaskFailed(step=1, time=0.0, task_id="t", name="n", error=ERROR)
SAVED = CheckpointSaved(
    config={"configurable": {"thread_id": "1"}},
    parent_config=None,
    metadata={"source": "loop"},
    next=["n"],
    tasks=[],
)
STEP = StepCommitted(step=1, time=1.5, values={"a": [1], "b": 2}, wrote=True, checkpoint=SAVED)


def shown(event: Event) -> dict[str, Any]:
    views = {mode: project(event, mode) for mode in MODES}
    return {mode: data for mode, data in views.items() if data is not SKIP}


@pytest.mark.parametrize("mode", MODES)
def test_each_of_the_eight_modes_is_known_by_name(mode: str) -> None:
    assert parse_modes(mode) == (mode,)


def test_a_list_of_modes_keeps_its_order_and_names_each_once() -> None:
    assert parse_modes(["updates", "values", "updates"]) == ("updates", "values")
    assert parse_modes([]) == ()


@pytest.mark.parametrize(
    "wrong", ["value", "", ["values", "nope"], [None], [["values"]], 7, None, b"values"]
)
def test_any_other_mode_is_refused_with_a_list_of_the_eight(wrong: Any) -> None:
    with pytest.raises(UnknownStreamModeError, match=", ".join(MODES)) as caught:
        parse_modes(wrong)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, StreamingError)


def test_a_task_start_shows_in_tasks_and_debug() -> None:
    task = {"id": "t", "name": "n", "input": {"a": [1]}, "triggers": ("branch:to:n",)}
    assert shown(STARTED) == {
        "tasks": task,
        "debug": {
            "step": 1,
            "timestamp": "1970-01-01T00:00:01.500000+00:00",
            "type": "task",
            "payload": task,
        },
    }


@pytest.mark.parametrize(("metadata", "has"), [(None, False), ({}, False), ({"m": 1}, True)])
def test_a_task_start_has_a_metadata_key_only_when_there_is_any(metadata: Any, has: bool) -> None:
    event = TaskStarted(task_id="t", name="n", input=0, triggers=[], metadata=metadata)
    assert ("metadata" in project(event, "tasks")) is has


def test_a_finished_task_shows_its_update_and_its_result() -> None:
    end = {"id": "t", "name": "n", "error": None, "result": {"a": [2]}, "interrupts": []}
    views = shown(FINISHED)
    assert views["updates"] == {"n": {"a": [2]}}
    assert views["tasks"] == end
    assert (views["debug"]["type"], views["debug"]["payload"]) == ("task_result", end)


def test_a_failed_task_shows_its_error_and_no_result() -> None:
    end = {"id": "t", "name": "n", "error": ERROR, "result": {}, "interrupts": []}
    views = shown(FAILED)
    assert views.keys() == {"tasks", "debug"}
    assert views["tasks"] == end
    assert views["debug"]["payload"] == end


@given(st.floats(0, 4e9) | st.integers(0, 1 << 31).map(lambda whole: whole + 0.9999999))
@example(0.9999995)
@example(1.0000005)
@example(1763769175.9999998)
def test_a_timestamp_is_the_moment_as_datetime_writes_it(moment: float) -> None:
    told = shown(replace(FAILED, time=moment))["debug"]["timestamp"]
    assert told == datetime.fromtimestamp(moment, UTC).isoformat(timespec="microseconds")


def test_a_timestamp_on_the_full_second_has_microseconds_too() -> None:
    assert shown(FAILED)["debug"]["timestamp"] == "1970-01-01T00:00:00.000000+00:00"


@pytest.mark.parametrize("update", [None, {"a": 1}, [{"a": 1}, {"a": 2}]])
def test_an_update_is_shown_as_it_is(update: Any) -> None:
    event = TaskFinished(task_id="t", name="n", update=update, result={})
    assert project(event, "updates") == {"n": update}


def test_a_projection_may_be_of_some_keys() -> None:
    event = TaskFinished(task_id="t", name="n", update={"a": 1, "b": 2}, result={})
    assert project(event, "updates", ["a"]) == {"n": {"a": 1}}
    assert project(event, "updates", ["c"]) == {"n": None}
    step = StepCommitted(values={"a": 1, "b": 2}, wrote=True, changed=frozenset({"a"}))
    assert project(step, "values", ["a", "c"]) == {"a": 1}
    assert project(step, "values", "a") == 1
    assert project(step, "values", ["b"]) is SKIP
    assert project(step, "tasks", ["a"]) is SKIP


def test_a_cached_task_shows_its_update_with_a_mark_and_no_result() -> None:
    event = TaskFinished(task_id="t", name="n", update={"a": 1}, result={"a": 1}, cached=True)
    assert shown(event) == {"updates": {"n": {"a": 1}, "__metadata__": {"cached": True}}}


def test_a_hidden_task_shows_nowhere() -> None:
    finished = TaskFinished(task_id="t", name="n", update={"a": 1}, result={}, hidden=True)
    started = TaskStarted(task_id="t", name="n", input=0, triggers=[], hidden=True)
    assert shown(finished) == shown(started) == {}


def test_a_step_shows_its_values_and_its_checkpoint() -> None:
    views = shown(STEP)
    assert views["values"] == {"a": [1], "b": 2}
    assert list(views["checkpoints"].items()) == [
        ("config", {"configurable": {"thread_id": "1"}}),
        ("parent_config", None),
        ("values", {"a": [1], "b": 2}),
        ("metadata", {"source": "loop"}),
        ("next", ["n"]),
        ("tasks", []),
    ]
    assert views["debug"]["type"] == "checkpoint"
    assert views["debug"]["payload"] == views["checkpoints"]


def test_a_step_that_wrote_no_output_key_shows_its_checkpoint_only() -> None:
    assert shown(StepCommitted(values={}, wrote=False, checkpoint=SAVED)).keys() == {
        "checkpoints",
        "debug",
    }


def test_a_step_without_a_checkpoint_shows_its_values_only() -> None:
    assert shown(StepCommitted(values={"a": 1}, wrote=True)) == {"values": {"a": 1}}


def test_tokens_and_custom_data_show_as_they_are() -> None:
    data = object()
    assert shown(Token(chunk="c", metadata={"m": 1})) == {"messages": ("c", {"m": 1})}
    assert shown(Custom(data=data)) == {"custom": data}
    assert shown(Custom(data=None)) == {"custom": None}


def test_events_about_the_run_show_in_no_mode() -> None:
    assert shown(RunStarted(run_id="r")) == shown(Withdrawn()) == {}


def test_modes_of_one_event_come_in_the_order_of_the_modes() -> None:
    for views in VIEWS.values():
        order = [MODES.index(mode) for mode, _ in views]
        assert order == sorted(order)


class TestOutputKeys:
    def values(self, keys: Any, **step: Any) -> Any:
        event = StepCommitted(**{"values": {"a": 1, "b": 2}, "wrote": True, **step})
        return narrow("values", lambda e: e.values, keys)(event)

    def updates(self, keys: Any, update: Any) -> Any:
        event = TaskFinished(task_id="t", name="n", update=update, result={})
        return narrow("updates", lambda e: e.update, keys)(event)

    def test_a_list_of_keys_shows_those_that_are_set(self) -> None:
        assert self.values(["b", "c"]) == {"b": 2}

    def test_one_key_as_a_string_shows_the_bare_value(self) -> None:
        assert self.values("b") == 2
        assert self.values("c") is SKIP

    def test_a_step_that_wrote_none_of_the_keys_shows_nothing(self) -> None:
        assert self.values(["b"], changed={"a"}) is SKIP
        assert self.values(["b"], changed={"a", "b"}) == {"b": 2}
        assert self.values(["b"], wrote=False) is SKIP

    def test_an_update_is_cut_down_to_the_keys(self) -> None:
        assert self.updates(["b"], {"a": 1, "b": 2}) == {"n": {"b": 2}}
        assert self.updates("b", {"a": 1, "b": 2}) == {"n": 2}

    @pytest.mark.parametrize("keys", ["b", ["b"]])
    @pytest.mark.parametrize("update", [None, {"a": 1}, [{"a": 1}, {"a": 2}]])
    def test_an_update_with_none_of_the_keys_shows_none(self, keys: Any, update: Any) -> None:
        assert self.updates(keys, update) == {"n": None}

    def test_a_list_of_updates_is_merged_unless_a_key_repeats(self) -> None:
        update = [{"a": [3]}, {"b": 1}, {"a": [4]}]
        assert self.updates(["a"], update) == {"n": [{"a": [3]}, {"a": [4]}]}
        assert self.updates("a", update) == {"n": [[3], [4]]}
        assert self.updates(["b"], update) == {"n": {"b": 1}}
        assert self.updates("b", update) == {"n": 1}

    def test_other_modes_are_not_cut_down(self) -> None:
        show = VIEWS[StepCommitted][1][1]
        assert narrow("checkpoints", show, ["b"]) is show
        assert narrow("values", show, None) is show


@dataclass(frozen=True)
class Asked:
    """What an interrupt has that modes show of it."""

    value: Any
    id: str
    response_schema: Any = None


class TestPauses:
    asked = Asked("?", "1")
    paused = Paused(step=1, interrupts=[asked])
    waits = TaskInterrupted(
        step=1, time=0.0, task_id="t", name="n", interrupts=[asked], values={"a": 1, "b": 2}
    )

    def test_updates_show_the_interrupts_as_a_tuple(self) -> None:
        assert project(self.paused, "updates") == {"__interrupt__": (self.asked,)}
        assert project(Paused(), "updates") == {"__interrupt__": ()}

    def test_values_show_the_state_and_the_interrupts(self) -> None:
        assert project(self.waits, "values") == {"a": 1, "b": 2, "__interrupt__": (self.asked,)}
        assert self.waits.values == {"a": 1, "b": 2}, "readers share what an event holds"

    def test_a_state_that_is_no_dict_leaves_the_interrupts_alone(self) -> None:
        event = replace(self.waits, values=5)
        assert project(event, "values") == {"__interrupt__": (self.asked,)}

    @pytest.mark.parametrize("mode", ["tasks", "debug"])
    def test_tasks_show_that_it_ended_with_plain_interrupts(self, mode: Any) -> None:
        shown = project(self.waits, mode)
        shown = shown if mode == "tasks" else shown["payload"]
        plain = {"value": "?", "id": "1", "response_schema": None}
        assert shown["interrupts"] == [plain]
        assert (shown["id"], shown["name"], shown["error"], shown["result"]) == ("t", "n", None, {})

    @pytest.mark.parametrize("mode", MODES)
    def test_a_hidden_task_shows_nothing_of_it(self, mode: Any) -> None:
        assert project(replace(self.paused, hidden=True), mode) is SKIP
        assert project(replace(self.waits, hidden=True), mode) is SKIP

    def test_keys_narrow_the_state_and_keep_the_interrupts(self) -> None:
        views = dict(VIEWS[TaskInterrupted])
        narrowed = narrow("values", views["values"], ["b"])
        assert narrowed(self.waits) == {"b": 2, "__interrupt__": (self.asked,)}
        bare = narrow("values", views["values"], "b")
        assert bare(self.waits) == {"__interrupt__": (self.asked,)}

    def test_keys_leave_what_updates_show_of_a_pause_alone(self) -> None:
        shown = dict(VIEWS[Paused])["updates"]
        assert narrow("updates", shown, ["b"])(self.paused) == {"__interrupt__": (self.asked,)}
