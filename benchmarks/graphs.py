"""The graphs that several workloads share."""

from __future__ import annotations

import asyncio
import operator
from collections.abc import AsyncIterator
from typing import Annotated, Any, TypedDict

from .contenders import Engine

TURN = 800
"""Bytes of a turn of a chat: a question and an answer."""


class Count(TypedDict):
    n: int


class Page(TypedDict):
    n: int
    text: str


class Messages(TypedDict):
    n: int
    messages: Annotated[list[dict[str, str]], operator.add]


class Chat(TypedDict):
    messages: Annotated[list[dict[str, str]], operator.add]


async def step(state: Any) -> dict[str, Any]:
    return {"n": state["n"] + 1}


def chain(engine: Engine, length: int) -> Any:
    """A builder of async nodes in a row."""
    builder = engine.StateGraph(Count)
    before = engine.START
    for i in range(length):
        name = f"node{i}"
        builder.add_node(name, step)
        builder.add_edge(before, name)
        before = name
    return builder.add_edge(before, engine.END)


def loop(engine: Engine, rounds: int, schema: Any = Count, node: Any = step) -> Any:
    """A builder of one async node that runs again until `n` has reached `rounds`."""

    async def path(state: Any) -> str:
        return engine.END if state["n"] >= rounds else "step"

    builder = engine.StateGraph(schema).add_node("step", node).add_edge(engine.START, "step")
    return builder.add_conditional_edges("step", path, ["step", engine.END])


def talking(engine: Engine, chunks: int, burst: int) -> Any:
    """A builder of one node that writes custom chunks; it lets the loop turn after each burst, as a
    model's stream would."""

    async def talk(state: Any) -> dict[str, Any]:
        write = engine.get_stream_writer()
        for i in range(chunks):
            write(i)
            if i % burst == 0:
                await asyncio.sleep(0)
        return {"n": chunks}

    return engine.StateGraph(Count).add_node("talk", talk).add_edge(engine.START, "talk")


async def counted(chunks: AsyncIterator[Any]) -> int:
    """How many there are, to the end."""
    found = 0
    async for _ in chunks:
        found += 1
    return found


def chat(engine: Engine) -> Any:
    """A builder of one node that answers."""

    async def reply(state: Any) -> dict[str, Any]:
        return {"messages": [message("assistant", len(state["messages"]))]}

    return engine.StateGraph(Chat).add_node("reply", reply).add_edge(engine.START, "reply")


def message(role: str, number: int) -> dict[str, str]:
    """Half a turn of a chat; no two messages are alike."""
    return {"role": role, "content": f"{number:08d}".ljust(TURN // 2, ".")}


def on_thread(thread_id: str, steps: int = 100) -> dict[str, Any]:
    """A config for a thread, with room for the steps of a long loop."""
    return {"configurable": {"thread_id": thread_id}, "recursion_limit": steps + 10}
