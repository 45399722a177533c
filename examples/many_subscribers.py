"""One run, many readers: each with stream modes of its own, one going away, one joining late.

The run belongs to the actor system and goes on whoever reads it; no reader misses anything.

    python -m examples.many_subscribers

Prints:
    progress   ['1 of 3', '2 of 3', '3 of 3']
    steps      [{'copy': {'copied': 3}}, {'verify': {'ok': True}}]
    back again ['1 of 3'] then ['2 of 3', '3 of 3']
    the run ended with success: {'copied': 3, 'ok': True}
    late       [{'copied': 0}, {'copied': 3}, {'copied': 3, 'ok': True}]
"""

from __future__ import annotations

import asyncio
from typing import Any, TypedDict

from actors import START, ActorSystem, Run, StateGraph
from streaming import Chunk, StreamMode, StreamWriter


class State(TypedDict):
    copied: int
    ok: bool


async def copy(state: State, writer: StreamWriter) -> dict[str, int]:
    for n in (1, 2, 3):
        writer(f"{n} of 3")
        await asyncio.sleep(0.01)
    return {"copied": 3}


def verify(state: State) -> dict[str, bool]:
    return {"ok": state["copied"] == 3}


graph = StateGraph(State).add_sequence([copy, verify]).add_edge(START, "copy").compile()


async def read(run: Run, mode: StreamMode, *, after: int | None = None) -> list[Any]:
    chunks = run.stream(mode, after=after)  # a Gap among them: this reader was much too slow
    return [chunk.data async for chunk in chunks if isinstance(chunk, Chunk)]


async def read_first(run: Run) -> Chunk:
    """Read one chunk and go away; its id is the place to go on from."""
    async for chunk in run.stream("custom"):
        if isinstance(chunk, Chunk):
            return chunk
    raise RuntimeError("the run said nothing")


async def main() -> None:
    async with ActorSystem() as system:
        run = await system.start(graph, {"copied": 0})
        async with asyncio.TaskGroup() as readers:
            progress = readers.create_task(read(run, "custom"))
            steps = readers.create_task(read(run, "updates"))
            first = await read_first(run)
            rest = readers.create_task(read(run, "custom", after=first.id))
        print("progress  ", progress.result())
        print("steps     ", steps.result())
        print("back again", [first.data], "then", rest.result())
        print(f"the run ended with {run.status}: {await run.result()}")
        print("late      ", await read(system.runs[run.run_id], "values"))


if __name__ == "__main__":
    asyncio.run(main())
