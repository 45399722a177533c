"""What must hold after the demo, found out from what is left: the journal and the thread."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from actors import CompiledGraph

from .act import READ_BEFORE, THREAD
from .answer import Extractive, Message
from .graph import Desk
from .search import REPOSITORY, Library
from .steps import Step


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that must hold, and whether it does."""

    text: str
    holds: bool


def facts_of(graph: CompiledGraph, journal: Path, steps: Sequence[Step]) -> list[Fact]:
    """The facts about the last question, which was asked once and answered by three processes."""
    state = graph.get_state({"configurable": {"thread_id": THREAD}})
    messages: list[Message] = state.values["messages"]
    return [
        *executions(journal.read_text(encoding="utf-8")),
        Fact(
            "The answer is the one that a run without a kill gives.",
            messages[-1] == _without_a_kill(graph, messages[:-1]),
        ),
        Fact(
            "The thread is finished: two questions and two answers, no step lost or doubled.",
            not state.next
            and [message.role for message in messages] == ["user", "assistant"] * 2
            and [step.step for step in steps] == list(range(-1, len(steps) - 1)),
        ),
    ]


def executions(journal: str) -> list[Fact]:
    """How often each task of the last question was started."""
    lines = journal.rpartition("asks ")[2].splitlines()
    started = Counter(line.removeprefix("starts ") for line in lines[1:])
    read = sorted(times for task, times in started.items() if task.startswith("read "))
    others = len(read) - READ_BEFORE
    return [
        Fact(
            "The search was done before the first kill, so it ran once.", started["retrieve"] == 1
        ),
        Fact(
            f"{READ_BEFORE} documents were read before the kill: each was read once.",
            others > 0 and read[:READ_BEFORE] == [1] * READ_BEFORE,
        ),
        Fact(
            f"{others} documents were being read: each was begun once more.",
            others > 0 and read[READ_BEFORE:] == [2] * others,
        ),
        Fact("The answer was being said: it was begun once more.", started["answer"] == 2),
    ]


def _without_a_kill(graph: CompiledGraph, messages: list[Message]) -> Message:
    """What the last question is answered by a run that stores nothing and is left alone."""
    desk = Desk(Library.of(REPOSITORY), Extractive())
    return graph.invoke({"messages": messages}, context=desk, stateless=True)["messages"][-1]
