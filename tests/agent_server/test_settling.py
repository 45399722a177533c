"""How a run's end gets into the database, also when that cannot be written for a while."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any, TypedDict

import pytest

from actors import START, StateGraph
from agent_server.errors import OverloadedError
from checkpoint import DatabaseError, register_type
from tests.agent_server.harness import graphs
from tests.agent_server.stage import Doors, Stage, said, stage

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
        assert said(live)["__error__"]["error"] == "DatabaseError"
        assert (await at.runs.get(thread, live.run.run_id)).status == "running"
        following = await at.start("agent", {"topic": "y"}, thread)
        assert not following.is_settled
        await allow(at)
        mend.mended.set()
        await following.settled()
        statuses = [run.status for run in await at.runs.list(thread)]
        assert statuses == ["success", "success"]
        assert (await at.threads.get(thread)).status == "idle"


async def test_a_thread_does_not_stay_busy_with_a_run_whose_cancel_could_not_be_written(
    tmp_path: Path,
) -> None:
    """The one that was at work beside it has ended when it can be."""
    mend, doors = Mend(), Doors()
    served = {"steps": doors.graph}
    async with stage(tmp_path / "server.db", served, sleep=mend) as at:
        thread = await at.thread()
        first = await at.start("steps", {"log": ["first"]}, thread)
        waiting = await at.start("steps", {"log": ["never"]}, thread)
        await doors.arrival()
        await refuse(at, "UPDATE")
        with pytest.raises(DatabaseError):
            await at.dispatcher.cancel(thread, [waiting.run.run_id], "interrupt", wait=False)
        await mend.begun.wait()
        await allow(at)
        doors.open()
        await first.settled()
        assert (await at.threads.get(thread)).status == "busy"
        mend.mended.set()
        async with at.dispatcher.alone(thread):
            shown = await at.threads.get(thread)
        assert (shown.status, shown.values["log"][:2]) == ("idle", ["first", "step1"])


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
    points: list[str] = []
    async with stage(tmp_path / "server.db", SERVED, faults=points.append) as at:
        thread = await at.thread()
        live = await at.end("agent", {"topic": "x"}, thread)
        assert "synced" in points[_last(points, "tables committed") :]
        row, shown = await at.runs.get(thread, live.run.run_id), await at.threads.get(thread)
        assert (row.status, shown.status, shown.values) == ("success", "idle", said(live))


def _last(points: list[str], point: str) -> int:
    """Where a point was passed last."""
    return len(points) - 1 - points[::-1].index(point)


# --- values that cannot be shown ----------------------------------------------------------------


class Broken:
    """A value that can be stored, and not shown."""

    def __str__(self) -> str:
        raise ValueError("no text")


register_type(
    Broken, name="tests.Broken", encode=lambda value: None, decode=lambda stored: Broken()
)


class Outward(TypedDict, total=False):
    seen: str


class Inward(Outward, total=False):
    hidden: Any


def broken(where: str, output: type | None = None) -> Any:
    """A graph that leaves such a value in this key."""

    def node(state: Inward) -> dict[str, Any]:
        return {"seen": "fine"} | {where: Broken()}

    builder = StateGraph(Inward, output_schema=output or Inward).add_node(node)
    return builder.add_edge(START, "node").compile()


@pytest.mark.parametrize("on_thread", [True, False])
async def test_final_values_that_cannot_be_shown_are_the_runs_error(
    tmp_path: Path, on_thread: bool
) -> None:
    async with stage(tmp_path / "db", {"broken": broken("seen"), **SERVED}) as at:
        thread = await at.thread() if on_thread else None
        live = await at.end("broken", {}, thread)
        assert live.run.status == "error"
        assert said(live)["__error__"]["error"] == "UnshowableError"
        assert "Broken cannot be shown as JSON" in said(live)["__error__"]["message"]
        if thread is not None:
            shown = await at.threads.get(thread)
            assert (shown.status, shown.error) == ("error", said(live)["__error__"])
            assert (await at.end("agent", {"topic": "x"}, thread)).run.status == "success"


async def test_a_state_that_cannot_be_shown_is_the_runs_error_though_its_answer_can(
    tmp_path: Path,
) -> None:
    async with stage(tmp_path / "db", {"broken": broken("hidden", Outward)}) as at:
        live = await at.end("broken", {}, await at.thread())
        assert live.run.status == "error"
        assert said(live)["__error__"] == live.run.error
        alone = await at.end("broken", {})
        assert (alone.run.status, said(alone)) == ("success", {"seen": "fine"})


async def test_an_end_that_no_row_can_hold_is_a_failure_and_its_thread_goes_on(
    tmp_path: Path,
) -> None:
    """SQLite takes a gigabyte, and here less."""

    async def never(seconds: float) -> None:
        raise AssertionError("to try again does not help")

    async with stage(tmp_path / "server.db", SERVED, sleep=never) as at:
        thread = await at.thread()
        kind = sqlite3.SQLITE_LIMIT_LENGTH
        most = await at.tables.write(lambda db: db.setlimit(kind, 500_000))
        live = await at.end("agent", {"topic": "x" * 300_000}, thread)
        row = await at.runs.get(thread, live.run.run_id)
        assert (live.run.status, row.status) == ("error", "error")
        assert said(live)["__error__"]["error"] == "RowTooLargeError"
        await at.tables.write(lambda db: db.setlimit(kind, most))
        assert (await at.end("agent", {"topic": "y"}, thread)).run.status == "success"
