"""The super-step machine, rule by rule, without a loop: events in, commands out."""

from __future__ import annotations

import operator
from typing import Annotated, Any, TypedDict

import pytest

from actors import START, GraphRecursionError, InvalidUpdateError, Send, StateGraph
from actors.commands import (
    Begin,
    Cancelled,
    Emit,
    Finish,
    MachineCommand,
    RunTasks,
    SaveCheckpoint,
    SaveWrites,
    TaskFailed,
    TaskFinished,
)
from actors.errors import EmptyInputError, RunCancelledError
from actors.report import Watch
from streaming import StepCommitted, TaskStarted
from tests.actors.engine import (
    ALL,
    State,
    chain,
    emitted,
    ending,
    facts,
    fan,
    finish,
    kept,
    machine,
    names,
    ran,
    restored_of,
    run_through,
    saved,
    says,
    writes_for,
)


def noop(state: Any) -> None:
    """A node that is never called here: machines run no code."""


def sends(*args: Any) -> StateGraph:
    """A node `spread` whose branch sends each of args to `work`."""
    builder = StateGraph(State).add_node("spread", noop).add_node("work", noop)
    builder.add_edge(START, "spread")
    builder.add_conditional_edges("spread", lambda s: [Send("work", a) for a in args], ["work"])
    return builder


def send_writes(task: Any, *args: Any) -> list[tuple[str, Any]]:
    return [("__pregel_tasks", Send("work", arg)) for arg in args]


# --- rule 1: one state for all tasks of a step, writes in path order ---------------------------


@pytest.mark.parametrize("order", ["amz", "azm", "maz", "mza", "zam", "zma"])
def test_writes_are_applied_by_name_whatever_the_order_of_finishing(order: str) -> None:
    target = machine(fan(z=noop, a=noop, m=noop))
    finish(target, target.feed(Begin({"log": ["in"]})), order)
    assert target.channels.output() == {"log": ["in", "a", "m", "z"]}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_writes_of_sends_are_applied_by_index(order: tuple[int, ...]) -> None:
    target = machine(sends("x", "y", "z"))
    spread = ran(target.feed(Begin({"log": []})))[0]
    tasks = ran(target.feed(TaskFinished(spread, send_writes(spread, "x", "y", "z"))))
    for at in order:
        target.feed(TaskFinished(tasks[at], [("log", [tasks[at].arg])]))
    assert target.channels.output() == {"log": ["x", "y", "z"]}


def test_node_tasks_write_before_sends_of_the_same_step() -> None:
    builder = sends("x").add_node("zz", noop).add_edge("spread", "zz")
    target = machine(builder)
    spread = ran(target.feed(Begin({"log": []})))[0]
    commands = target.feed(
        TaskFinished(spread, [*send_writes(spread, "x"), ("branch:to:zz", None)])
    )
    assert names(commands) == ["work", "zz"]
    finish(target, commands)
    assert target.channels.output()["log"] == ["zz", "work"]


def test_ten_and_more_sends_keep_their_numeric_order() -> None:
    target = machine(sends())
    spread = ran(target.feed(Begin({"log": []})))[0]
    tasks = ran(target.feed(TaskFinished(spread, send_writes(spread, *range(12)))))
    for task in reversed(tasks):
        target.feed(TaskFinished(task, [("log", [task.arg])]))
    assert target.channels.output()["log"] == list(range(12))


def test_all_tasks_of_a_step_see_the_state_as_the_step_found_it() -> None:
    target = machine(fan(a=noop, b=noop))
    first, second = ran(target.feed(Begin({"log": ["in"], "n": 1})))
    before = target.channels.input_of(second)
    target.feed(TaskFinished(first, [("log", ["a"]), ("n", 2)]))
    assert target.channels.input_of(second) == before == {"log": ["in"], "n": 1}


def test_the_next_step_starts_when_the_last_task_has_finished() -> None:
    builder = fan(a=noop, b=noop).add_node("c", noop).add_edge("a", "c")
    target = machine(builder)
    a, b = ran(target.feed(Begin({"log": []})))
    assert names(target.feed(TaskFinished(a, writes_for(a)))) == []
    assert names(target.feed(TaskFinished(b, writes_for(b)))) == ["c"]


