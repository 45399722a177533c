"""Progress of long work as `custom` chunks, from a sync node and from an async one.

A sync node runs in a worker thread; its chunks reach the reader while it still runs.

    python -m examples.progress

Prints:
    unpacking: 1 of 3
    unpacking: 2 of 3
    unpacking: 3 of 3
    checking a.txt
    checking b.txt
    checking c.txt
"""

from __future__ import annotations

import asyncio
from typing import TypedDict

from actors import START, StateGraph, get_stream_writer
from streaming import StreamWriter


class State(TypedDict):
    archive: list[str]
    files: list[str]


def unpack(state: State) -> dict[str, list[str]]:
    writer = get_stream_writer()  # works anywhere below the node, too
    files: list[str] = []
    for name in state["archive"]:
        files.append(name)
        writer(f"unpacking: {len(files)} of {len(state['archive'])}")
    return {"files": files}


async def check(state: State, writer: StreamWriter) -> None:
    for name in state["files"]:
        writer(f"checking {name}")
        await writer.drain()  # waits while the reader is far behind


graph = StateGraph(State).add_sequence([unpack, check]).add_edge(START, "unpack").compile()


async def main() -> None:
    archive = {"archive": ["a.txt", "b.txt", "c.txt"]}
    async for chunk in graph.astream(archive, stream_mode="custom"):
        print(chunk)


if __name__ == "__main__":
    asyncio.run(main())
