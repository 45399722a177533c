"""Spans that a run's events tell of."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from agent_server.spans import RUN, Begins, Ends, SpanTree
from streaming import (
    Custom,
    Event,
    RunFailed,
    RunFinished,
    RunStarted,
    StepCommitted,
    TaskFailed,
    TaskFinished,
    TaskInterrupted,
    TaskStarted,
)


def begins(name: str, at: float, *, step: int = 1, ns: Any = (), **more: Any) -> Event:
    known = {"task_id": f"id of {name}", "input": None, "triggers": ()}
    return TaskStarted(name=name, ns=ns, step=step, time=at, **{**known, **more})


def ends(name: str, at: float, *, step: int = 1, ns: Any = (), **more: Any) -> Event:
    known = {"task_id": f"id of {name}", "update": None, "result": {}}
    return TaskFinished(name=name, ns=ns, step=step, time=at, **{**known, **more})


def fails(name: str, at: float, error: Any) -> Event:
    return TaskFailed(name=name, task_id=f"id of {name}", step=1, time=at, error=error)


def commit(at: float, *, step: int = 1, ns: Any = ()) -> Event:
    return StepCommitted(values={}, wrote=True, ns=ns, step=step, time=at)


def said(*events: Event) -> list[str]:
    """The tree's words, short: `+name<parent @time` and `-key @time error`."""
    tree = SpanTree()
    return [_short(each) for event in events for each in tree.feed(event)]


def _short(each: Begins | Ends) -> str:
    if isinstance(each, Begins):
        return f"+{each.name}<{each.parent} @{each.at:g}"
    why = f" {each.error}" if each.error else ""
    return f"-{each.key} @{each.at:g}{why}" + "".join(f" {name}" for name in each.facts)


def test_a_step_begins_with_its_first_task_and_ends_with_its_commit() -> None:
    assert said(
        RunStarted(run_id="r", time=1),
        commit(1.5, step=0),
        begins("a", 2),
        begins("b", 2.5),
        Custom(data="x", time=2.6),
        ends("b", 3),
        ends("a", 4),
        commit(5),
        begins("c", 6, step=2),
    ) == [
        "+step<run @2",
        "+a<#1 @2",
        "+b<#1 @2.5",
        "-id of b @3",
        "-id of a @4",
        "-#1 @5",
        "+step<run @6",
        "+c<#2 @6",
    ]


def test_a_span_says_its_step_node_and_namespace() -> None:
    step, task = SpanTree().feed(begins("a", 2, step=3))
    assert isinstance(step, Begins)
    assert isinstance(task, Begins)
    assert step.facts == {"understudy.step": 3, "understudy.namespace": ""}
    assert task.facts == {
        **step.facts,
        "understudy.node": "a",
        "understudy.task_id": "id of a",
    }


def test_steps_of_a_graph_in_a_task_are_in_that_task() -> None:
    ns = ("sub:id of sub",)
    assert said(begins("sub", 1), begins("inner", 2, ns=ns), ends("sub", 4)) == [
        "+step<run @1",
        "+sub<#1 @1",
        "+step<id of sub @2",
        "+inner<sub:id of sub|#1 @2",
        "-id of inner @4 understudy.cut_off",
        "-sub:id of sub|#1 @4 understudy.cut_off",
        "-id of sub @4",
    ]


def test_a_second_graph_of_a_task_and_one_that_keeps_its_state_are_in_it_too() -> None:
    second = said(begins("sub", 1), begins("x", 2, ns=("sub:id of sub", "1")))
    kept = said(begins("sub", 1), begins("x", 2, ns=("sub",)))
    assert second[2] == kept[2] == "+step<id of sub @2"


def test_a_graph_in_a_task_that_is_not_known_is_in_the_run() -> None:
    assert said(begins("x", 2, ns=("gone:1",)))[0] == "+step<run @2"


def test_an_error_ends_its_task_and_the_step_that_never_was_committed() -> None:
    boom = ValueError("boom")
    assert said(
        begins("a", 1),
        begins("bad", 1),
        fails("bad", 2, boom),
        RunFailed(error="ValueError", message="boom", time=3),
    ) == [
        "+step<run @1",
        "+a<#1 @1",
        "+bad<#1 @1",
        "-id of bad @2 boom",
        "-id of a @3 understudy.cut_off",
        "-#1 @3 boom",
    ]


def test_an_error_that_the_graph_deals_with_is_none_of_its_step() -> None:
    assert said(begins("bad", 1), fails("bad", 2, "boom"), commit(3))[-1] == "-#1 @3"


def test_a_pause_and_a_cached_result_are_told() -> None:
    asked = TaskInterrupted(task_id="id of a", name="a", step=1, time=2, interrupts=(), values=None)
    told = said(begins("a", 1), asked, begins("b", 3), ends("b", 3, cached=True))
    assert told[2] == "-id of a @2 understudy.paused"
    assert told[-1] == "-id of b @3 understudy.cached"


def test_hidden_tasks_and_the_ends_of_unknown_ones_say_nothing() -> None:
    hidden = begins("a", 1, hidden=True)
    assert said(hidden, ends("a", 2, hidden=True), fails("b", 2, "x"), commit(3)) == []


def test_a_task_that_begins_again_is_a_span_of_its_own() -> None:
    assert said(begins("a", 1), begins("a", 2))[2:] == [
        "-id of a @2 understudy.cut_off",
        "+a<#1 @2",
    ]


def test_the_end_of_the_run_ends_what_is_open_and_not_the_run() -> None:
    tree = SpanTree()
    tree.feed(begins("a", 1))
    keys = [each.key for each in tree.feed(RunFinished(status="cancelled", time=9))]
    assert keys == ["id of a", "#1"]
    assert RUN not in keys
    assert tree.close(10) == []


# --- whatever comes ----------------------------------------------------------------------------

TASKS = ("a", "b", "sub")
PLACES: Any = ((), ("sub:id of sub",), ("sub",), ("sub:id of sub", "a:id of a"), ("gone:1",))
EVENTS: Any = st.one_of(
    st.builds(begins, st.sampled_from(TASKS), st.just(1.0), ns=st.sampled_from(PLACES)),
    st.builds(ends, st.sampled_from(TASKS), st.just(2.0)),
    st.builds(fails, st.sampled_from(TASKS), st.just(3.0), st.just("boom")),
    st.builds(commit, st.just(4.0), ns=st.sampled_from(PLACES)),
    st.just(RunFinished(status="success", time=5.0)),
)


@given(st.lists(EVENTS, max_size=30))
def test_each_span_ends_once_after_those_in_it_and_begins_in_one_that_is_open(
    events: list[Event],
) -> None:
    tree, parents = SpanTree(), dict[str, str]()
    told = [each for event in events for each in tree.feed(event)] + tree.close(9.0)
    for each in told:
        if isinstance(each, Begins):
            assert each.key not in parents
            assert each.parent == RUN or each.parent in parents
            parents[each.key] = each.parent
        else:
            assert each.key not in parents.values()
            del parents[each.key]
    assert parents == {}
