"""A thread of the graph that asks, run by several processes one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from actors import Command
from checkpoint import SqliteSaver
from tests.faults.asking import ANSWERS, build_asking
from tests.faults.forks import ForkServer
from tests.faults.work import Effects

CONFIG: Any = {"configurable": {"thread_id": "thread"}}

Phase = Callable[..., list[Any]]
"""A part of a thread's life; gives what its last process told."""


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
            for question, name in asked_in(line).items():
                found.setdefault(question, set()).add(name)
        return found

    def ran(self) -> Counter[str]:
        """How often each place of the graph was come to, in all processes."""
        return sum(Effects.read(self._effects).values(), Counter[str]())

    def _graph(self, saver: SqliteSaver) -> Any:
        return build_asking(Effects(self._effects, self.attempts), saver)


def _by_question(interrupts: Any) -> dict[str, str]:
    return {question.value: question.id for question in interrupts}


def asked_in(line: Any) -> dict[str, str]:
    if line == "end" or line[1] == "custom" or not isinstance(line[2], dict):
        return {}
    return line[2].get("__interrupt__") or {}


def _run(thread: Thread, **job: Any) -> list[Any]:
    return thread.process(**job)


def _answer(thread: Thread, **job: Any) -> list[Any]:
    thread.process(ends=0)
    pending = thread.pending()
    return thread.process(resume={name: ANSWERS[asked] for asked, name in pending.items()}, **job)


def _answer_again(thread: Thread, **job: Any) -> list[Any]:
    _answer(thread, ends=0)
    return thread.process(resume=ANSWERS["age?"], **job)


PHASES: tuple[Phase, ...] = (_run, _answer, _answer_again)
