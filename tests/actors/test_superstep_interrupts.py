"""Rules 7 and 8 of the super-step machine: pauses, answers, Commands as input; without a loop."""

from __future__ import annotations

from typing import Any

import pytest

from actors import (
    Command,
    EmptyInputError,
    GraphInterrupt,
    Interrupt,
    InvalidUpdateError,
    ParentCommand,
    ResumeError,
    StateGraph,
)
from actors.answers import answers_of, interrupt_id
from actors.commands import (
    NULL_TASK,
    Begin,
    MachineCommand,
    Restored,
    RunTasks,
    SaveWrites,
    Task,
    TaskFailed,
    TaskFinished,
    TaskInterrupted,
)
from actors.layout import Pauses
from actors.superstep import Machine
from streaming import Paused, StepCommitted
from streaming import TaskInterrupted as TaskInterruptedEvent
from tests.actors.engine import (
    ALL,
    chain,
    emitted,
    ending,
    fan,
    finish,
    kept,
    machine,
    names,
    ran,
    restored_of,
    saved,
    writes_for,
)


def noop(state: Any) -> None:
    """A node that is never called here: machines run no code."""


def asked(target: Machine, task: Task, place: int = 0) -> Interrupt:
    """The interrupt number `place` of a task."""
    return Interrupt(f"{task.node.name}?", interrupt_id(target.trail.namespace(task), place))


def interrupt(target: Machine, task: Task, place: int = 0) -> list[MachineCommand]:
    """Feed it the pause of a task."""
    return target.feed(TaskInterrupted(task, (asked(target, task, place),)))


def paused(commands: list[MachineCommand]) -> tuple[Interrupt, ...]:
    """What the run ended with: it waits for these."""
    error = ending(commands).error
    assert isinstance(error, GraphInterrupt)
    return error.interrupts


def interrupted(builder: StateGraph, *, of: str = "a") -> tuple[Restored, Interrupt]:
    """A thread on which the first run's task `of` asks, after its siblings have finished."""
    target = machine(builder, persist=True)
    commands = target.feed(Begin({"log": []}))
    others = [task.node.name for task in ran(commands) if task.node.name != of]
    commands += finish(target, commands, others) if others else []
    task = next(task for task in ran(commands) if task.node.name == of)
    commands += interrupt(target, task)
    return restored_of(commands), paused(commands)[0]


def resumed(
    builder: StateGraph, restored: Restored, value: Any, **known: Any
) -> tuple[Machine, list[MachineCommand]]:
    """Another run on the thread, with the first commands of it."""
    target = machine(
        builder,
        persist=True,
        restored=restored,
        answers=answers_of(value),
        thread_id="t",
        **known,
    )
    return target, target.feed(Begin(value))


# --- rule 7: a task that asks -------------------------------------------------------------------


def test_a_run_whose_task_asks_ends_as_interrupted() -> None:
    target = machine(chain(a=noop, b=noop), persist=True)
    commands = target.feed(Begin({"log": []}))
    [task] = ran(commands)
    commands = interrupt(target, task)
    assert paused(commands) == (asked(target, task),)
    assert kept(commands) == [task]
    assert saved(commands) == []


def test_siblings_of_a_task_that_asks_run_to_the_end() -> None:
    target = machine(fan(a=noop, b=noop), persist=True)
    a, b = ran(target.feed(Begin({"log": []})))
    assert not any(isinstance(c, GraphInterrupt) for c in interrupt(target, a))
    commands = target.feed(TaskFinished(b, writes_for(b, {"log": ["b"]})))
    assert paused(commands) == (asked(target, a),)
    assert target.channels.output() == {"log": ["b"]}, "the caller sees what the others wrote"
    assert saved(commands) == [], "but the step is not over"


def test_interrupts_of_several_tasks_come_in_the_order_they_were_asked() -> None:
    target = machine(fan(a=noop, b=noop, c=noop), persist=True)
    a, b, c = ran(target.feed(Begin({"log": []})))
    commands = [*interrupt(target, c), *interrupt(target, a)]
    commands = target.feed(TaskFinished(b, []))
    assert paused(commands) == (asked(target, c), asked(target, a))


def test_a_sibling_that_fails_ends_the_run_with_its_error() -> None:
    target = machine(fan(a=noop, b=noop), persist=True)
    a, b = ran(target.feed(Begin({"log": []})))
    error = ValueError("no")
    commands = interrupt(target, a) + target.feed(TaskFailed(b, error))
    assert ending(commands).error is error
    assert kept(commands) == [a, b], "what the other asks is kept all the same"


def test_a_pause_is_told_to_updates_values_and_tasks() -> None:
    target = machine(chain(a=noop), persist=True, watch=ALL)
    [task] = ran(target.feed(Begin({"log": ["in"]})))
    told = emitted(interrupt(target, task))
    assert [type(event) for event in told] == [Paused, TaskInterruptedEvent]
    assert told[0].interrupts == (asked(target, task),)
    assert told[1].values == {"log": ["in"]}


