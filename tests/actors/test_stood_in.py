"""Calls that end though what a held loop has sent does not come, and they wait for a commit."""

from __future__ import annotations

import asyncio

import pytest

from actors.patience import see_through
from actors.stand_in import stood_in
from streaming import LogBackedUpError
from tests.streaming.holding import held_up


async def test_a_call_whose_commit_waits_for_what_does_not_come_fails() -> None:
    told: list[BaseException | None] = []

    async with held_up(after=False) as (log, _):
        stand_in = log.stand_in(patience=0.0)
        assert stand_in is not None

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
