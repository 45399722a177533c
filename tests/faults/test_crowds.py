"""Many at once: storms of cancels, and readers of whom some stop reading."""

from __future__ import annotations

import asyncio
import operator
import random
from collections.abc import AsyncIterator, Callable
from cProfile import Profile
from dataclasses import dataclass
from typing import Annotated, Any, TypedDict

import pytest

from actors import START, ActorSystem, Run, RunCancelledError, Send, StateGraph, StreamWriter
from checkpoint import MemorySaver
from streaming import Chunk, Gap, event_id_of
from tests.faults.memory import blocks_in_use
from tests.faults.scale import WHOLE

READERS = 1_000 if WHOLE else 200
CHUNKS, TURN = 120, 20
"""What is said, and how much of it without giving others their turn."""
RING = 40_000
"""Bytes that the ring may hold: a third of what is said."""
STORM = 500 if WHOLE else 80


class Log(TypedDict):
    log: Annotated[list[str], operator.add]


async def talk(state: Log, writer: StreamWriter) -> Log:
    for number in range(CHUNKS):
        writer("x" * 1_000)
        if number % TURN == 0:
            await asyncio.sleep(0)
    return {"log": ["talked"]}


talking = StateGraph(Log).add_node("talk", talk).add_edge(START, "talk").compile()


@dataclass(slots=True)
class Listeners:
    """Readers, and the farthest that one of them was behind the newest chunk."""

    run: Run
    lag: int = 0

    async def listen(self, subscriber: AsyncIterator[Any]) -> int:
        """How many chunks came, to the end."""
        count = 0
        async for chunk in subscriber:
            assert isinstance(chunk, Chunk)
            count += 1
            self.lag = max(self.lag, self.run.log.last - event_id_of(chunk.id))
        return count


@dataclass(frozen=True, slots=True)
class Cost:
    """What it took until all readers but those who stopped reading have everything."""

    calls: int
    """Of functions."""
    blocks: int
    """Of memory, held then."""
    lag: int
    """Events that a reader was behind the newest one, when it got one; the most of all."""


async def cost(stalled: int) -> Cost:
    """Of a run with many readers, of whom so many read one chunk and stop."""
    async with ActorSystem(ring_bytes=RING) as system:
        before = blocks_in_use()
        with Profile() as profile:
            run = await system.start(talking, {"log": []})
            asleep = [run.stream("custom") for _ in range(stalled)]
            for each in asleep:
                await anext(each)
            listeners = Listeners(run)
            awake = [run.stream("custom") for _ in range(READERS - stalled)]
            counts = await asyncio.gather(*map(listeners.listen, awake))
        blocks = blocks_in_use() - before
        assert counts == [CHUNKS] * len(awake)
        assert system.stats().bytes <= RING
        for each in asleep:
            gap, *rest = [chunk async for chunk in each]
            assert isinstance(gap, Gap), "who stopped reading is told what it has missed"
            assert gap.lost + len(rest) >= CHUNKS - 1
        return Cost(sum(entry.callcount for entry in profile.getstats()), blocks, listeners.lag)


async def test_readers_that_stop_reading_cost_the_others_nothing(
    record_property: Callable[[str, object], None],
) -> None:
    """Neither calls, nor memory, nor that they get anything later."""
    await cost(READERS // 50)
    quiet, uneasy = await cost(0), await cost(READERS // 10)
    assert uneasy.calls <= quiet.calls
    assert uneasy.blocks - quiet.blocks < READERS // 10 * 10, "chunks are not kept for each of them"
    assert max(quiet.lag, uneasy.lag) <= TURN, "each chunk is taken before the next are said"
    record_property("readers of one run of whom one in ten stopped", READERS)


async def wander(state: Log) -> Any:
    for _ in range(len(state["log"]) % 3):
        await asyncio.sleep(0)
    return {"log": [f"step {len(state['log'])}"]}


def fan(state: Log) -> list[Send]:
    return [Send("wander", state) for _ in range(3)] if len(state["log"]) < 10 else []


wandering = (
    StateGraph(Log)
    .add_node("begin", wander)
    .add_node("wander", wander)
    .add_edge(START, "begin")
    .add_conditional_edges("begin", fan, ["wander"])
    .add_conditional_edges("wander", fan, ["wander"])
)


@pytest.mark.timeout(120)
async def test_a_storm_of_cancels_ends_every_run_once(
    record_property: Callable[[str, object], None],
) -> None:
    chance = random.Random(STORM)
    saver = MemorySaver()
    graph = wandering.compile(checkpointer=saver)
    ends: list[str] = []
    async with ActorSystem(max_finished=STORM) as system:

        async def run_and_cancel(number: int) -> None:
            config: Any = {"configurable": {"thread_id": f"thread {number}"}}
            run = await system.start(graph, {"log": ["input"]}, config)
            for _ in range(chance.randrange(30)):
                await asyncio.sleep(0)
            again = chance.randrange(1, 4)  # also more than once, and after the end
            await asyncio.gather(*(run.cancel() for _ in range(again)), return_exceptions=True)
            try:
                await run.result()
            except RunCancelledError:
                pass
            ends.append(run.status)
            state = await graph.aget_state(config)
            assert bool(state.next) or run.status == "success", "a cancelled run has a next"

        await asyncio.gather(*map(run_and_cancel, range(STORM)))
        assert system.stats().live == 0
    assert set(ends) <= {"success", "cancelled"}
    assert ends.count("cancelled") > STORM / 4
    record_property("runs cancelled in a storm", ends.count("cancelled"))
