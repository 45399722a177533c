"""How an end is told to the run's row, its thread, and who waits."""

from __future__ import annotations

import pytest

from actors import Interrupt, NodeTimeoutError, StateSnapshot, StepTimeoutError
from agent_server.outcome import (
    SUSPENDED,
    Outcome,
    Rest,
    failed,
    rest_of,
    stopped,
    thread_error,
    thread_status,
    with_questions,
)

WAITS = Rest(True, {"a": 1})
DONE = Rest(False, {"a": 1})


def snapshot(values: dict[str, int], *following: str, stored: bool = True) -> StateSnapshot:
    moment = "2026-01-01T00:00:00+00:00" if stored else None
    return StateSnapshot(values, following, {}, None, moment, None, ())


def test_a_thread_waits_if_something_would_run_next() -> None:
    assert rest_of(snapshot({"a": 1}, "node")) == Rest(True, {"a": 1})
    assert rest_of(snapshot({"a": 1})) == Rest(False, {"a": 1})


def test_a_thread_of_which_nothing_is_stored_has_no_values() -> None:
    assert rest_of(snapshot({}, stored=False)) == Rest(False, None)


def test_the_threads_status_follows_from_the_outcome() -> None:
    cases = {
        "idle": Outcome("success", {}, None, DONE),
        "interrupted": Outcome("success", {}, None, WAITS),
        "error": failed(ValueError("x"), WAITS),
    }
    assert {thread_status(outcome): outcome for outcome in cases.values()} == cases
    assert thread_status(stopped(WAITS)) == "interrupted"
    assert thread_status(stopped(None)) == "idle"


def test_a_thread_says_what_went_wrong_with_its_last_run() -> None:
    lost = failed(ValueError("x"), DONE)
    assert thread_error(lost, None, began=True) == {"error": "ValueError", "message": "x"}
    told = thread_error(stopped(WAITS), "interrupt", began=True)
    assert told is not None
    assert told["error"] == "UserInterrupt"
    assert thread_error(stopped(WAITS), "interrupt", began=False) is None
    assert thread_error(Outcome("success", {}, None, DONE), None, began=True) is None


def test_a_stopped_run_answers_what_it_has_done() -> None:
    assert stopped(WAITS).values == {"a": 1}
    assert stopped(None).values == {}


def test_questions_stand_beside_the_values() -> None:
    question = Interrupt("ok?", "id", None)
    asked = {"value": "ok?", "id": "id", "response_schema": None}
    assert with_questions({"a": 1}, [question]) == {"a": 1, "__interrupt__": [asked]}
    assert with_questions({"a": 1}, []) == {"a": 1}
    assert with_questions(5, [question]) == 5


def test_a_run_failed_with_the_text_that_its_error_has() -> None:
    assert failed(KeyError("topic")).error == {"error": "KeyError", "message": "'topic'"}
    assert failed(ValueError("x")).error == {"error": "ValueError", "message": "x"}


def test_what_was_suspended_goes_on() -> None:
    assert SUSPENDED.is_suspended
    assert not stopped(None).is_suspended


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (TimeoutError("x"), "timeout"),
        (StepTimeoutError("x"), "timeout"),
        (NodeTimeoutError("node", 2.0, kind="run", run_timeout=1.0), "timeout"),
        (ValueError("TimeoutError"), "error"),
    ],
)
def test_a_run_that_took_too_long_is_said_to(error: Exception, status: str) -> None:
    outcome = failed(error, WAITS)
    assert outcome.status == status
    assert thread_status(outcome) == "error"
    assert outcome.values == {"__error__": outcome.error}