def test_a_send_gets_its_argument_as_its_input_and_not_the_state() -> None:
    target = machine(sends())
    spread = ran(target.feed(Begin({"log": ["in"]})))[0]
    [work] = ran(target.feed(TaskFinished(spread, send_writes(spread, {"own": 1}))))
    assert target.channels.input_of(work) == {"own": 1}


# --- rule 2: planning --------------------------------------------------------------------------


def test_only_nodes_that_an_edge_leads_to_run_next() -> None:
    builder = chain(a=noop, b=noop, c=noop).add_node("island", noop)
    builder.add_edge("island", "c")
    target = machine(builder)
    commands = target.feed(Begin({"log": []}))
    seen = [names(commands)]
    while ran(commands):
        commands = finish(target, commands)
        seen.append(names(commands))
    assert seen == [["a"], ["b"], ["c"], []]


def test_two_edges_into_one_node_in_one_step_give_it_one_task() -> None:
    builder = fan(a=noop, b=noop).add_node("c", noop)
    builder.add_edge("a", "c").add_edge("b", "c")
    target = machine(builder)
    commands = finish(target, target.feed(Begin({"log": []})))
    assert names(commands) == ["c"]


def test_a_join_waits_for_all_that_it_names_over_several_steps() -> None:
    builder = chain(a=noop, b=noop).add_node("c", noop).add_node("j", noop)
    builder.add_edge(START, "c").add_edge(["b", "c"], "j")
    target = machine(builder)
    first = target.feed(Begin({"log": []}))
    second = finish(target, first)
    third = finish(target, second)
    assert [names(first), names(second), names(third)] == [["a", "c"], ["b"], ["j"]]


def test_a_join_waits_anew_after_it_has_run() -> None:
    builder = fan(a=noop, b=noop).add_node("j", noop)
    builder.add_edge(["a", "b"], "j").add_edge("j", "a")
    target = machine(builder)
    joined = finish(target, target.feed(Begin({"log": []})))
    again = finish(target, joined)
    assert [names(joined), names(again)] == [["j"], ["a"]]
    last = finish(target, again)
    assert names(last) == []
    assert ending(last).error is None


def test_a_cycle_runs_a_node_again() -> None:
    builder = chain(a=noop).add_edge("a", "a")
    target = machine(builder)
    commands = target.feed(Begin({"log": []}))
    for _ in range(3):
        commands = finish(target, commands)
        assert names(commands) == ["a"]


def test_a_thousand_sends_are_a_thousand_tasks_of_one_step() -> None:
    target = machine(sends(), persist=True)
    spread = ran(target.feed(Begin({"log": []})))[0]
    tasks = ran(target.feed(TaskFinished(spread, send_writes(spread, *range(1000)))))
    assert len({task.id for task in tasks}) == 1000
    for task in tasks:
        commands = target.feed(TaskFinished(task, [("log", [task.arg])]))
    assert target.channels.output()["log"] == list(range(1000))
    assert ending(commands).error is None


# --- rule 3: deferred nodes --------------------------------------------------------------------


def test_a_deferred_node_runs_when_nothing_else_is_left() -> None:
    builder = StateGraph(State).add_node("last", noop, defer=True)
    for name in ("a", "b", "c"):
        builder.add_node(name, noop)
    builder.add_edge(START, "a").add_edge(START, "b").add_edge("b", "c")
    builder.add_edge("a", "last").add_edge("c", "last")
    target = machine(builder)
    commands = target.feed(Begin({"log": []}))
    seen = [names(commands)]
    while ran(commands):
        commands = finish(target, commands)
        seen.append(names(commands))
    assert seen == [["a", "b"], ["c"], ["last"], []]


def test_a_deferred_node_that_no_one_triggered_never_runs() -> None:
    builder = chain(a=noop).add_node("last", noop, defer=True).add_node("b", noop)
    builder.add_edge("b", "last")
    commands = run_through(machine(builder), {"log": []})
    assert "last" not in names(commands)


# --- rule 4: the input is a step of its own ----------------------------------------------------


def test_the_input_is_checkpoint_minus_one_and_applied_in_step_0() -> None:
    commands = run_through(machine(chain(a=noop), persist=True), {"log": ["in"]})
    steps = [(s.step, s.source, s.parent_id) for s in saved(commands)]
    assert steps == [(-1, "input", None), (0, "loop", "c1"), (1, "loop", "c2")]
    assert saved(commands)[0].changed == {"__start__": {"log": ["in"]}}
    assert saved(commands)[1].changed["log"] == ["in"]


