"""The events that a machine's reporter makes, and the ids of tasks."""

from __future__ import annotations

from typing import Any

import pytest

from actors import START, TAG_HIDDEN, StateGraph
from actors.commands import PULL, PUSH, Begin, Task, TaskFailed
from actors.report import Watch, is_start, task_id
from streaming import StepCommitted, TaskStarted
from streaming import TaskFailed as TaskFailedEvent
from streaming import TaskFinished as TaskFinishedEvent
from tests.actors.engine import ALL, State, chain, emitted, machine, ran, run_through, says

SPEC = chain(a=says("a"), b=says("b")).compile().spec


def pull(name: str = "a", step: int = 1) -> Task:
    return Task(SPEC.nodes[name], (PULL, name), (), step=step)


def events(kind: type, builder: StateGraph | None = None, **changes: Any) -> list[Any]:
    known: dict[str, Any] = {"persist": True, "watch": ALL}
    target = machine(builder or chain(a=says("a")), **(known | changes))
    return [e for e in emitted(run_through(target, {"log": ["in"]})) if isinstance(e, kind)]


@pytest.mark.parametrize("first", range(16))
def test_a_watch_united_with_another_watches_what_either_does(first: int) -> None:
    def watch(bits: int) -> Watch:
        return Watch(*(bool(bits & (1 << bit)) for bit in range(4)))

    for second in range(16):
        assert watch(first).union(watch(second)) == watch(first | second)


def test_a_task_id_is_the_same_for_the_same_place() -> None:
    assert task_id("c1", ("ns",), pull()) == task_id("c1", ("ns",), pull())


def test_a_task_id_differs_by_checkpoint_namespace_step_node_and_path() -> None:
    ids = [
        task_id("c1", (), pull()),
        task_id("c2", (), pull()),
        task_id("c1", ("x",), pull()),
        task_id("c1", (), pull(step=2)),
        task_id("c1", (), pull("b")),
        task_id("c1", (), Task(SPEC.nodes["a"], (PUSH, 0, False), (), step=1)),
        task_id("c1", (), Task(SPEC.nodes["a"], (PUSH, 1, False), (), step=1)),
    ]
    assert len(set(ids)) == len(ids)


def test_a_task_id_looks_like_a_uuid_even_for_strange_names() -> None:
    found = task_id("\ud800", ("\x1f",), pull())
    assert [len(part) for part in found.split("-")] == [8, 4, 4, 4, 12]


def test_a_start_says_what_runs_on_what_and_why() -> None:
    [started] = events(TaskStarted)
    assert (started.name, started.step) == ("a", 1)
    assert started.input == {"log": ["in"]}
    assert started.triggers == ("branch:to:a",)
    assert started.metadata is None


def test_a_start_carries_the_metadata_of_the_run_and_of_the_node() -> None:
    builder = StateGraph(State).add_edge(START, "a")
    builder.add_node("a", says("a"), metadata={"own": 1, "both": "node"})
    [started] = events(TaskStarted, builder, task_metadata={"run": 2, "both": "run"})
    assert started.metadata == {"run": 2, "own": 1, "both": "node"}


def test_a_finish_shows_state_keys_and_no_control_channels() -> None:
    [finished] = events(TaskFinishedEvent, chain(a=says("a"), b=says("b")))[:1]
    assert (finished.update, finished.result) == ({"log": ["a"]}, {"log": ["a"]})
    assert (finished.cached, finished.hidden) == (False, False)


def test_a_finish_of_a_hidden_node_says_so() -> None:
    builder = StateGraph(State).add_edge(START, "a")
    builder.add_node("a", says("a"), metadata={"tags": [TAG_HIDDEN]})
    [finished] = events(TaskFinishedEvent, builder)
    assert finished.hidden


def test_a_failure_carries_the_exception_itself() -> None:
    target = machine(chain(a=says("a")), watch=ALL)
    [task] = ran(target.feed(Begin({"log": []})))
    error = ValueError("no")
    [failed] = [
        event
        for event in emitted(target.feed(TaskFailed(task, error)))
        if isinstance(event, TaskFailedEvent)
    ]
    assert (failed.error, failed.task_id, failed.name) == (error, task.id, "a")


def test_a_step_shows_its_checkpoint_its_parent_and_what_comes_next() -> None:
    steps = events(StepCommitted, chain(a=says("a"), b=says("b")), thread_id="t")
    assert [step.step for step in steps] == [-1, 0, 1, 2]
    shown = steps[2].checkpoint
    assert shown.config["configurable"]["checkpoint_id"] == "c3"
    assert shown.parent_config["configurable"]["checkpoint_id"] == "c2"
    assert (list(shown.next), shown.metadata["source"]) == (["b"], "loop")
    assert [view["name"] for view in shown.tasks] == ["b"]
    assert steps[0].checkpoint.parent_config is None
    assert [step.checkpoint.metadata["source"] for step in steps] == ["input"] + ["loop"] * 3


def test_a_step_without_watchers_of_checkpoints_shows_the_state_only() -> None:
    steps = events(StepCommitted, watch=Watch(values=True))
    assert [(step.values, step.checkpoint) for step in steps] == [
        ({"log": ["in"]}, None),
        ({"log": ["in", "a"]}, None),
    ]


def test_the_values_shown_are_those_of_their_step() -> None:
    steps = events(StepCommitted, chain(a=says("a"), b=says("b")))
    assert [step.values["log"] for step in steps] == [[], ["in"], ["in", "a"], ["in", "a", "b"]]


def test_a_subgraph_that_comes_next_is_shown_with_the_config_of_its_state() -> None:
    sub = chain(x=says("x")).compile()
    steps = events(StepCommitted, chain(a=says("a"), sub=sub), thread_id="t")
    [view] = steps[2].checkpoint.tasks
    assert view["state"] == {
        "configurable": {"thread_id": "t", "checkpoint_ns": f"sub:{view['id']}"}
    }


def test_a_step_shows_all_state_keys_and_says_which_it_wrote() -> None:
    builder = chain(a=says("a"))
    target = machine(builder, watch=Watch(values=True))
    steps = emitted(run_through(target, {"log": []}, a={"n": 1}))
    assert [(step.values, set(step.changed)) for step in steps] == [
        ({"log": []}, {"log"}),
        ({"log": [], "n": 1}, {"n"}),
    ]


def test_a_graph_that_a_node_calls_shows_what_it_gives_to_the_node() -> None:
    target = machine(chain(a=says("a")), watch=Watch(values=True, updates=True), shown_keys=("n",))
    shown = emitted(run_through(target, {"log": []}, a={"n": 1, "text": "x"}))
    assert [event.update for event in shown if hasattr(event, "update")] == [{"n": 1}]
    assert [event.values for event in shown if getattr(event, "wrote", False)] == [{"n": 1}]


def test_the_task_that_applies_the_input_is_known_by_its_path() -> None:
    assert is_start(Task(SPEC.start, (PULL, START), ()))
    assert not is_start(pull())
    assert not is_start(Task(SPEC.nodes["a"], (PUSH, 0, False), ()))
