"""SIGKILL round a question and its answer: another process finds the question, and goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from actors import Command
from checkpoint import SqliteSaver
from tests.faults.asking import ANSWERS, FINAL, build_asking
from tests.faults.forks import KILLED, ForkServer
from tests.faults.work import Effects

CONFIG: Any = {"configurable": {"thread_id": "thread"}}
FIRST = {"name?", "sure?"}

Phase = Callable[..., list[Any]]


class Thread:
    """One thread in one database, which several processes run one after the other."""

    def __init__(self, server: ForkServer, folder: Path, durability: str) -> None:
        self._server = server
        self._effects = folder / "effects"
        self._path = folder / "asked.db"
        self._durability = durability
        self.attempts = 0
        self.told: list[Any] = []
        """Lines of all processes."""

    def process(self, *, ends: int, **job: Any) -> list[Any]:
        """Let a process of its own run the graph; gives what it told."""
        self.attempts += 1
        child = self._server.start(
            "ask",
            path=self._path,
            effects=self._effects,
            thread="thread",
            durability=self._durability,
            attempt=self.attempts,
            **job,
        )
        assert child.end() == ends
        self.told += child.lines
        return child.lines

    def pending(self) -> dict[str, str]:
        """What the thread waits for, as this process finds it: question -> id."""
        with SqliteSaver(self._path) as saver:
            state = self._graph(saver).get_state(CONFIG)
            return {question.value: question.id for question in state.interrupts}

    def finish(self) -> list[str]:
        """Go on in this process until nothing is left, answering what is asked; gives the log."""
        self.attempts += 1
        with SqliteSaver(self._path) as saver:
            graph = self._graph(saver)
            begun = graph.get_state(CONFIG).metadata is not None
            values = graph.invoke(None if begun else {"log": []}, CONFIG)
            while asked := values.pop("__interrupt__", None):
                self.told.append([[], "updates", {"__interrupt__": _by_question(asked)}])
                answers = {question.id: ANSWERS[question.value] for question in asked}
                values = graph.invoke(Command(resume=answers), CONFIG)
        return values["log"]

    def ids(self) -> dict[str, set[str]]:
        """All ids under which each question was ever told."""
        found: dict[str, set[str]] = {}
        for line in self.told:
            for question, name in _asked_in(line).items():
                found.setdefault(question, set()).add(name)
        return found

    def ran(self) -> Counter[str]:
        """How often each place of the graph was come to, in all processes."""
        return sum(Effects.read(self._effects).values(), Counter[str]())

    def _graph(self, saver: SqliteSaver) -> Any:
        return build_asking(Effects(self._effects, self.attempts), saver)


def _by_question(interrupts: Any) -> dict[str, str]:
    return {question.value: question.id for question in interrupts}


def _asked_in(line: Any) -> dict[str, str]:
    if line == "end" or line[1] == "custom" or not isinstance(line[2], dict):
        return {}
    return line[2].get("__interrupt__") or {}


@pytest.fixture(params=["async", "sync"])
def thread(request: pytest.FixtureRequest, server: ForkServer, tmp_path: Path) -> Thread:
    return Thread(server, tmp_path, request.param)


def test_a_question_is_the_same_in_every_process(thread: Thread) -> None:
    lines = thread.process(ends=0)
    told = {question: name for line in lines for question, name in _asked_in(line).items()}
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


def _run(thread: Thread, **job: Any) -> list[Any]:
    return thread.process(**job)


def _answer(thread: Thread, **job: Any) -> list[Any]:
    thread.process(ends=0)
    pending = thread.pending()
    return thread.process(resume={name: ANSWERS[asked] for asked, name in pending.items()}, **job)


def _answer_again(thread: Thread, **job: Any) -> list[Any]:
    _answer(thread, ends=0)
    return thread.process(resume=ANSWERS["age?"], **job)


@pytest.mark.parametrize("phase", [_run, _answer, _answer_again])
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
        asked = _asked_in(last)
        if last[0] == []:  # what a graph below asks is the root's, too, a moment later
            assert asked.items() <= thread.pending().items(), (number, last)
        assert thread.finish() == FINAL
        assert all(len(names) == 1 for names in thread.ids().values()), thread.ids()
        assert thread.ran()["quiet"] == 1 or not _shown(thread.told, "quiet")


def _shown(told: list[Any], node: str) -> bool:
    """True if the node's update was received."""
    return any(line != "end" and line[1] == "updates" and node in line[2] for line in told)