def test_a_new_input_drops_the_tasks_that_were_left() -> None:
    graph = chain(a=noop, b=noop).compile()
    first = machine(graph, persist=True)
    commands = first.feed(Begin({"log": ["one"]}))
    commands += finish(first, commands)  # a has run, b is left
    second = machine(graph, persist=True, restored=restored_of(commands))
    assert names(second.feed(Begin({"log": ["two"]}))) == ["a"]
    assert second.channels.output()["log"] == ["one", "a", "two"]


def test_a_new_input_drops_sends_that_were_left() -> None:
    graph = sends().compile()
    first = machine(graph, persist=True)
    commands = first.feed(Begin({"log": []}))
    spread = ran(commands)[0]
    commands += first.feed(TaskFinished(spread, send_writes(spread, "x", "y")))
    second = machine(graph, persist=True, restored=restored_of(commands))
    assert names(second.feed(Begin({"log": []}))) == ["spread"]


def test_a_new_input_drops_a_join_that_was_ready() -> None:
    graph = fan(a=noop, b=noop).add_node("j", noop).add_edge(["a", "b"], "j").compile()
    first = machine(graph, persist=True)
    commands = first.feed(Begin({"log": []}))
    commands += finish(first, commands)
    second = machine(graph, persist=True, restored=restored_of(commands))
    begun = second.feed(Begin({"log": []}))
    assert names(begun) == ["a", "b"]
    assert names(finish(second, begun)) == ["j"]


def test_steps_count_on_over_the_runs_of_a_thread() -> None:
    graph = chain(a=noop).compile()
    first = run_through(machine(graph, persist=True), {"log": []})
    second = machine(graph, persist=True, restored=restored_of(first))
    steps = [snapshot.step for snapshot in saved(run_through(second, {"log": []}))]
    assert steps == [2, 3, 4]


def test_an_input_that_the_schema_refuses_changes_nothing() -> None:
    target = machine(chain(a=noop), persist=True)
    with pytest.raises(InvalidUpdateError):
        target.feed(Begin(5))
    assert target.channels.output() == {"log": []}
    assert target.trail.checkpoint_id is None


def test_a_branch_from_start_is_asked_of_user_code_before_step_0_is_closed() -> None:
    builder = StateGraph(State).add_node("a", noop)
    builder.add_conditional_edges(START, lambda state: "a", ["a"])
    target = machine(builder, persist=True)
    commands = target.feed(Begin({"log": []}))
    [start] = ran(commands)
    assert start.node.name == START
    assert [snapshot.step for snapshot in saved(commands)] == [-1]
    commands = target.feed(TaskFinished(start, [("log", []), ("branch:to:a", None)]))
    assert names(commands) == ["a"]
    assert [snapshot.step for snapshot in saved(commands)] == [0]
    assert kept(commands) == []


# --- rule 5: going on --------------------------------------------------------------------------


def test_going_on_without_a_checkpoint_ends_with_an_empty_input_error() -> None:
    assert isinstance(ending(machine(chain(a=noop)).feed(Begin(None))).error, EmptyInputError)


def test_going_on_runs_what_was_left() -> None:
    graph = chain(a=noop, b=noop, c=noop).compile()
    first = machine(graph, persist=True)
    commands = first.feed(Begin({"log": []}))
    commands += finish(first, commands)
    second = machine(graph, persist=True, restored=restored_of(commands))
    assert names(run_through(second, None)) == ["b", "c"]
    assert second.channels.output()["log"] == ["a", "b", "c"]


def test_going_on_a_finished_thread_ends_at_once_with_its_state() -> None:
    graph = chain(a=noop).compile()
    done = run_through(machine(graph, persist=True), {"log": []})
    second = machine(graph, persist=True, restored=restored_of(done))
    commands = second.feed(Begin(None))
    assert ending(commands).error is None
    assert (names(commands), saved(commands)) == ([], [])
    assert second.channels.output() == {"log": ["a"]}


