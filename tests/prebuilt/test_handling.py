"""Which errors of tools are answered, and how."""

from __future__ import annotations

from typing import Any

import pytest

from actors.prebuilt import ToolDefinitionError, ToolInvocationError
from actors.prebuilt.handling import answer_to, invocation_errors

WRONG = ToolInvocationError("add", {"a": "x"}, "a: no number")
ERRORS: list[Exception] = [KeyError("k"), ValueError("v"), WRONG]


def of_either(error: KeyError | ValueError) -> str:
    return f"either {error}"


def of_one(error: ValueError) -> str:
    return f"one {error}"


def of_any(error) -> str:
    return "any"


class Handler:
    def answer(self, error: KeyError) -> str:
        return "mine"


@pytest.mark.parametrize(
    ("handling", "answers"),
    [
        (False, [None, None, None]),
        ("Oh.", ["Oh.", "Oh.", "Oh."]),
        (invocation_errors, [None, None, WRONG.message]),
        (of_either, ["either 'k'", "either v", None]),
        (of_one, [None, "one v", None]),
        (of_any, ["any", "any", "any"]),
        (Handler().answer, ["mine", None, None]),
    ],
)
def test_it_answers_the_errors_that_it_is_for(handling: Any, answers: list[Any]) -> None:
    answer = answer_to(handling)
    for error, expected in zip(ERRORS, answers, strict=True):
        assert answer(error) == expected


@pytest.mark.parametrize("handling", [True, KeyError, (KeyError, IndexError)])
def test_without_words_of_its_own_it_shows_the_error(handling: Any) -> None:
    assert answer_to(handling)(KeyError("k")) == "Error: KeyError('k')\n Please fix your mistakes."


@pytest.mark.parametrize("handling", [KeyError, (KeyError, IndexError)])
def test_other_errors_are_not_answered(handling: Any) -> None:
    assert answer_to(handling)(ValueError()) is None


def of_text(error: str) -> str:
    return error


def of_some_text(error: str | ValueError) -> str:
    return str(error)


def of_two(error: ValueError, call: Any) -> str:
    return f"{error} {call}"


@pytest.mark.parametrize(
    "handling", [5, None, (KeyError, "x"), of_text, of_some_text, of_two, lambda: "of nothing"]
)
def test_what_says_nothing_of_errors_is_refused(handling: Any) -> None:
    with pytest.raises(ToolDefinitionError, match="handle_tool_errors="):
        answer_to(handling)
