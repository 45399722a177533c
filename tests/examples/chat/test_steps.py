"""A thread's history as a table: what each step joined, and what comes next."""

from __future__ import annotations

from actors import CompiledGraph
from checkpoint import MemorySaver
from examples.chat.answer import Extractive
from examples.chat.documents import Passage
from examples.chat.graph import Desk, chat_graph, question
from examples.chat.search import Library
from examples.chat.steps import Step, steps_of, table

DESK = Desk(Library([Passage("a.md", "", "tide"), Passage("b.md", "", "tide")]), Extractive())
CONFIG = {"configurable": {"thread_id": "1"}, "metadata": {"process": 7}}


def asked_twice() -> CompiledGraph:
    graph = chat_graph(MemorySaver())
    for text in ("tide?", "zebra?"):
        graph.invoke(question(text), CONFIG, context=DESK)
    return graph


def test_a_step_says_what_ran_and_what_runs_next() -> None:
    steps = steps_of(asked_twice().get_state_history(CONFIG))
    assert steps == [
        Step(-1, "input", "7", "", "__start__"),
        Step(0, "loop", "7", "__start__", "retrieve"),
        Step(1, "loop", "7", "retrieve", "read ×2"),
        Step(2, "loop", "7", "read ×2", "answer"),
        Step(3, "loop", "7", "answer", ""),
        Step(4, "input", "7", "", "__start__"),
        Step(5, "loop", "7", "__start__", "retrieve"),
        Step(6, "loop", "7", "retrieve", "read ×2"),
        Step(7, "loop", "7", "read ×2", "answer"),
        Step(8, "loop", "7", "answer", ""),
    ]


def test_a_table_has_a_head_and_straight_columns() -> None:
    steps = [Step(-1, "input", "", "", "__start__"), Step(10, "loop", "2", "read ×2", "answer")]
    assert table(steps).splitlines() == [
        "step  source  process  ran      next",
        "-1    input                     __start__",
        "10    loop    2        read ×2  answer",
    ]


def test_a_thread_without_history_has_an_empty_table() -> None:
    empty = chat_graph(MemorySaver()).get_state_history(CONFIG)
    assert table(steps_of(empty)) == "step  source  process  ran  next"