def test_tasks_whose_writes_were_kept_do_not_run_again_and_are_reported_as_cached() -> None:
    graph = fan(a=noop, b=noop, c=noop).compile()
    first = machine(graph, persist=True)
    commands = first.feed(Begin({"log": []}))
    _, b, c = ran(commands)
    commands += first.feed(TaskFinished(b, writes_for(b, {"log": ["b"]})))
    commands += first.feed(TaskFailed(c, ValueError("no")))
    second = machine(graph, persist=True, watch=ALL, restored=restored_of(commands))
    again = second.feed(Begin(None))
    assert names(again) == ["a", "c"]
    assert [e.name for e in emitted(again) if getattr(e, "cached", False)] == ["b"]
    finish(second, again)
    assert second.channels.output()["log"] == ["a", "b", "c"]


def test_when_all_tasks_of_a_step_were_kept_the_step_is_closed_without_running_any() -> None:
    graph = fan(a=noop, b=noop).add_node("c", noop).add_edge("a", "c").compile()
    first = machine(graph, persist=True)
    commands = first.feed(Begin({"log": []}))
    upto = len(saved(commands))
    commands += finish(first, commands)
    second = machine(graph, persist=True, restored=restored_of(commands, upto))
    again = second.feed(Begin(None))
    assert names(again) == ["c"]
    assert second.channels.output()["log"] == ["a", "b"]


def test_task_ids_are_the_same_when_a_step_is_planned_again() -> None:
    graph = fan(a=noop, b=noop).compile()
    first = machine(graph, persist=True)
    commands = first.feed(Begin({"log": []}))
    second = machine(graph, persist=True, restored=restored_of(commands))
    assert [t.id for t in ran(second.feed(Begin(None)))] == [t.id for t in ran(commands)]


def test_going_back_to_an_old_checkpoint_saves_a_fork_and_runs_what_came_after() -> None:
    graph = chain(a=noop, b=noop).compile()
    done = run_through(machine(graph, persist=True), {"log": []})
    old = restored_of(done, 2)
    old.pending, old.replayed = {}, True
    second = machine(graph, persist=True, restored=old)
    commands = run_through(second, None)
    assert names(commands) == ["a", "b"]
    assert [(s.source, s.step) for s in saved(commands)] == [("fork", 1), ("loop", 2), ("loop", 3)]
    assert saved(commands)[0].parent_id == old.checkpoint_id
    assert second.channels.output()["log"] == ["a", "b"]


def test_a_deferred_trigger_that_was_open_is_open_after_going_on() -> None:
    graph = chain(a=noop).add_node("last", noop, defer=True).add_edge("a", "last").compile()
    first = machine(graph, persist=True)
    commands = first.feed(Begin({"log": []}))
    commands += finish(first, commands)
    assert names(commands)[-1] == "last"
    second = machine(graph, persist=True, restored=restored_of(commands))
    assert names(second.feed(Begin(None))) == ["last"]


def test_a_half_full_join_is_kept_over_going_on() -> None:
    builder = chain(a=noop, b=noop).add_node("c", noop).add_node("j", noop)
    graph = builder.add_edge(START, "c").add_edge(["b", "c"], "j").compile()
    first = machine(graph, persist=True)
    commands = first.feed(Begin({"log": []}))
    commands += finish(first, commands)  # c has written to the join, b is left
    second = machine(graph, persist=True, restored=restored_of(commands))
    assert names(run_through(second, None)) == ["b", "j"]


# --- rule 6: failures --------------------------------------------------------------------------


def test_a_failure_ends_the_run_and_keeps_what_siblings_wrote_and_the_error() -> None:
    target = machine(fan(a=noop, b=noop, c=noop), persist=True)
    commands = target.feed(Begin({"log": []}))
    a, b, _ = ran(commands)
    error = ValueError("no")
    finished = target.feed(TaskFinished(a, writes_for(a, {"log": ["a"]})))
    failed = target.feed(TaskFailed(b, error))
    assert kept(finished) == [a]
    assert kept(failed) == [b]
    assert b.error == "ValueError('no')"
    assert ending(failed).error is error
    assert target.channels.output() == {"log": []}


def test_two_writers_of_one_last_value_end_the_run_and_close_no_step() -> None:
    target = machine(fan(a=noop, b=noop), persist=True)
    commands = target.feed(Begin({"log": []}))
    done = finish(target, commands, a={"n": 1}, b={"n": 2})
    assert isinstance(ending(done).error, InvalidUpdateError)
    assert saved(done) == []


