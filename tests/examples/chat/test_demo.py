"""The demo keeps what it promises, and would say so if it did not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from examples.chat.act import READ_BEFORE, Notice
from examples.chat.demo import QUESTIONS, in_the_middle_of_answering, in_the_middle_of_reading
from examples.chat.facts import executions

ROOT = Path(__file__).resolve().parents[3]


def test_a_conversation_survives_two_kills(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "examples.chat", "--demo"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout

    _, first, second, third = re.split(r"^Process \d starts .*$", done.stdout, flags=re.MULTILINE)
    assert [question for question in QUESTIONS if question in first] == list(QUESTIONS)
    assert "SIGKILL: process 1 is dead." in first
    assert second.count("    kept   ") == READ_BEFORE
    assert "    read   " in second
    assert "SIGKILL: process 2 is dead." in second
    assert "    read   " not in third
    assert "    kept   " not in third

    said = re.search(r"^    - .*$", second, re.MULTILINE)
    assert said is not None
    assert said[0] in third, "the answer begins again as it began before the kill"
    assert len(re.findall(r"^  yes  ", third, re.MULTILINE)) == 6
    assert re.search(r"^7     loop    2        read ×\d +answer$", third, re.MULTILINE)
    assert re.search(r"^8     loop    3        answer$", third, re.MULTILINE)


ALL_WELL = [
    "asks first", "starts retrieve", "starts read a", "starts answer",
    "asks second", "starts retrieve", "starts read a", "starts read b", "starts read c",
    "starts read c", "starts answer", "starts answer",
]  # fmt: skip


def broken(journal: list[str]) -> list[str]:
    facts = executions("\n".join(journal) + "\n")
    return [fact.text for fact in facts if not fact.holds]


def test_executions_as_they_must_be_break_nothing() -> None:
    assert broken(ALL_WELL) == []


def test_a_search_that_ran_again_is_found_out() -> None:
    (text,) = broken([*ALL_WELL, "starts retrieve"])
    assert "ran once" in text


def test_a_document_that_was_read_again_is_found_out() -> None:
    assert any("each was read once" in text for text in broken([*ALL_WELL, "starts read a"]))


def test_a_document_that_was_not_begun_again_is_found_out() -> None:
    journal = [*ALL_WELL]
    journal.remove("starts read c")
    assert any("begun once more" in text for text in broken(journal))


def test_an_answer_that_ran_three_times_is_found_out() -> None:
    (text,) = broken([*ALL_WELL, "starts answer"])
    assert text.startswith("The answer was being said")


def test_a_process_is_killed_while_the_last_question_is_being_read() -> None:
    before = [Notice("asks"), Notice("finds", "a"), Notice("starts", "read a"), Notice("reads")]
    found = [Notice("asks"), Notice("finds", "a\nb\nc")]
    begun = [Notice("starts", f"read {name}") for name in "abc"]
    read = [Notice("reads")] * READ_BEFORE
    assert in_the_middle_of_reading([*before, *found, *begun, *read])
    assert not in_the_middle_of_reading([*before, *found, *begun, *read[1:]])
    assert not in_the_middle_of_reading([*before, *found, *begun[1:], *read])
    assert not in_the_middle_of_reading([*found, *begun, *read])


def test_a_process_is_killed_after_some_words() -> None:
    assert in_the_middle_of_answering([Notice("keeps"), *[Notice("says")] * 8])
    assert not in_the_middle_of_answering([Notice("says")] * 7)
