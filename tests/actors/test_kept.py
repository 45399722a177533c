"""What is kept of a task between runs, and how a planned task gets it back."""

from __future__ import annotations

from typing import Any

from actors import Interrupt
from actors.commands import Task
from actors.kept import kept_of, recall
from actors.spec import NodeSpec
from tests.actors.engine import chain, says

ASKED = Interrupt("?", "0" * 32)
NODE: NodeSpec = chain(a=says("a")).compile().spec.nodes["a"]


def task(**known: Any) -> Task:
    made = Task(NODE, ("__pregel_pull", "a"), ())
    for name, value in known.items():
        setattr(made, name, value)
    return made


def again(known: Task) -> Task:
    """The same task as another run plans it."""
    planned = task()
    recall(planned, kept_of(known, ()))
    return planned


def test_a_task_that_finished_keeps_its_writes() -> None:
    assert again(task(writes=[("n", 1)])).writes == [("n", 1)]


def test_a_task_that_wrote_nothing_has_finished_all_the_same() -> None:
    assert again(task(writes=[])).writes == []


def test_writes_to_channels_that_are_never_stored_are_left_out() -> None:
    assert kept_of(task(writes=[("n", 1), ("client", object())]), {"client"}) == [("n", 1)]


def test_the_answers_of_a_task_that_finished_are_not_needed_any_more() -> None:
    assert kept_of(task(writes=[("n", 1)], answers=("yes",)), ()) == [("n", 1)]


def test_a_task_that_waits_keeps_what_it_asks_and_the_answers_so_far() -> None:
    planned = again(task(interrupts=(ASKED,), answers=("one", None)))
    assert (planned.writes, planned.interrupts) == (None, (ASKED,))
    assert planned.answers == ("one", None)


def test_a_task_that_was_answered_keeps_the_answer_before_it_runs() -> None:
    planned = again(task(answers=("one",)))
    assert (planned.writes, planned.interrupts, planned.answers) == (None, (), ("one",))


def test_a_task_that_failed_keeps_its_error_and_its_answers() -> None:
    planned = again(task(error="ValueError('no')", answers=("one",)))
    assert (planned.writes, planned.error, planned.answers) == (None, "ValueError('no')", ("one",))


def test_writes_that_were_refused_are_not_kept_beside_the_error() -> None:
    assert kept_of(task(error="no", writes=[("n", object())]), ()) == [("__error__", "no")]