def test_a_reducer_that_raises_ends_the_run_with_its_own_error() -> None:
    class Sum(TypedDict):
        total: Annotated[int, operator.add]

    target = machine(chain(Sum, a=noop))
    done = finish(target, target.feed(Begin({"total": 1})), a={"total": "x"})
    assert isinstance(ending(done).error, TypeError)


def test_the_steps_run_out_after_recursion_limit_steps() -> None:
    target = machine(chain(a=noop).add_edge("a", "a"), persist=True, recursion_limit=3)
    commands = run_through(target, {"log": []})
    error = ending(commands).error
    assert isinstance(error, GraphRecursionError)
    assert "3" in str(error)
    assert names(commands) == ["a"] * 3
    assert [s.step for s in saved(commands)] == [-1, 0, 1, 2, 3]


def test_a_thread_whose_steps_ran_out_goes_on_with_as_many_again() -> None:
    graph = chain(a=noop).add_edge("a", "a").compile()
    first = run_through(machine(graph, persist=True, recursion_limit=2), {"log": []})
    second = machine(graph, persist=True, recursion_limit=2, restored=restored_of(first))
    commands = run_through(second, None)
    assert second.channels.output()["log"][:2] == ["a", "a"]
    assert len(names(commands)) >= 2
    assert isinstance(ending(commands).error, GraphRecursionError)


# --- rule 7: the order of commands, and what is left out ---------------------------------------


def _rank(command: MachineCommand) -> int:
    match command:
        case SaveWrites() | SaveCheckpoint():
            return 0
        case Emit():
            return 1
        case RunTasks() | Finish():
            return 2


def answers(target: Any, value: Any) -> list[list[MachineCommand]]:
    """Each answer of a machine until its end."""
    given = [target.feed(Begin(value))]
    while tasks := ran(given[-1]):
        given += [
            target.feed(TaskFinished(t, writes_for(t, {"log": [t.node.name]}))) for t in tasks
        ]
    return given


@pytest.mark.parametrize("persist", [True, False])
def test_run_tasks_or_finish_comes_last_and_only_once_in_an_answer(persist: bool) -> None:
    builder = fan(a=noop, b=noop).add_node("c", noop).add_edge(["a", "b"], "c")
    for answer in answers(machine(builder, persist=persist, watch=ALL), {"log": []}):
        last = [at for at, command in enumerate(answer) if _rank(command) == 2]
        assert last in ([], [len(answer) - 1])


def test_what_an_emit_reports_is_saved_by_the_commands_before_it() -> None:
    builder = fan(a=noop, b=noop).add_node("c", noop).add_edge(["a", "b"], "c")
    stored: set[Any] = set()
    for answer in answers(machine(builder, persist=True, watch=ALL), {"log": []}):
        for command in answer:
            match command:
                case SaveWrites(task):
                    stored.add(task.id)
                case SaveCheckpoint(snapshot):
                    stored.add(snapshot.id)
                case Emit(StepCommitted(checkpoint=shown)) if shown is not None:
                    assert shown.config["configurable"]["checkpoint_id"] in stored
                case Emit(event) if hasattr(event, "result"):
                    assert event.task_id in stored
                case _:
                    pass
    assert len(stored) == 3 + 4  # three tasks, four checkpoints


def test_nothing_is_emitted_that_no_one_watches() -> None:
    builder = fan(a=noop, b=noop).add_node("c", noop).add_edge(["a", "b"], "c")
    assert emitted(run_through(machine(builder, persist=True), {"log": []})) == []


@pytest.mark.parametrize(
    ("watch", "kinds"),
    [
        (Watch(values=True), {"StepCommitted"}),
        (Watch(updates=True), {"TaskFinished"}),
        (Watch(tasks=True), {"TaskStarted", "TaskFinished"}),
        (Watch(checkpoints=True), {"StepCommitted"}),
    ],
)
def test_each_kind_of_event_is_made_for_its_watchers_only(watch: Watch, kinds: set[str]) -> None:
    commands = run_through(machine(chain(a=noop), persist=True, watch=watch), {"log": []})
    assert {type(event).__name__ for event in emitted(commands)} == kinds


