"""Runs leave nothing behind in the process: no task, thread, file, nor memory that grows."""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypedDict

import pytest

from actors import START, ActorSystem, CompiledGraph, RunCancelledError, StateGraph, interrupt
from checkpoint import SqliteSaver
from streaming import Chunk
from tests.faults.scale import WHOLE
from tests.waiting import let_all_run

ROUNDS = 400 if WHOLE else 10
"""Of 25 runs each: 10,000 together."""
WARM = 200 if WHOLE else 6
"""Rounds before the first look: what a saver remembers of runs and threads, up to a bound of
1,024, is full after the larger number only."""
PER_RUN = 0.2 if WHOLE else 12
"""Blocks of memory that a run may leave, on the average; a run that is kept takes hundreds."""
GROWTH = 24 << 20
"""Bytes that the process may grow by meanwhile, with all that is not Python's."""


Way: TypeAlias = Callable[["Bench", int], Awaitable[None]]


class State(TypedDict):
    n: int


class StoppedError(Exception):
    """What a node of these tests raises."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What a way of running needs."""

    system: ActorSystem
    stored: CompiledGraph
    """With a saver on a file."""
    plain: CompiledGraph


async def count(state: State) -> State:
    return {"n": state["n"] + 1}


def count_slowly(state: State) -> State:
    return {"n": state["n"] + 1}


async def ask(state: State) -> State:
    match state["n"] % 4:
        case 1:
            interrupt("go on?")
        case 2:
            raise StoppedError
        case 3:
            await asyncio.get_running_loop().create_future()
        case _:
            pass
    return state


def builder() -> StateGraph:
    inner = StateGraph(State).add_node("count", count).add_edge(START, "count").compile()
    made = StateGraph(State).add_node("inner", inner).add_node("sync", count_slowly)
    made.add_node("ask", ask).add_edge(START, "inner").add_edge("inner", "sync")
    return made.add_edge("sync", "ask")


async def to_the_end(bench: Bench, number: int) -> None:
    await bench.plain.ainvoke({"n": 4 * number + 2})


async def streamed_and_left(bench: Bench, number: int) -> None:
    async for _ in bench.plain.astream({"n": 4 * number + 2}, stream_mode=["values", "debug"]):
        break


async def asked(bench: Bench, number: int) -> None:
    await bench.stored.ainvoke({"n": 4 * number + 3}, on(number))


async def failed(bench: Bench, number: int) -> None:
    with pytest.raises(StoppedError):
        await bench.stored.ainvoke({"n": 4 * number}, on(number))


async def cancelled(bench: Bench, number: int) -> None:
    run = await bench.system.start(bench.stored, {"n": 4 * number + 1}, on(number))
    async for chunk in run.stream("updates"):
        assert isinstance(chunk, Chunk)
        if "sync" in chunk.data:
            await run.cancel()
    with pytest.raises(RunCancelledError):
        await run.result()


async def watched_by_many(bench: Bench, number: int) -> None:
    run = await bench.system.start(bench.plain, {"n": 4 * number + 2})
    readers = [run.stream(mode) for mode in ("values", "updates", "tasks")]
    await anext(readers[0])  # and the others are never read
    await run.result()


def on(number: int) -> Any:
    return {"configurable": {"thread_id": f"thread {number % 5}"}}


@asynccontextmanager
async def benches(path: Path) -> AsyncIterator[Bench]:
    async with (
        SqliteSaver(path) as saver,
        ActorSystem(event_log=saver.events, max_finished=5) as system,
    ):
        stored = builder().compile(checkpointer=saver)
        yield Bench(system, stored, builder().compile())


STORED: tuple[Way, ...] = (asked, failed, cancelled) * 2
PLAIN: tuple[Way, ...] = (to_the_end, streamed_and_left, watched_by_many) * 3
PLAIN += (to_the_end, streamed_and_left) * 4 + (to_the_end,) * 2


@pytest.mark.timeout(300)
async def test_runs_leave_nothing_behind_however_they_end(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """All ways in turn and in one process: what it remembers has to be full of such runs before
    anything can be flat."""
    async with benches(tmp_path / "threads.db") as bench:
        await take(bench, STORED, WARM)
        await take(bench, PLAIN, 10)
        before = await seen()
        await take(bench, STORED + PLAIN, ROUNDS)
        after = await seen()
    runs = ROUNDS * len(STORED + PLAIN)
    assert after.tasks <= before.tasks
    assert after.threads <= before.threads
    assert after.files <= before.files
    assert after.blocks - before.blocks < PER_RUN * runs
    assert after.resident - before.resident < GROWTH
    record_property("runs that left nothing behind", runs)


async def take(bench: Bench, ways: Sequence[Way], rounds: int) -> None:
    for number in range(rounds):
        for at, way in enumerate(ways):
            await way(bench, number * len(ways) + at)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a process holds."""

    tasks: int
    threads: int
    files: int
    blocks: int
    resident: int


async def seen() -> Seen:
    """Look, when what is ending has ended."""
    await let_all_run()
    gc.collect()
    tasks = len(asyncio.all_tasks())
    return Seen(tasks, threading.active_count(), open_files(), sys.getallocatedblocks(), resident())


def open_files() -> int:
    return len(list(Path("/proc/self/fd" if sys.platform == "linux" else "/dev/fd").iterdir()))


def resident() -> int:
    """Bytes of the process that are in memory; 0 where the system does not say."""
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * resource.getpagesize() if status.exists() else 0