def test_a_graph_below_that_pauses_for_nothing_is_told_once_by_the_root() -> None:
    target = machine(chain(a=noop), persist=True, watch=ALL)
    [task] = ran(target.feed(Begin({"log": []})))
    commands = target.feed(TaskInterrupted(task, ()))
    assert [event.interrupts for event in emitted(commands)] == [()]
    assert paused(commands) == ()
    assert kept(commands) == []


# --- going on ------------------------------------------------------------------------------------


def test_an_answer_is_kept_before_the_task_runs_with_it() -> None:
    restored, _ = interrupted(chain(a=noop))
    target, commands = resumed(chain(a=noop), restored, Command(resume="yes"))
    [task] = ran(commands)
    assert (task.answers, task.interrupts) == (("yes",), ())
    assert isinstance(commands[0], SaveWrites)
    assert isinstance(commands[-1], RunTasks)
    assert target.trail.checkpoint_id == restored.checkpoint_id


def test_siblings_that_finished_do_not_run_again() -> None:
    restored, _ = interrupted(fan(a=noop, b=noop))
    target, commands = resumed(fan(a=noop, b=noop), restored, Command(resume="yes"))
    assert names(commands) == ["a"]
    [task] = ran(commands)
    target.feed(TaskFinished(task, [("log", ["a"])]))
    assert target.channels.output() == {"log": ["a", "b"]}


def test_going_on_without_an_answer_asks_again() -> None:
    restored, question = interrupted(chain(a=noop))
    target, commands = resumed(chain(a=noop), restored, None)
    [task] = ran(commands)
    assert task.answers == ()
    assert asked(target, task) == question, "with the same id"


def test_answers_are_remembered_over_runs_by_their_place() -> None:
    builder = chain(a=noop)
    restored, _ = interrupted(builder)
    target, commands = resumed(builder, restored, Command(resume="one"))
    [task] = ran(commands)
    first = commands + interrupt(target, task, place=1)
    restored.pending = {task.id: [(n, v) for n, v in _pending(first, task)]}
    target, commands = resumed(builder, restored, Command(resume="two"))
    assert [task.answers for task in ran(commands)] == [("one", "two")]


def _pending(commands: list[MachineCommand], task: Task) -> Any:
    from actors.kept import kept_of

    assert task in kept(commands)
    return kept_of(task, ())


def test_a_map_answers_those_it_names_and_the_others_wait_on() -> None:
    builder = fan(a=noop, b=noop)
    target = machine(builder, persist=True)
    commands = target.feed(Begin({"log": []}))
    a, b = ran(commands)
    commands += [*interrupt(target, a), *interrupt(target, b)]
    known = asked(target, b).id
    _, commands = resumed(builder, restored_of(commands), Command(resume={known: "b's"}))
    assert {task.node.name: task.answers for task in ran(commands)} == {"a": (), "b": ("b's",)}


def test_a_bare_answer_to_several_changes_nothing() -> None:
    builder = fan(a=noop, b=noop)
    target = machine(builder, persist=True)
    commands = target.feed(Begin({"log": []}))
    for task in ran(commands):
        commands += interrupt(target, task)
    with pytest.raises(ResumeError, match="multiple pending interrupts"):
        resumed(builder, restored_of(commands), Command(resume="which"))


def test_an_answer_on_an_unknown_thread_is_refused() -> None:
    target = machine(
        chain(a=noop), persist=True, thread_id="t", answers=answers_of(Command(resume=1))
    )
    with pytest.raises(ResumeError, match="thread 't' has no checkpoint"):
        target.feed(Begin(Command(resume=1)))


def test_an_answer_in_a_run_that_stores_nothing_is_refused() -> None:
    with pytest.raises(ResumeError, match="without checkpointer"):
        machine(chain(a=noop)).feed(Begin(Command(resume=1)))


def test_a_failure_after_the_answer_keeps_it() -> None:
    builder = chain(a=noop)
    restored, _ = interrupted(builder)
    target, commands = resumed(builder, restored, Command(resume="yes"))
    [task] = ran(commands)
    commands += target.feed(TaskFailed(task, ValueError("no")))
    restored.pending = {task.id: _pending(commands, task)}
    _, commands = resumed(builder, restored, None)
    assert [task.answers for task in ran(commands)] == [("yes",)]


def test_a_new_input_drops_what_was_asked() -> None:
    restored, _ = interrupted(chain(a=noop))
    _, commands = resumed(chain(a=noop), restored, {"log": ["new"]})
    [task] = ran(commands)
    assert (task.answers, task.interrupts) == ((), ())
    assert [snapshot.source for snapshot in saved(commands)] == ["input", "loop"]


# --- static pauses -------------------------------------------------------------------------------


def pausing(**pauses: Any) -> dict[str, Any]:
    none = frozenset[str]()
    known = {name: frozenset(nodes) for name, nodes in pauses.items()}
    return {"pauses": Pauses(**({"before": none, "after": none} | known)), "persist": True}


