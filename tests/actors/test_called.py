"""The rules of calls, in a machine without a loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from actors import GraphInterrupt, Interrupt, ParentCommand, entrypoint, task
from actors.answers import interrupt_id
from actors.commands import (
    INTERRUPT,
    RESUME,
    Begin,
    CallDropped,
    Finish,
    MachineCommand,
    Restored,
    RunCall,
    SaveWrites,
    Settle,
    Task,
    TaskCalled,
    TaskFailed,
    TaskFinished,
    TaskInterrupted,
)
from actors.superstep import Machine
from actors.values import Command
from tests.actors.engine import ALL, emitted, facts, kept, machine, ran, saved


@task
def child(x: int) -> int:
    return x


@task
def other(x: int) -> int:
    return x


@entrypoint()
def main(x: int) -> int:
    return x


RETURNED = [("__end__", 1), ("__previous__", 1)]


def begun(**changes: Any) -> tuple[Machine, Task]:
    """A machine of the entrypoint, and the task of its function, which runs."""
    target = machine(main, **{"persist": True, **changes})
    [caller] = ran(target.feed(Begin(1)))
    return target, caller


def call(caller: Task, place: int = 0, function: Any = child) -> Task:
    """A call as the caller makes it."""
    path = ("__pregel_push", caller.path, place, True)
    task = Task(function.node, path, ("__pregel_push",), ((1,), {}), caller.step)
    task.parent = caller
    return task


def settled(commands: list[MachineCommand]) -> list[tuple[Task, Any]]:
    """Calls that are settled, with their errors."""
    return [(c.task, c.error) for c in commands if isinstance(c, Settle)]


def told_to_run(commands: list[MachineCommand]) -> list[Task]:
    return [c.task for c in commands if isinstance(c, RunCall)]


def finished(commands: list[MachineCommand]) -> list[Finish]:
    return [c for c in commands if isinstance(c, Finish)]


def again(target: Machine, caller: Task, pending: Mapping[str, Any], **changes: Any) -> Machine:
    """A later run's machine, from the checkpoint that the first one left."""
    restored = Restored(
        checkpoint_id="c1",
        parent_id=None,
        step=-1,
        version=1,
        values={"__start__": 1},
        versions={"__start__": 1},
        pending=pending,
        newest_id="c1",
    )
    return Machine(main.layout, facts(persist=True, **changes), restored)


def test_a_call_runs_beside_its_caller_and_is_settled_when_it_is_kept() -> None:
    target, caller = begun()
    one = call(caller)
    assert told_to_run(target.feed(TaskCalled(one))) == [one]
    commands = target.feed(TaskFinished(one, [("__return__", 5)]))
    [save, settle] = commands
    assert isinstance(save, SaveWrites)
    assert (save.task, save.checkpoint_id) == (one, "c1")
    assert isinstance(settle, Settle)
    assert (settle.task.writes, settle.error) == ([("__return__", 5)], None)


def test_its_id_is_made_of_its_callers_path_its_name_and_its_place() -> None:
    ids = set[str]()
    for place, function in ((0, child), (1, child), (0, other)):
        target, caller = begun()
        one = call(caller, place, function)
        target.feed(TaskCalled(one))
        ids.add(one.id)
        inner = call(one)
        target.feed(TaskCalled(inner))
        ids.add(inner.id)
    assert len(ids) == 6
    target, caller = begun()
    same = call(caller)
    target.feed(TaskCalled(same))
    assert same.id in ids


def test_its_result_writes_to_no_channel() -> None:
    target, caller = begun()
    one = call(caller)
    target.feed(TaskCalled(one))
    target.feed(TaskFinished(one, [("__return__", 5)]))
    commands = target.feed(TaskFinished(caller, RETURNED))
    assert target.channels.output() == {"__end__": 1}
    assert [set(snapshot.changed) for snapshot in saved(commands)] == [
        {"__start__", "__end__", "__previous__"}
    ]


def test_a_step_ends_when_calls_that_nobody_waits_for_have_ended_too() -> None:
    target, caller = begun()
    one, two = call(caller), call(caller, 1)
    target.feed(TaskCalled(one))
    target.feed(TaskCalled(two))
    assert finished(target.feed(TaskFinished(caller, RETURNED))) == []
    assert finished(target.feed(TaskFailed(one, ValueError("no")))) == []
    [end] = finished(target.feed(TaskFinished(two, [("__return__", 5)])))
    assert end.error is None


def test_an_error_is_kept_and_given_to_the_caller_and_does_not_end_the_run() -> None:
    target, caller = begun()
    one, error = call(caller), ValueError("no")
    target.feed(TaskCalled(one))
    commands = target.feed(TaskFailed(one, error))
    assert settled(commands) == [(one, error)]
    assert [done.error for done in kept(commands)] == ["ValueError('no')"]
    assert finished(commands) == []
    [end] = finished(target.feed(TaskFailed(caller, error)))
    assert end.error is error


def test_an_interrupt_is_kept_and_raised_in_the_caller() -> None:
    target, caller = begun()
    one, asked = call(caller), (Interrupt("what?", "0" * 32),)
    target.feed(TaskCalled(one))
    commands = target.feed(TaskInterrupted(one, asked))
    [(settled_call, error)] = settled(commands)
    assert settled_call is one
    assert isinstance(error, GraphInterrupt)
    assert error.interrupts == asked
    assert [done.interrupts for done in kept(commands)] == [asked]
    [end] = finished(target.feed(TaskInterrupted(caller, asked)))
    assert isinstance(end.error, GraphInterrupt)


