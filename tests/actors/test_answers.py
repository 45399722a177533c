"""What a resume brought, and which interrupt takes it."""

from __future__ import annotations

from typing import Any

import pytest

from actors import Command, ResumeError
from actors.answers import Answers, answers_of, interrupt_id
from actors.channels import MISSING

ONE, TWO, THREE = (digit * 32 for digit in "123")


# --- ids -----------------------------------------------------------------------------------------


def test_an_id_is_32_hex_digits_and_depends_on_nothing_but_task_and_place() -> None:
    name = interrupt_id(("ask:7",), 0)
    assert name == interrupt_id(["ask:7"], 0) == "f92e96dcb5cff3819601a7ee98a8f838"


def test_every_task_place_and_depth_has_an_id_of_its_own() -> None:
    spaces = [("ask:7",), ("ask:8",), ("sub:1", "ask:7"), ("sub:1|ask:7", "x")]
    ids = {interrupt_id(ns, place) for ns in spaces for place in range(3)}
    assert len(ids) == 12


def test_a_name_that_no_codec_likes_has_an_id_all_the_same() -> None:
    assert len(interrupt_id(("\ud800:1",), 0)) == 32


# --- what an input brings ------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, {}, {"resume": 1}, Command(goto="a"), Command(update={})])
def test_an_input_without_a_resume_brings_no_answers(value: Any) -> None:
    assert answers_of(value) is None


@pytest.mark.parametrize("value", [0, False, "", [], {}, {"a": 1}])
def test_a_false_answer_is_an_answer(value: Any) -> None:
    assert answers_of(Command(resume=value)) is not None


# --- bare answers --------------------------------------------------------------------------------


def test_a_bare_answer_is_for_the_only_interrupt_that_is_pending() -> None:
    answers = Answers("yes")
    answers.address({ONE})
    assert answers.take(TWO) is MISSING
    assert answers.take(ONE) == "yes"


def test_a_bare_answer_to_several_is_refused_and_they_are_named() -> None:
    with pytest.raises(ResumeError, match=f"multiple pending interrupts.*{ONE}, {TWO}"):
        Answers("yes").address({TWO, ONE})


def test_a_bare_answer_to_none_is_for_the_first_that_asks() -> None:
    answers = Answers("yes")
    answers.address(())
    assert answers.take(THREE) == "yes"
    assert answers.take(THREE) is MISSING


def test_a_bare_answer_that_nobody_took_in_the_first_step_answers_nothing() -> None:
    answers = Answers("yes")
    answers.end_step()
    assert answers.take(ONE) is MISSING


@pytest.mark.parametrize("answer", [{"a": 1}, {ONE: 1, "b": 2}, {1: 2}, {ONE.upper() + "F": 1}])
def test_a_dict_that_is_no_map_of_ids_is_a_bare_answer(answer: Any) -> None:
    answers = Answers(answer)
    answers.address({TWO})
    assert answers.take(TWO) == answer


# --- maps ----------------------------------------------------------------------------------------


def test_a_map_answers_each_by_its_id_and_once() -> None:
    answers = Answers({ONE: "a", TWO: None})
    answers.address({ONE, TWO, THREE})
    assert [answers.take(name) for name in (TWO, ONE, THREE, ONE)] == [None, "a", MISSING, MISSING]


def test_an_id_that_is_not_pending_at_the_root_stays_for_a_graph_below() -> None:
    answers = Answers({ONE: "a"})
    answers.address({TWO})
    answers.end_step()
    assert answers.take(ONE) == "a"


def test_an_empty_map_answers_nothing() -> None:
    answers = Answers({})
    answers.address({ONE, TWO})
    assert answers.take(ONE) is MISSING


def test_the_callers_map_is_left_alone() -> None:
    given = {ONE: "a"}
    Answers(given).take(ONE)
    assert given == {ONE: "a"}


# --- what was taken ------------------------------------------------------------------------------


def test_what_was_taken_is_known_until_it_is_refused() -> None:
    answers = Answers({ONE: "a", TWO: "b"})
    answers.take(ONE)
    answers.take(TWO)
    answers.open(ONE)
    assert answers.taken == {TWO}


def test_it_tells_whether_an_answer_waits_without_taking_it() -> None:
    bare, mapped = Answers("yes"), Answers({"a" * 32: "yes"})
    assert bare.has("b" * 32)
    assert (mapped.has("a" * 32), mapped.has("b" * 32)) == (True, False)
    mapped.take("a" * 32)
    assert not mapped.has("a" * 32)