def test_it_pauses_before_a_node_with_its_step_saved() -> None:
    target = machine(chain(a=noop, b=noop), **pausing(before={"b"}))
    commands = target.feed(Begin({"log": []}))
    commands += finish(target, commands)
    assert paused(commands) == ()
    assert [snapshot.step for snapshot in saved(commands)] == [-1, 0, 1]


def test_going_on_passes_the_pause_once() -> None:
    builder = chain(a=noop, b=noop, c=noop)
    target = machine(builder, **pausing(before={"b", "c"}))
    commands = target.feed(Begin({"log": []}))
    commands += finish(target, commands)
    known = pausing(before={"b", "c"})
    target = machine(builder, restored=restored_of(commands), **known)
    commands = target.feed(Begin(None))
    assert names(commands) == ["b"]
    assert paused(finish(target, commands)) == ()


def test_it_pauses_after_a_node_even_when_nothing_follows() -> None:
    target = machine(chain(a=noop), **pausing(after={"a"}))
    assert paused(finish(target, target.feed(Begin({"log": []})))) == ()


def test_a_static_pause_tells_updates_that_nobody_asks() -> None:
    target = machine(chain(a=noop), watch=ALL, **pausing(before={"a"}))
    told = emitted(target.feed(Begin({"log": []})))
    assert [event.interrupts for event in told if isinstance(event, Paused)] == [()]


def test_a_graph_below_leaves_it_to_the_root_to_tell() -> None:
    target = machine(chain(a=noop), watch=ALL, ns=("sub:1",), **pausing(before={"a"}))
    commands = target.feed(Begin({"log": []}))
    assert paused(commands) == ()
    assert not any(isinstance(event, Paused) for event in emitted(commands))


# --- rule 8: a Command as input -------------------------------------------------------------------


def test_an_update_is_kept_under_an_id_of_its_own_until_the_next_checkpoint() -> None:
    builder = chain(a=noop)
    restored, _ = interrupted(builder)
    target, commands = resumed(builder, restored, Command(update={"n": 5}))
    assert [(task.id, task.writes) for task in kept(commands)] == [(NULL_TASK, [("n", 5)])]
    assert target.channels.output() == {"log": [], "n": 5}
    [task] = ran(commands)
    commands = target.feed(TaskFinished(task, [("log", ["a"])]))
    assert [snapshot.before["n"] for snapshot in saved(commands)] == [5]


def test_what_several_commands_gave_is_kept_together() -> None:
    builder = chain(a=noop)
    restored, _ = interrupted(builder)
    restored.pending = {**restored.pending, NULL_TASK: [("n", 5)]}
    target, commands = resumed(builder, restored, Command(update={"text": "x"}))
    [given] = [task for task in kept(commands) if task.id == NULL_TASK]
    assert given.writes == [("n", 5), ("text", "x")]
    assert target.channels.output() == {"log": [], "n": 5, "text": "x"}


def test_a_goto_runs_beside_what_is_planned() -> None:
    builder = chain(a=noop, b=noop)
    restored, _ = interrupted(builder)
    _, commands = resumed(builder, restored, Command(goto="b"))
    assert names(commands) == ["a", "b"]


def test_a_goto_on_a_finished_thread_runs_just_that() -> None:
    target = machine(chain(a=noop, b=noop), persist=True)
    commands = target.feed(Begin({"log": []}))
    commands += (more := finish(target, commands))
    commands += finish(target, more)
    target, commands = resumed(chain(a=noop, b=noop), restored_of(commands), Command(goto="b"))
    assert names(commands) == ["b"]


def test_an_update_on_a_fresh_thread_is_written_once() -> None:
    target = machine(chain(a=noop), persist=True, watch=ALL)
    commands = target.feed(Begin(Command(update={"log": ["x"]})))
    assert names(commands) == ["a"]
    assert target.channels.output() == {"log": ["x"]}
    assert [e.values for e in emitted(commands) if isinstance(e, StepCommitted) and e.wrote] == [
        {"log": ["x"]}
    ]


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (Command(), EmptyInputError),
        (Command(goto="nobody"), InvalidUpdateError),
        (Command(update={"nobody": 1}), InvalidUpdateError),
        (Command(graph=Command.PARENT, goto="a"), InvalidUpdateError),
    ],
)
def test_a_command_that_cannot_be_leaves_the_thread_as_it_was(
    command: Command[Any], error: type[Exception]
) -> None:
    restored, _ = interrupted(chain(a=noop))
    target = machine(chain(a=noop), persist=True, restored=restored)
    with pytest.raises(error):
        target.feed(Begin(command))
    assert target.trail.checkpoint_id == restored.checkpoint_id


def test_a_command_for_the_parent_ends_the_run_and_is_no_failure() -> None:
    target = machine(chain(a=noop), persist=True, ns=("sub:1",))
    [task] = ran(target.feed(Begin({"log": []})))
    addressed = ParentCommand(Command(goto="b"))
    commands = target.feed(TaskFailed(task, addressed))
    assert ending(commands).error is addressed
    assert kept(commands) == []
