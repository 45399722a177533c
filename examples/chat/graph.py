"""The conversation as a graph.

    retrieve ─ Send ─┬─ read ─┬─ answer
                     ├─ read ─┤
                     └─ read ─┘

`retrieve` finds the documents that a question is about, one `read` per document picks its passages
(all in one super-step), `answer` joins them and streams its words as `custom` chunks.
"""

from __future__ import annotations

import operator
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

from actors import START, CompiledGraph, Overwrite, Runtime, Send, StateGraph
from checkpoint import Saver
from streaming import StreamWriter

from .answer import Answerer, Message
from .documents import Passage
from .search import Found, Library


class Chat(TypedDict):
    """A conversation's state; its history is what the reducer adds up."""

    messages: Annotated[list[Message], operator.add]
    found: Found
    passages: Annotated[list[Passage], operator.add]


class Reading(TypedDict):
    """The input of one `read` task."""

    path: str
    weights: dict[str, float]


@dataclass(frozen=True)
class Desk:
    """What the nodes work with; no state, so each process brings its own."""

    library: Library
    answerer: Answerer

    def find(self, question: str, earlier: Sequence[str]) -> Found:
        return self.library.find(question, earlier)

    def read(self, reading: Reading) -> list[Passage]:
        return self.library.read(reading["path"], reading["weights"])

    def answer(
        self, messages: Sequence[Message], passages: Sequence[Passage]
    ) -> AsyncGenerator[str, None]:
        return self.answerer(messages, passages)


def retrieve(state: Chat, runtime: Runtime[Desk]) -> dict[str, Any]:
    *earlier, question = [m.text for m in state["messages"] if m.role == "user"]
    return {
        "found": runtime.context.find(question, earlier),
        "passages": Overwrite([]),  # those of the question before
    }


def each_document(state: Chat) -> list[Send] | str:
    found = state["found"]
    readings = [Reading(path=path, weights=found.weights) for path in found.paths]
    return [Send("read", reading) for reading in readings] or "answer"


def read(reading: Reading, runtime: Runtime[Desk]) -> dict[str, Any]:
    return {"passages": runtime.context.read(reading)}


async def answer(state: Chat, runtime: Runtime[Desk], writer: StreamWriter) -> dict[str, Any]:
    passages = sorted(state["passages"], key=lambda passage: -passage.score)
    said: list[str] = []
    async with aclosing(runtime.context.answer(state["messages"], passages)) as tokens:
        async for token in tokens:
            said.append(token)
            writer(token)
    return {"messages": [Message("assistant", "".join(said))]}


def chat_graph(saver: Saver) -> CompiledGraph:
    """The graph, with its threads in the saver."""
    return (
        StateGraph(Chat, context_schema=Desk)
        .add_node(retrieve)
        .add_node(read)
        .add_node(answer)
        .add_edge(START, "retrieve")
        .add_conditional_edges("retrieve", each_document, ["read", "answer"])
        .add_edge("read", "answer")
        .compile(checkpointer=saver, name="chat")
    )


def question(text: str) -> dict[str, Any]:
    """The input that asks something."""
    return {"messages": [Message("user", text)]}
