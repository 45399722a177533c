"""What the streaming tests share."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from streaming import Chunk, Custom, Row, RunLog, StreamWriter, Subscriber
from streaming.testing import MemoryEventLog


def publish(log: RunLog, *data: Any) -> list[int]:
    return [log.publish(Custom(data=item)) for item in data]


def say(log: RunLog, *data: Any) -> None:
    """Write custom chunks as a node does."""
    writer = StreamWriter(log)
    for item in data:
        writer(item)


async def data_of(reader: Subscriber) -> list[Any]:
    """What a reader gets until its log ends: data of chunks, ("gap", n) for gaps."""
    return [item.data if isinstance(item, Chunk) else ("gap", item.lost) async for item in reader]


async def take(reader: Subscriber, count: int) -> list[Any]:
    items = [await anext(reader) for _ in range(count)]
    return [item.data if isinstance(item, Chunk) else ("gap", item.lost) for item in items]


class GatedEventLog(MemoryEventLog):
    """An event log whose appends wait until they are let through, and may be made to fail."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()
        self.asked: list[list[int]] = []
        """Ids of each append asked for."""
        self.failures: list[Exception] = []
        """Raised by the next appends, one each."""
        self.commits_before_failing = False
        """True: what fails is the answer, the rows are stored."""

    def open(self) -> None:
        self.gate.set()

    async def append(self, run_id: str, rows: Sequence[Row]) -> None:
        self.asked.append([event_id for event_id, _ in rows])
        if self.commits_before_failing:
            await super().append(run_id, rows)
        await self.gate.wait()
        if self.failures:
            raise self.failures.pop(0)
        if not self.commits_before_failing:
            await super().append(run_id, rows)
