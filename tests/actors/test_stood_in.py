"""Sync calls that have a stand-in for a loop that they hold up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from actors.patience import see_through
from actors.stand_in import stood_in
from streaming import LogBackedUpError, Row, Staged
from tests.streaming.holding import HoldingLog, held_up, held_up_by, stand_in_of
from tests.streaming.lib import publish
from tests.waiting import let_all_run, until


async def test_a_call_whose_commit_waits_for_what_does_not_come_fails() -> None:
    told: list[BaseException | None] = []

    async with held_up(after=False) as (log, _):
        stand_in = stand_in_of(log, patience=0.0)

        async def call() -> None:
            commit = asyncio.create_task(log.settled())
            try:
                await see_through(commit)  # a cancel cannot cut it short
            finally:
                told.append(commit.exception())

        async with asyncio.timeout(10):
            with pytest.raises(LogBackedUpError, match="did not come to the event log in 0 second"):
                await stood_in(call(), stand_in)
    assert isinstance(told[0], LogBackedUpError)


class Failing(HoldingLog):
    """One whose second append fails when it is let, and had been asked for."""

    def __init__(self) -> None:
        super().__init__(after=True)
        self.asked, self.fails = asyncio.Event(), asyncio.Event()

    async def append(self, run_id: str, rows: Sequence[Row]) -> None:
        """Store the rows, or fail."""
        if self.held.is_set() and not self.go_on.is_set():
            self.asked.set()
            await self.fails.wait()
            raise OSError("disk full")
        await super().append(run_id, rows)


@pytest.mark.parametrize("error", [None, ValueError("the graph's own")], ids=["value", "error"])
async def test_a_call_that_has_its_outcome_keeps_it_when_the_last_events_cannot_be_written(
    error: Exception | None,
) -> None:
    event_log = Failing()
    async with held_up_by(event_log) as log:
        stand_in = stand_in_of(log)

        async def call() -> str:
            publish(log, 2)
            await event_log.asked.wait()
            asyncio.get_running_loop().call_soon(event_log.fails.set)
            if error is not None:
                raise error
            return "value"

        outcome = (await asyncio.gather(stood_in(call(), stand_in), return_exceptions=True))[0]
        assert outcome == (error or "value")

        async def send() -> Staged:
            return log.stage([])

        staged = await asyncio.to_thread(asyncio.run, send())
        settling = asyncio.create_task(log.settled())
        await let_all_run()
        assert not settling.done()  # nothing is given up here
        log.unstage(staged)
        await settling


async def test_a_cancel_that_meets_a_stand_in_which_fails_is_a_cancel() -> None:
    async with held_up(after=False) as (log, event_log):
        event_log.says.clear()
        stand_in = stand_in_of(log, patience=0.0)
        calling = asyncio.create_task(stood_in(asyncio.Event().wait(), stand_in))
        await until(lambda: event_log.looks)
        event_log.says.set()
        await until(calling.cancelling)
        calling.cancel()
        await asyncio.wait({calling})
        assert calling.cancelled()
