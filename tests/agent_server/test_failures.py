from __future__ import annotations

import pytest

from actors import GraphRecursionError
from agent_server.failures import EXITED, HIDDEN, error_json, failure_json, failure_of


class SecretError(Exception):
    """An error of the user's own."""


class BrokenError(ValueError):
    def __repr__(self) -> str:
        raise RuntimeError("no repr either")


@pytest.mark.parametrize("name", ["ValueError", "KeyError", "TimeoutError", "InvalidUpdateError"])
def test_messages_of_known_classes_are_shown(name: str) -> None:
    assert failure_json(name, "boom: x") == {"error": name, "message": "boom: x"}


@pytest.mark.parametrize("name", ["SecretError", "OSError", "OperationalError"])
def test_messages_of_other_classes_are_not(name: str) -> None:
    assert failure_json(name, "/srv/me/key.pem") == {"error": name, "message": HIDDEN}


@pytest.mark.parametrize(
    ("error", "shown"),
    [
        (ValueError("boom: x"), {"error": "ValueError", "message": "boom: x"}),
        (ValueError(), {"error": "ValueError", "message": ""}),
        (ValueError("a", 2), {"error": "ValueError", "message": "('a', 2)"}),
        (KeyError("topic"), {"error": "KeyError", "message": "'topic'"}),
        (KeyError("a", "b"), {"error": "KeyError", "message": "('a', 'b')"}),
        (NotImplementedError("x"), {"error": "NotImplementedError", "message": "x"}),
        (GraphRecursionError("too far"), {"error": "GraphRecursionError", "message": "too far"}),
        (SecretError("x"), {"error": "SecretError", "message": HIDDEN}),
        (BrokenError("x"), {"error": "BrokenError", "message": HIDDEN}),
    ],
)
def test_an_exception_and_what_is_stored_of_it_are_shown_alike(
    error: Exception, shown: dict[str, str]
) -> None:
    assert error_json(error) == shown
    if not isinstance(error, BrokenError):
        assert error_json(repr(error)) == shown


class TooLongError(ValueError):
    """One of a library's own."""


class MuteError(TooLongError):
    def __str__(self) -> str:
        raise RuntimeError("no text")


class LeavingError(TooLongError):
    def __str__(self) -> str:
        raise SystemExit(3)

    __repr__ = __str__


def test_how_a_run_failed_is_told_for_classes_that_come_of_known_ones_too() -> None:
    assert failure_of(TooLongError("by 3")) == {"error": "TooLongError", "message": "by 3"}
    assert failure_of(SecretError("x")) == {"error": "SecretError", "message": HIDDEN}
    assert failure_of(KeyError("topic")) == {"error": "KeyError", "message": "'topic'"}


def test_an_error_that_cannot_be_put_into_words_is_told_all_the_same() -> None:
    assert failure_of(MuteError("x")) == {"error": "MuteError", "message": ""}
    assert failure_of(LeavingError("x")) == {"error": "LeavingError", "message": ""}
    assert error_json(LeavingError("x")) == {"error": "LeavingError", "message": HIDDEN}


@pytest.mark.parametrize("error", [SystemExit("secret"), KeyboardInterrupt()])
def test_what_would_end_a_program_is_told_in_words_of_its_own(error: BaseException) -> None:
    told = {"error": type(error).__name__, "message": EXITED}
    assert failure_of(error) == error_json(error) == told


def test_a_stored_text_that_is_no_exception_is_hidden() -> None:
    assert error_json("what is this?") == {"error": "Error", "message": HIDDEN}


def test_arguments_that_are_no_literals_are_shown_as_they_stand() -> None:
    assert error_json("ValueError(<object>)") == {"error": "ValueError", "message": "<object>"}
