"""One graph seen through each stream mode.

    python -m examples.joke_modes

Prints:
    values
      {'topic': 'ice cream'}
      {'topic': 'ice cream and cats'}
      {'topic': 'ice cream and cats', 'joke': 'A joke about ice cream and cats'}
    updates
      {'refine_topic': {'topic': 'ice cream and cats'}}
      {'generate_joke': {'joke': 'A joke about ice cream and cats'}}
    custom
      thinking about ice cream and cats
    tasks
      refine_topic starts with {'topic': 'ice cream'}
      refine_topic wrote {'topic': 'ice cream and cats'}
      generate_joke starts with {'topic': 'ice cream and cats'}
      generate_joke wrote {'joke': 'A joke about ice cream and cats'}
    checkpoints
      step -1 next ['__start__']
      step 0 next ['refine_topic']
      step 1 next ['generate_joke']
      step 2 next []
    debug
      step -1 checkpoint
      step 0 checkpoint
      step 1 task
      step 1 task_result
      step 1 checkpoint
      step 2 task
      step 2 task_result
      step 2 checkpoint
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypedDict

from actors import START, StateGraph
from checkpoint import MemorySaver
from streaming import StreamMode, StreamWriter


class State(TypedDict):
    topic: str
    joke: str


def refine_topic(state: State) -> dict[str, str]:
    return {"topic": state["topic"] + " and cats"}


def generate_joke(state: State, writer: StreamWriter) -> dict[str, str]:
    writer(f"thinking about {state['topic']}")
    return {"joke": f"A joke about {state['topic']}"}


graph = (
    StateGraph(State)
    .add_sequence([refine_topic, generate_joke])
    .add_edge(START, "refine_topic")
    .compile(checkpointer=MemorySaver())  # `checkpoints` needs a saver, the others do not
)


def task(chunk: dict[str, Any]) -> str:
    if "input" in chunk:
        return f"{chunk['name']} starts with {chunk['input']}"
    return f"{chunk['name']} wrote {chunk['result']}"


def checkpoint(chunk: dict[str, Any]) -> str:
    return f"step {chunk['metadata']['step']} next {chunk['next']}"


def debug(chunk: dict[str, Any]) -> str:
    return f"step {chunk['step']} {chunk['type']}"


MODES: dict[StreamMode, Callable[[Any], str]] = {
    "values": str,
    "updates": str,
    "custom": str,
    "tasks": task,
    "checkpoints": checkpoint,
    "debug": debug,
}


async def main() -> None:
    for mode, describe in MODES.items():
        print(mode)
        config = {"configurable": {"thread_id": mode}}
        async for chunk in graph.astream({"topic": "ice cream"}, config, stream_mode=mode):
            print(" ", describe(chunk))


if __name__ == "__main__":
    asyncio.run(main())
