"""Event logs that hold up the loop they are used on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from checkpoint import MemorySaver
from streaming import Row, RunLog, hold_loop, let_loop_go
from streaming.stand_in import StandIn
from streaming.testing import JsonCodec
from tests.streaming.lib import publish
from tests.waiting import until


class HoldingLog:
    """An event log in memory whose first append holds up its loop, before or after it.

    `told`: whether it says so.
    """

    def __init__(self, *, after: bool, told: bool = True) -> None:
        self.rows = MemorySaver().events
        self.held, self.go_on = threading.Event(), threading.Event()
        self.looks = 0
        """How often it was asked how far it goes."""
        self.failures: list[Exception] = []
        """Raised by the next looks, one each."""
        self.says = asyncio.Event()
        """Set while looks are answered at once."""
        self.says.set()
        self.stores = threading.Event()
        """Set while the loop that has gone on stores what it was held up with."""
        self.stores.set()
        self._after = after
        self._told = told
        self._is_first = True
        self.loop: asyncio.AbstractEventLoop | None = None
        """The one that it holds up."""

    async def append(self, run_id: str, rows: Sequence[Row]) -> None:
        """Store the rows."""
        is_first, self._is_first = self._is_first, False
        if is_first and not self._after:
            self._hold()
            await until(self.stores.is_set)
        await self.rows.append(run_id, rows)
        if is_first and self._after:
            self._hold()

    def _hold(self) -> None:
        loop = self.loop = asyncio.get_running_loop()
        if self._told:
            hold_loop(loop)
        self.held.set()
        assert self.go_on.wait(20)
        if self._told:
            let_loop_go(loop)

    async def read(self, run_id: str, after: int, limit: int) -> Sequence[Row]:
        """Some rows."""
        return await self.rows.read(run_id, after, limit)

    async def last(self, run_id: str) -> int:
        """The highest id."""
        self.looks += 1
        if self.failures:
            raise self.failures.pop(0)
        found = await self.rows.last(run_id)
        await self.says.wait()
        return found


def stand_in_of(log: RunLog, patience: float = 30.0) -> StandIn:
    """Who stands in; of no patience, it gives up after one look in vain."""
    stand_in = log.stand_in(patience)
    assert stand_in is not None
    return stand_in


@asynccontextmanager
async def held_up(*, after: bool, told: bool = True) -> AsyncGenerator[tuple[RunLog, HoldingLog]]:
    """A log with one event, whose pump is held up as it sends that; `told`: and that is known."""
    event_log = HoldingLog(after=after, told=told)
    async with held_up_by(event_log) as log:
        yield log, event_log


@asynccontextmanager
async def held_up_by(event_log: HoldingLog) -> AsyncGenerator[RunLog]:
    """The same with this event log."""
    log = RunLog("run", event_log=event_log, codec=JsonCodec())
    publish(log, 1)
    pumping = asyncio.create_task(asyncio.to_thread(asyncio.run, log.pump()))
    try:
        assert await asyncio.to_thread(event_log.held.wait, 10)
        yield log
    finally:
        event_log.says.set()
        event_log.stores.set()
        event_log.go_on.set()
        log.close()
        await pumping
    assert [number for number, _ in await event_log.read("run", 0, 10)] == [*range(1, log.last + 1)]
    assert (log.visible, log.stats().unsent) == (log.last, 0)
