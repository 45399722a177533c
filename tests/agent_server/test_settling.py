"""How a run's end gets into the database, also when that cannot be written for a while."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from agent_server.errors import OverloadedError
from tests.agent_server.harness import graphs
from tests.agent_server.stage import Stage, stage

SERVED = {"agent": graphs.agent}


async def refuse(at: Stage, what: str) -> None:
    """From here on the database refuses this, as one on a full disk does."""
    await at.tables.write(
        lambda db: (
            db.execute(
                f"CREATE TRIGGER full BEFORE {what} ON server_run "
                "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
            )
            and None
        )
    )


async def allow(at: Stage) -> None:
    await at.tables.write(lambda db: db.execute("DROP TRIGGER full") and None)


class Mend:
    """A sleep that lasts until the test has mended what was broken."""

    def __init__(self) -> None:
        self.begun, self.mended = asyncio.Event(), asyncio.Event()

    async def __call__(self, seconds: float) -> None:
        self.begun.set()
        await self.mended.wait()


async def test_an_end_that_cannot_be_written_is_told_and_written_later(tmp_path: Path) -> None:
    mend = Mend()
    async with stage(tmp_path / "server.db", SERVED, sleep=mend) as at:
        thread = await at.thread()
        live = await at.start("agent", {"topic": "x"}, thread)
        await refuse(at, "UPDATE")
        await mend.begun.wait()
        assert (await live.settled()).status == "error"
        assert live.values["__error__"]["error"] == "DatabaseError"
        assert (await at.runs.get(thread, live.run.run_id)).status == "running"
        following = await at.start("agent", {"topic": "y"}, thread)
        assert not following.is_settled
        await allow(at)
        mend.mended.set()
        await following.settled()
        statuses = [run.status for run in await at.runs.list(thread)]
        assert statuses == ["success", "success"]
        assert (await at.threads.get(thread)).status == "idle"


async def test_a_run_that_cannot_be_stored_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path / "server.db", SERVED) as at:
        thread = await at.thread()
        await refuse(at, "INSERT")
        with pytest.raises(OverloadedError, match="could not be stored"):
            await at.start("agent", {"topic": "x"}, thread)
        assert (await at.threads.get(thread)).status == "idle"
        assert at.dispatcher.stats().pending == 0
        await allow(at)
        assert (await at.end("agent", {"topic": "x"}, thread)).run.status == "success"


async def test_a_strategy_whose_run_cannot_be_stored_stops_nobody(tmp_path: Path) -> None:
    async with stage(tmp_path / "server.db", SERVED) as at:
        thread = await at.thread()
        delayed = await at.start("agent", {"topic": "x"}, thread, after_seconds=0.2)
        await refuse(at, "INSERT")
        with pytest.raises(OverloadedError):
            await at.start("agent", {"topic": "y"}, thread, multitask_strategy="rollback")
        await allow(at)
        assert (await delayed.settled()).status == "success"


async def test_what_is_told_of_an_end_is_written_and_synced_before(tmp_path: Path) -> None:
    async with stage(tmp_path / "server.db", SERVED) as at:
        thread = await at.thread()
        live = await at.end("agent", {"topic": "x"}, thread)
        row, shown = await at.runs.get(thread, live.run.run_id), await at.threads.get(thread)
        assert (row.status, shown.status, shown.values) == ("success", "idle", live.values)
