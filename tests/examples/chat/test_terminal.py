"""The chat as its user meets it: a process with a terminal's input and output."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .model import Reply, model

ROOT = Path(__file__).resolve().parents[3]


class Chat:
    """A chat that runs; everything it shows is kept."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.shown = ""

    def type(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())

    def wait_for(self, text: str) -> None:
        """Read until this is shown; fails when the chat ends before."""
        assert self.process.stdout is not None
        start = len(self.shown)
        while text not in self.shown[start:]:
            byte = self.process.stdout.read(1)
            assert byte, self.shown
            self.shown += byte.decode(errors="replace")

    def leave(self) -> str:
        """All that it shows from now on."""
        out, _ = self.process.communicate(b"/quit\n", timeout=30)
        assert self.process.returncode == 0, self.shown + out.decode()
        self.shown += out.decode(errors="replace")
        return self.shown


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "tide.md").write_text("The tide comes twice a day.\n")
    (tmp_path / "docs" / "pilot.md").write_text("A pilot steers for the captain.\n")
    return tmp_path


@contextmanager
def chat(folder: Path, *options: str, base_url: str = "") -> Iterator[Chat]:
    command = [sys.executable, "-W", "error", "-m", "examples.chat"]
    where = ["--folder", str(folder / "docs"), "--db", str(folder / "data" / "chat.sqlite")]
    with subprocess.Popen(
        [*command, *where, *options],
        bufsize=0,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OPENAI_BASE_URL": base_url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        try:
            yield Chat(process)
        finally:
            process.kill()


def test_questions_are_answered_and_listed(folder: Path) -> None:
    with chat(folder) as talk:
        talk.type("When does the tide come?")
        talk.wait_for("- The tide comes twice a day. [tide.md]")
        talk.type("/thread ships")
        talk.type("Who is the pilot?")
        talk.wait_for("A pilot steers for the captain. [pilot.md]")
        talk.type("/threads")
        talk.type("/history")
        talk.type("/steps")
        talk.type("/resume")
        talk.type("/nonsense")
        shown = talk.leave()
    assert "2 documents" in shown
    assert "  main             When does the tide come?\n" in shown
    assert "  ships            Who is the pilot?\n" in shown
    assert "user: Who is the pilot?\nassistant: - A pilot steers" in shown
    assert "3     loop             answer\n" in shown
    assert "There is nothing to go on with" in shown
    assert "There is no /nonsense; /help lists what there is." in shown


def test_the_end_of_input_leaves_and_the_thread_goes_on_next_time(folder: Path) -> None:
    for expected in ("main> ", "1 asked so far, the last one: When does the tide come?"):
        with chat(folder) as talk:
            talk.wait_for(expected)
            out, _ = talk.process.communicate(b"When does the tide come?\n", timeout=30)
            assert talk.process.returncode == 0
            assert b"The tide comes twice a day." in out


def test_ctrl_c_stops_an_answer_and_resume_goes_on_with_it(folder: Path) -> None:
    replies = Reply(["Twice", " a"], "hold"), Reply(["Twice", " a", " day."])
    with model(*replies) as server, chat(folder, base_url=server.base_url) as talk:
        talk.type("When does the tide come?")
        talk.wait_for("Twice a")
        talk.process.send_signal(signal.SIGINT)
        talk.wait_for("stopped; /resume goes on with it")
        talk.type("/threads")
        talk.wait_for("(stopped in the middle)")
        talk.type("/resume")
        talk.wait_for("Twice a day.")
        assert talk.leave().count("reading tide.md") == 1
    assert len(server.asked) == 2


def test_a_killed_chat_offers_to_go_on_when_it_starts_again(folder: Path) -> None:
    replies = Reply(["Twice"], "hold"), Reply(["Twice", " a", " day."])
    with model(*replies) as server:
        with chat(folder, "--thread", "ships", base_url=server.base_url) as talk:
            talk.type("When does the tide come?")
            talk.wait_for("Twice")
            talk.process.kill()
        with chat(folder, "--thread", "ships", base_url=server.base_url) as talk:
            talk.wait_for("Its answer was stopped before: answer\nGo on with it? [Y/n] ")
            talk.type("")
            talk.wait_for("Twice a day.")
            talk.leave()


def test_a_model_that_fails_is_told_and_the_chat_goes_on(folder: Path) -> None:
    replies = Reply(status=500), Reply(["Twice."])
    with model(*replies) as server, chat(folder, base_url=server.base_url) as talk:
        talk.type("When does the tide come?")
        talk.wait_for("answered 500 Internal Server Error")
        talk.wait_for("/resume tries again")
        talk.type("/resume")
        talk.wait_for("Twice.")
        talk.leave()


def test_a_conversation_that_another_terminal_works_on_is_left_alone(folder: Path) -> None:
    with (
        model(Reply(["Twice"], "hold")) as server,
        chat(folder, base_url=server.base_url) as one,
        chat(folder, base_url=server.base_url) as other,
    ):
        other.wait_for("main> ")  # later it would be asked whether to go on, and take no question
        one.type("When does the tide come?")
        one.wait_for("Twice")
        other.type("Who is the pilot?")
        other.wait_for("thread 'main' cannot be claimed")
        other.leave()
    assert len(server.asked) == 1


def test_a_file_that_is_no_database_is_refused(folder: Path) -> None:
    with chat(folder, "--db", str(folder / "docs" / "tide.md")) as talk:
        out, _ = talk.process.communicate(timeout=30)
    assert talk.process.returncode == 1
    assert b"tide.md" in out
    assert b"Traceback" not in out


def test_a_folder_that_is_none_is_refused(folder: Path) -> None:
    with chat(folder, "--folder", "nowhere") as talk:
        out, _ = talk.process.communicate(timeout=30)
    assert talk.process.returncode == 2
    assert b"nowhere is no folder; give one with --folder" in out
