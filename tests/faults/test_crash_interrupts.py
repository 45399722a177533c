"""SIGKILL round a question and its answer: another process finds the question, and goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.faults.asked import PHASES, Phase, Thread, asked_in
from tests.faults.asking import FINAL
from tests.faults.forks import KILLED, ForkServer

CONFIG: Any = {"configurable": {"thread_id": "thread"}}
FIRST = {"name?", "sure?"}


@pytest.fixture(params=["async", "sync"])
def thread(request: pytest.FixtureRequest, server: ForkServer, tmp_path: Path) -> Thread:
    return Thread(server, tmp_path, request.param)


def test_a_question_is_the_same_in_every_process(thread: Thread) -> None:
    lines = thread.process(ends=0)
    told = {question: name for line in lines for question, name in asked_in(line).items()}
    assert set(told) == FIRST
    assert thread.pending() == told
    thread.process(ends=0, go_on=True)
    assert thread.finish() == FINAL
    assert all(len(names) == 1 for names in thread.ids().values())


def test_an_answer_from_another_process_reaches_the_task(thread: Thread) -> None:
    thread.process(ends=0)
    pending = thread.pending()
    thread.process(ends=0, resume={pending["sure?"]: "yes", pending["name?"]: "Ada"})
    assert set(thread.pending()) == {"age?"}
    thread.process(ends=0, resume=36)
    assert thread.pending() == {}
    assert thread.finish() == FINAL
    assert thread.ran()["quiet"] == thread.ran()["plan"] == thread.ran()["end"] == 1


@pytest.mark.parametrize("place", ["inner has a name", "inner begins"])
def test_killed_in_the_middle_of_the_second_run_the_answer_is_not_lost(
    thread: Thread, place: str
) -> None:
    """What a resume brought is committed before the node that asked runs."""
    thread.process(ends=0)
    pending = thread.pending()
    answers = {pending["sure?"]: "yes", pending["name?"]: "Ada"}
    thread.process(ends=KILLED, resume=answers, die_in=place)
    left = thread.pending()
    assert "sure?" not in left, "it was answered before the process died"
    assert thread.finish() == FINAL
    assert thread.ids()["name?"] == {pending["name?"]}


def test_killed_after_all_answers_the_node_runs_again_with_them(thread: Thread) -> None:
    thread.process(ends=0)
    pending = thread.pending()
    thread.process(ends=0, resume={pending["name?"]: "Ada"})
    age = thread.pending()["age?"]
    thread.process(ends=KILLED, resume={age: 36}, die_in="inner has an age")
    assert thread.finish() == FINAL
    assert thread.ran()["inner has an age"] == 2


@pytest.mark.parametrize("phase", PHASES)
def test_killed_the_moment_a_chunk_arrives_nothing_of_it_is_lost(
    phase: Phase, server: ForkServer, tmp_path: Path
) -> None:
    """The reader kills its own process for every chunk of the run, and another one goes on."""
    (tmp_path / "whole").mkdir()
    lines = len(phase(Thread(server, tmp_path / "whole", "async"), ends=0))
    assert lines > 2
    for number in range(1, lines):
        folder = tmp_path / str(number)
        folder.mkdir()
        thread = Thread(server, folder, "async")
        last = phase(thread, ends=KILLED, die_at=number)[-1]
        asked = asked_in(last)
        if last[0] == []:  # what a graph below asks is the root's, too, a moment later
            assert asked.items() <= thread.pending().items(), (number, last)
        assert thread.finish() == FINAL
        assert all(len(names) == 1 for names in thread.ids().values()), thread.ids()
        assert thread.ran()["quiet"] == 1 or not _shown(thread.told, "quiet")


def _shown(told: list[Any], node: str) -> bool:
    """True if the node's update was received."""
    return any(line != "end" and line[1] == "updates" and node in line[2] for line in told)
