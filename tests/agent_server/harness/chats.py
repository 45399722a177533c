"""Graphs of LangChain's messages, apart from the others because loading LangChain takes a second.

chat     a fake chat model that streams what it says
turns    the same, each answer a message of its own
plain    a node that returns a message without a model
"""

from itertools import count, repeat
from typing import Any

from langchain_core.language_models import GenericFakeChatModel
from langchain_core.messages import AIMessage

from actors import START, MessagesState, StateGraph

model = GenericFakeChatModel(
    messages=repeat(AIMessage("Hello there, human friend", id="ai-1")),
)


async def call_model(state: MessagesState) -> dict[str, Any]:
    return {"messages": [await model.ainvoke(state["messages"])]}


chat = StateGraph(MessagesState).add_node(call_model).add_edge(START, "call_model").compile()


speaker = GenericFakeChatModel(
    messages=(AIMessage("Hello there, human friend") for _ in count()),
)


async def answer(state: MessagesState) -> dict[str, Any]:
    return {"messages": [await speaker.ainvoke(state["messages"])]}


turns = StateGraph(MessagesState).add_node(answer).add_edge(START, "answer").compile()


def plain_node(state: MessagesState) -> dict[str, Any]:
    return {"messages": [AIMessage("static", id="st-1")]}


plain = StateGraph(MessagesState).add_node(plain_node).add_edge(START, "plain_node").compile()
