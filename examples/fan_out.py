"""Map and reduce: `Send` starts one task per page, all in the same super-step; then one sums up.

Updates stream as each task ends. The reducer joins them in the order they were sent.

    python -m examples.fan_out

Prints:
    {'count': {'counts': {'to be': 2}}}
    {'count': {'counts': {'or not to be': 4}}}
    {'count': {'counts': {'that is the question': 4}}}
    {'total': {'words': 10}}
"""

from __future__ import annotations

import asyncio
import operator
from typing import Annotated, TypedDict

from actors import START, Send, StateGraph


class State(TypedDict):
    pages: list[str]
    counts: Annotated[dict[str, int], operator.or_]
    words: int


class Page(TypedDict):
    text: str


def each_page(state: State) -> list[Send]:
    return [Send("count", Page(text=text)) for text in state["pages"]]


async def count(page: Page) -> dict[str, dict[str, int]]:
    return {"counts": {page["text"]: len(page["text"].split())}}


def total(state: State) -> dict[str, int]:
    return {"words": sum(state["counts"].values())}


graph = (
    StateGraph(State)
    .add_node(count)
    .add_node(total)
    .add_conditional_edges(START, each_page, ["count"])
    .add_edge("count", "total")
    .compile()
)


async def main() -> None:
    pages = ["to be", "or not to be", "that is the question"]
    async for chunk in graph.astream({"pages": pages}, {"max_concurrency": 10}):
        print(chunk)


if __name__ == "__main__":
    asyncio.run(main())