def test_a_command_for_the_calling_graph_passes_through_the_caller() -> None:
    target, caller = begun()
    one, addressed = call(caller), ParentCommand(Command(update={}))
    target.feed(TaskCalled(one))
    commands = target.feed(TaskFailed(one, addressed))
    assert commands == [Settle(one, addressed)]


def test_what_is_kept_is_given_again_and_does_not_run() -> None:
    target, caller = begun()
    one = call(caller)
    target.feed(TaskCalled(one))
    later = again(target, caller, {one.id: [("__return__", 5)]}, watch=ALL)
    [resumed] = ran(later.feed(Begin(None)))
    same = call(resumed)
    commands = later.feed(TaskCalled(same))
    assert same.writes == [("__return__", 5)]
    assert (told_to_run(commands), settled(commands)) == ([], [(same, None)])
    assert [type(event).__name__ for event in emitted(commands)] == ["TaskStarted"]
    assert finished(later.feed(TaskFinished(resumed, RETURNED)))


def test_a_call_that_failed_runs_again_in_a_later_run() -> None:
    target, caller = begun()
    one = call(caller)
    target.feed(TaskCalled(one))
    later = again(target, caller, {one.id: [("__error__", "ValueError('no')")]})
    [resumed] = ran(later.feed(Begin(None)))
    same = call(resumed)
    assert told_to_run(later.feed(TaskCalled(same))) == [same]
    assert same.error is None


def test_a_call_gets_the_answer_that_was_brought_for_it_and_it_is_kept() -> None:
    from actors.answers import Answers

    target, caller = begun()
    one = call(caller)
    target.feed(TaskCalled(one))
    name = interrupt_id(target.trail.namespace(one), 0)
    asked = (Interrupt("what?", name),)
    pending = {one.id: [(INTERRUPT, asked), (RESUME, [])], caller.id: [(INTERRUPT, asked)]}
    later = again(target, caller, pending, answers=Answers("yes"))
    [resumed] = ran(later.feed(Begin(Command(resume="yes"))))
    same = call(resumed)
    commands = later.feed(TaskCalled(same))
    assert same.answers == ("yes",)
    assert same.interrupts == ()
    assert kept(commands) == [same]
    assert told_to_run(commands) == [same]


def test_a_caller_that_runs_again_in_the_same_run_gets_what_has_finished() -> None:
    target, caller = begun()
    first = call(caller)
    target.feed(TaskCalled(first))
    target.feed(TaskFinished(first, [("__return__", 5)]))
    retried = call(caller)
    commands = target.feed(TaskCalled(retried))
    assert settled(commands) == [(retried, None)]
    assert retried.writes == [("__return__", 5)]


@pytest.mark.parametrize("error", [None, ValueError("no")])
def test_a_caller_that_runs_again_joins_a_call_that_still_runs(error: Exception | None) -> None:
    target, caller = begun()
    first, retried = call(caller), call(caller)
    target.feed(TaskCalled(first))
    assert told_to_run(target.feed(TaskCalled(retried))) == []
    end = TaskFinished(first, [("__return__", 5)]) if error is None else TaskFailed(first, error)
    commands = target.feed(end)
    assert settled(commands) == [(first, error), (retried, error)]
    assert retried.writes == first.writes
    assert finished(target.feed(TaskFinished(caller, RETURNED)))


def test_a_call_that_failed_runs_again_for_a_caller_that_runs_again() -> None:
    target, caller = begun()
    first, retried = call(caller), call(caller)
    target.feed(TaskCalled(first))
    target.feed(TaskFailed(first, ValueError("no")))
    assert told_to_run(target.feed(TaskCalled(retried))) == [retried]


def test_a_dropped_call_is_waited_for_no_longer() -> None:
    target, caller = begun()
    one = call(caller)
    target.feed(TaskCalled(one))
    target.feed(TaskFinished(caller, RETURNED))
    assert finished(target.feed(CallDropped(one)))


def test_a_dropped_call_runs_after_all_for_a_caller_that_joined_it() -> None:
    target, caller = begun()
    first, second, third = call(caller), call(caller), call(caller)
    for each in (first, second, third):
        target.feed(TaskCalled(each))
    assert told_to_run(target.feed(CallDropped(first))) == [second]
    commands = target.feed(TaskFinished(second, [("__return__", 5)]))
    assert settled(commands) == [(second, None), (third, None)]
    assert finished(target.feed(TaskFinished(caller, RETURNED)))


def test_streams_show_a_call_as_a_task_with_its_bare_result() -> None:
    target, caller = begun(watch=ALL)
    one = call(caller)
    [started] = emitted(target.feed(TaskCalled(one)))
    assert (started.name, started.input, started.triggers) == (
        "child",
        ((1,), {}),
        ("__pregel_push",),
    )
    [done] = emitted(target.feed(TaskFinished(one, [("__return__", {"a": 1})])))
    assert (done.update, done.result) == ({"a": 1}, {"__return__": {"a": 1}})
    [failed] = emitted(target.feed(TaskFailed(begin(target, caller, 1), ValueError("no"))))
    assert (failed.name, repr(failed.error)) == ("child", "ValueError('no')")


def begin(target: Machine, caller: Task, place: int) -> Task:
    one = call(caller, place)
    target.feed(TaskCalled(one))
    return one


def test_calls_of_an_earlier_step_are_forgotten() -> None:
    target, caller = begun()
    begin(target, caller, 0)
    one = begin(target, caller, 1)
    target.feed(TaskFinished(one, [("__return__", 5)]))
    target.feed(TaskFinished(call(caller), [("__return__", 5)]))
    assert finished(target.feed(TaskFinished(caller, RETURNED)))
    assert target.feed(TaskCalled(call(caller))) == []