def test_without_persistence_and_watchers_no_id_is_made_and_no_clock_is_read() -> None:
    def refuse(*_: Any) -> Any:
        raise AssertionError("asked for")

    target = machine(chain(a=noop), now=refuse, new_id=refuse)
    commands = run_through(target, {"log": []})
    assert [task.id for task in ran(commands)] == [""]
    assert (saved(commands), kept(commands), target.trail.checkpoint_id) == ([], [], None)


def test_watched_tasks_have_ids_that_differ_between_runs_without_checkpoints() -> None:
    graph = chain(a=noop).compile()
    first, second = (
        ran(machine(graph, watch=Watch(tasks=True), seed=seed).feed(Begin({})))[0].id
        for seed in ("one", "two")
    )
    assert first
    assert second
    assert first != second


def test_an_id_is_made_when_it_is_asked_for_and_stays() -> None:
    target = machine(chain(a=noop))
    [task] = ran(target.feed(Begin({})))
    assert task.id == ""
    assert target.trail.identify(task) == target.trail.identify(task) == task.id != ""


def test_starts_are_announced_before_the_tasks_run() -> None:
    commands = machine(fan(b=noop, a=noop), watch=ALL).feed(Begin({"log": [], "n": 3}))
    starts = [event for event in emitted(commands) if isinstance(event, TaskStarted)]
    assert [(e.name, e.input, e.step) for e in starts] == [
        ("a", {"log": [], "n": 3}, 1),
        ("b", {"log": [], "n": 3}, 1),
    ]


def test_a_step_that_wrote_no_output_key_shows_no_values() -> None:
    target = machine(chain(a=noop), watch=Watch(values=True))
    commands = target.feed(Begin({"log": []}))
    assert emitted(finish(target, commands, a={})) == []


def test_events_carry_the_namespace_of_the_run() -> None:
    ns = ("outer:1", "inner:2")
    commands = run_through(machine(chain(a=noop), watch=ALL, ns=ns), {"log": []})
    assert {event.ns for event in emitted(commands)} == {ns}


# --- the end -----------------------------------------------------------------------------------


def test_cancelled_ends_the_run_with_an_error_of_its_own() -> None:
    target = machine(chain(a=noop), persist=True)
    target.feed(Begin({"log": []}))
    assert isinstance(ending(target.feed(Cancelled())).error, RunCancelledError)


@pytest.mark.parametrize("end", ["finished", "failed", "cancelled", "empty"])
def test_after_the_end_nothing_comes_out_any_more(end: str) -> None:
    target = machine(fan(a=noop, b=noop), persist=True, watch=ALL)
    tasks = [] if end == "empty" else ran(target.feed(Begin({"log": []})))
    match end:
        case "finished":
            for task in tasks:
                target.feed(TaskFinished(task, writes_for(task)))
        case "failed":
            target.feed(TaskFailed(tasks[0], ValueError()))
        case "cancelled":
            target.feed(Cancelled())
        case _:
            target.feed(Begin(None))
    output = target.channels.output()
    late = [TaskFinished(t, [("log", ["late"])]) for t in tasks]
    events = [*late, *(TaskFailed(t, ValueError()) for t in tasks), Cancelled(), Begin({"n": 1})]
    assert [target.feed(event) for event in events] == [[] for _ in events]
    assert target.channels.output() == output


def test_the_output_holds_the_output_keys_only() -> None:
    class Out(TypedDict):
        n: int

    builder = StateGraph(State, output_schema=Out).add_node("a", says("a")).add_edge(START, "a")
    target = machine(builder)
    finish(target, target.feed(Begin({"log": [], "n": 1})), a={"n": 2, "text": "x"})
    assert target.channels.output() == {"n": 2}


def test_a_machine_of_equal_facts_gives_equal_answers() -> None:
    graph = fan(a=noop, b=noop).add_node("c", noop).add_edge(["a", "b"], "c").compile()
    first, second = (
        run_through(machine(graph, persist=True, watch=ALL), {"log": ["x"]}) for _ in range(2)
    )
    assert repr(saved(first)) == repr(saved(second))
    assert [repr(event) for event in emitted(first)] == [repr(event) for event in emitted(second)]
    assert facts().now() == 7.0
