"""Models and messages without LangChain, which the tests of agents share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

Message = dict[str, Any]
USER: Message = {"role": "user", "content": "hello"}
HELLO = {"messages": [USER]}


def call(name: str, known: str = "", **args: Any) -> Message:
    """A call of a tool."""
    return {"name": name, "args": args, "id": known or f"call-{name}", "type": "tool_call"}


def asks(*calls: Message) -> Message:
    """A message of a model that calls tools."""
    return {"role": "assistant", "content": "", "tool_calls": list(calls)}


def says(text: str) -> Message:
    """A message of a model that calls none."""
    return {"role": "assistant", "content": text}


class Given(list[tuple[list[Message], list[Any]]]):
    """What a model was given, turn by turn: messages and tools."""


def model_of(*lines: Message, given: Given | None = None) -> Callable[..., Awaitable[Message]]:
    """A model that says the line whose turn it is."""

    async def model(messages: list[Message], tools: list[Any]) -> Message:
        if given is not None:
            given.append((messages, tools))
        spoken = sum(message["role"] == "assistant" for message in messages)
        return lines[min(spoken, len(lines) - 1)]

    return model


def texts(state: Any) -> list[tuple[str, str]]:
    """The messages of a state: role and content."""
    return [(message["role"], message["content"]) for message in state["messages"]]


def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


async def shout(word: str) -> str:
    """Say it loud."""
    return word.upper()
