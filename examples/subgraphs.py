"""A graph as a node of another: with `subgraphs=True` its chunks come too, with their namespace.

A namespace is a tuple of "node:task id", one for each graph on the way down; () is the root.

    python -m examples.subgraphs

Prints:
    root                 {'plan': {'text': 'cats and ice cream'}}
    write                {'draft': {'notes': ['cats', 'ice cream']}}
    write / polish       {'shorten': {'notes': ['cats']}}
    write / polish       {'praise': {'notes': ['cats!']}}
    write                {'polish': {'notes': ['cats!']}}
    write                {'join': {'text': 'cats!'}}
    root                 {'write': {'text': 'cats!'}}
"""

from __future__ import annotations

import asyncio
from typing import Any, TypedDict

from actors import START, StateGraph


class Text(TypedDict):
    text: str


class Notes(TypedDict):
    text: str  # shared with the parent
    notes: list[str]


def plan(state: Text) -> dict[str, Any]:
    return {"text": f"{state['text']} and ice cream"}


def draft(state: Notes) -> dict[str, Any]:
    return {"notes": state["text"].split(" and ")}


def join(state: Notes) -> dict[str, Any]:
    return {"text": " ".join(state["notes"])}


class Polish(TypedDict):
    notes: list[str]


def shorten(state: Polish) -> dict[str, Any]:
    return {"notes": state["notes"][:1]}


def praise(state: Polish) -> dict[str, Any]:
    return {"notes": [f"{note}!" for note in state["notes"]]}


polish = StateGraph(Polish).add_sequence([shorten, praise]).add_edge(START, "shorten").compile()
write = (
    StateGraph(Notes)
    .add_sequence([draft, ("polish", polish), join])
    .add_edge(START, "draft")
    .compile()
)
graph = StateGraph(Text).add_sequence([plan, ("write", write)]).add_edge(START, "plan").compile()


async def main() -> None:
    async for namespace, chunk in graph.astream({"text": "cats"}, subgraphs=True):
        path = " / ".join(part.split(":")[0] for part in namespace)
        print(f"{path or 'root':20} {chunk}")


if __name__ == "__main__":
    asyncio.run(main())
