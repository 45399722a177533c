"""Values that are filled in where a node reads them, and nowhere else."""

from __future__ import annotations

import operator
from typing import Annotated, Any

import pytest
from typing_extensions import TypedDict

from actors import (
    END,
    START,
    GraphBuildError,
    IsLastStep,
    ManagedValue,
    RemainingSteps,
    StateGraph,
    StepInfo,
)
from actors.managed import IsLastStepManager, RemainingStepsManager, filled_in
from checkpoint import MemorySaver
from tests.actors.engine import on


class State(TypedDict, total=False):
    log: Annotated[list[Any], operator.add]
    left: RemainingSteps
    last: IsLastStep


class Plain(TypedDict):
    left: int


class Half(ManagedValue[bool]):
    @staticmethod
    def get(scratchpad: StepInfo) -> bool:
        return scratchpad.step * 2 > scratchpad.stop


def reads(state: Any) -> dict[str, Any]:
    return {"log": [(state["left"], state["last"])]}


def test_values_are_made_of_where_the_run_stands() -> None:
    managed = {"left": RemainingStepsManager, "last": IsLastStepManager, "half": Half}
    assert filled_in(managed, 1, 5) == {"left": 4, "last": False, "half": False}
    assert filled_in(managed, 4, 5) == {"left": 1, "last": True, "half": True}


def test_they_are_neither_stored_nor_shown_as_state() -> None:
    graph = StateGraph(State).add_node("a", reads).add_edge(START, "a").compile(MemorySaver())
    chunks = list(graph.stream({"log": []}, on("t"), stream_mode=["values", "updates"]))
    assert not any("left" in repr(chunk) for chunk in chunks)
    history = list(graph.get_state_history(on("t")))
    assert all(set(state.values) <= {"log"} for state in history)


def test_they_are_shown_as_a_tasks_input() -> None:
    graph = StateGraph(State).add_node("a", reads).add_edge(START, "a").compile()
    begun = next(graph.stream({"log": []}, {"recursion_limit": 5}, stream_mode="tasks"))
    assert begun["input"] == {"log": [], "left": 4, "last": False}


def test_a_path_reads_them_too() -> None:
    builder = StateGraph(State).add_node("a", reads).add_edge(START, "a")
    builder.add_conditional_edges("a", lambda s: END if s["left"] == 2 else "a")
    graph = builder.compile()
    assert graph.invoke({"log": []}, {"recursion_limit": 5})["log"] == [
        (4, False),
        (3, False),
        (2, False),
    ]


def test_updating_the_thread_does_not_write_them() -> None:
    graph = StateGraph(State).add_node("a", reads).add_edge(START, "a").compile(MemorySaver())
    graph.update_state(on("t"), {"log": [1], "left": 7}, as_node="a")
    assert graph.get_state(on("t")).values == {"log": [1]}


@pytest.mark.parametrize(("first", "second"), [(State, Plain), (Plain, State)])
def test_a_key_that_holds_state_in_another_schema_is_refused(first: Any, second: Any) -> None:
    builder = StateGraph(first)
    with pytest.raises(GraphBuildError, match="'left' is filled in by RemainingStepsManager"):
        builder.add_node("a", reads, input_schema=second)
    assert builder.nodes == {}


def test_a_value_of_ones_own_must_say_how_it_is_made() -> None:
    class Nothing(ManagedValue[int]):
        pass

    assert getattr(Nothing.get, "__isabstractmethod__", False)
