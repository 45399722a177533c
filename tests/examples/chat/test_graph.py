"""The chat's graph: retrieve, read each document at the same time, answer; the history adds up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from actors import CompiledGraph
from checkpoint import MemorySaver, SqliteSaver
from examples.chat.answer import NOTHING, Extractive, Message
from examples.chat.documents import Passage
from examples.chat.graph import Desk, Reading, chat_graph, question
from examples.chat.search import Library

LIBRARY = Library(
    [
        Passage("harbour.md", "", "harbour: where ships wait for the tide"),
        Passage("tide.md", "", "The tide comes twice a day."),
        Passage("pilot.md", "", "A pilot steers."),
    ]
)
DESK = Desk(LIBRARY, Extractive())
THREAD = {"configurable": {"thread_id": "1"}}


@pytest.fixture
def graph() -> CompiledGraph:
    return chat_graph(MemorySaver())


def test_the_answer_is_streamed_word_by_word_and_kept_whole(graph: CompiledGraph) -> None:
    stream = graph.stream(question("What is the tide?"), THREAD, context=DESK, stream_mode="custom")
    said = "".join(stream)
    assert said.startswith("- The tide comes twice a day. [tide.md]")
    assert graph.get_state(THREAD).values["messages"] == [
        Message("user", "What is the tide?"),
        Message("assistant", said),
    ]


def test_each_document_is_a_task_of_its_own(graph: CompiledGraph) -> None:
    stream = graph.stream(question("tide"), THREAD, context=DESK, stream_mode="updates")
    assert [next(iter(chunk)) for chunk in stream] == ["retrieve", "read", "read", "answer"]


def test_a_question_about_nothing_is_answered_without_reading(graph: CompiledGraph) -> None:
    stream = graph.stream(question("zebras?"), THREAD, context=DESK, stream_mode="updates")
    retrieved, answered = list(stream)
    assert retrieved["retrieve"]["found"].paths == []
    assert answered == {"answer": {"messages": [Message("assistant", NOTHING)]}}


def test_a_question_that_follows_uses_the_history_but_not_the_old_passages(
    graph: CompiledGraph,
) -> None:
    graph.invoke(question("Who is the pilot?"), THREAD, context=DESK)
    state = graph.invoke(question("And then?"), THREAD, context=DESK)
    assert [passage.path for passage in state["passages"]] == ["pilot.md"]
    assert [message.role for message in state["messages"]] == ["user", "assistant"] * 2


def test_a_conversation_goes_on_from_its_file(tmp_path: Path) -> None:
    for text in ("Who is the pilot?", "And the tide?"):
        with SqliteSaver.from_conn_string(tmp_path / "chat.sqlite") as saver:
            state = chat_graph(saver).invoke(question(text), THREAD, context=DESK)
    asked = [message.text for message in state["messages"] if message.role == "user"]
    assert asked == ["Who is the pilot?", "And the tide?"]


@dataclass(frozen=True)
class CountingDesk(Desk):
    """Counts what is read; the model is down the first time."""

    reads: list[str]
    broken: threading.Event

    def read(self, reading: Reading) -> list[Passage]:
        self.reads.append(reading["path"])
        return super().read(reading)

    def answer(
        self, messages: Sequence[Message], passages: Sequence[Passage]
    ) -> AsyncGenerator[str, None]:
        if self.broken.is_set():
            raise ConnectionError("the model is down")
        return super().answer(messages, passages)


def test_after_a_failed_answer_only_the_answer_runs_again(graph: CompiledGraph) -> None:
    desk = CountingDesk(LIBRARY, Extractive(), [], threading.Event())
    desk.broken.set()
    with pytest.raises(ConnectionError, match="the model is down"):
        graph.invoke(question("tide"), THREAD, context=desk)
    assert graph.get_state(THREAD).next == ("answer",)

    desk.broken.clear()
    state = graph.invoke(None, THREAD, context=desk)
    assert state["messages"][-1].role == "assistant"
    assert sorted(desk.reads) == ["harbour.md", "tide.md"]


async def test_a_cancelled_answer_asks_the_model_for_no_more(graph: CompiledGraph) -> None:
    closed = asyncio.Event()

    async def endless(
        _messages: Sequence[Message], _passages: Sequence[Passage], /
    ) -> AsyncGenerator[str, None]:
        try:
            yield "and "
            await asyncio.Event().wait()
        finally:
            closed.set()

    desk = Desk(LIBRARY, endless)
    async with graph.astream(
        question("tide"), THREAD, context=desk, stream_mode="custom"
    ) as stream:
        assert await anext(stream) == "and "
    assert closed.is_set()
    assert (await graph.aget_state(THREAD)).next == ("answer",)
