"""Tokens are wrapped as they come."""

from __future__ import annotations

import pytest

from examples.chat.screen import Screen, dim


def shown(tokens: list[str], capsys: pytest.CaptureFixture[str], indent: str = "") -> list[str]:
    screen = Screen(indent)
    for token in tokens:
        screen.say(token)
    screen.end()
    return capsys.readouterr().out.splitlines()


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "21")


def test_a_word_that_does_not_fit_begins_a_new_line(capsys: pytest.CaptureFixture[str]) -> None:
    tokens = ["- one", " two", " three", " four", " five"]
    assert shown(tokens, capsys) == ["- one two three four", "  five"]


def test_the_answers_own_lines_are_kept_and_indented(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(["- one", "\n- two", "\n\n- three\n"], capsys, "> ") == [
        "> - one",
        "> - two",
        "> - three",
    ]


def test_a_word_longer_than_the_terminal_stays_whole(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(["x" * 30, " y"], capsys) == ["x" * 30, "  y"]


def test_side_notes_are_plain_where_there_is_no_terminal() -> None:
    assert dim("note") == "note"
