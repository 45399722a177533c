"""How long the events of ended runs can be read again."""

from __future__ import annotations

from pathlib import Path

from agent_server.left_rows import find_answer
from agent_server.records import Run
from tests.agent_server.database import Clock
from tests.agent_server.harness import graphs
from tests.agent_server.stage import Doors, Stage, stage


async def left(at: Stage, runs: list[Run]) -> list[bool]:
    """Which of the runs still have events."""
    return [await at.saver.events.last(run.run_id) > 0 for run in runs]


async def test_events_are_forgotten_when_their_time_is_over(tmp_path: Path) -> None:
    clock = Clock()
    async with stage(tmp_path / "db", {"agent": graphs.agent}, clock=clock, retention=100) as at:
        thread = await at.thread()
        early = (await at.end("agent", {"topic": "x"}, thread)).run
        clock.now += 60
        late = (await at.end("agent", {"topic": "x"}, thread)).run
        await at.dispatcher.sweep()
        assert await left(at, [early, late]) == [True, True]
        clock.now += 60
        await at.dispatcher.sweep()
        assert await left(at, [early, late]) == [False, True]
        assert (await at.runs.get(thread, early.run_id)).status == "success"
        assert await at.tables.read(lambda db: find_answer(db, early.run_id)) is None
        assert await at.tables.read(lambda db: find_answer(db, late.run_id)) is not None


async def test_damaged_runs_keep_no_others_from_being_forgotten(tmp_path: Path) -> None:
    async with stage(tmp_path / "db", {"agent": graphs.agent}, retention=0) as at:
        thread = await at.thread()
        runs = [(await at.end("agent", {"topic": "x"}, thread)).run for _ in range(60)]
        oldest = [(run.run_id,) for run in runs[:55]]
        damage = "UPDATE server_run SET kwargs = '{}' WHERE id = ?"
        await at.tables.write(lambda db: db.executemany(damage, oldest) and None)
        await at.dispatcher.sweep()
        assert await left(at, runs) == [True] * 55 + [False] * 5


async def test_the_oldest_events_go_first_when_all_are_too_many(tmp_path: Path) -> None:
    async with stage(tmp_path / "db", {"agent": graphs.agent}) as at:
        thread = await at.thread()
        lives = [await at.end("agent", {"topic": "x"}, thread) for _ in range(3)]
        runs = [live.run for live in lives]
        size = await at.saver.events.size(runs[-1].run_id) + len(lives[-1].answer)
    async with stage(tmp_path / "db", {"agent": graphs.agent}, retention_bytes=2 * size + 9) as at:
        await at.dispatcher.sweep()
        assert await left(at, runs) == [False, True, True]


async def test_events_of_open_runs_stay(tmp_path: Path) -> None:
    doors = Doors()
    async with stage(tmp_path / "db", {"steps": doors.graph}, retention=0, drain=0.5) as at:
        live = await at.start("steps", {"log": []}, await at.thread())
        await doors.arrival()
        doors.let_on()
        await doors.arrival()
        await at.dispatcher.sweep()
        assert await left(at, [live.run]) == [True]
        doors.open()
        await live.settled()
        await at.dispatcher.sweep()
        assert await left(at, [live.run]) == [False]


async def test_many_runs_are_forgotten_in_one_sweep(tmp_path: Path) -> None:
    async with stage(tmp_path / "db", {"agent": graphs.agent}, retention=0) as at:
        thread = await at.thread()
        runs = [(await at.end("agent", {"topic": "x"}, thread)).run for _ in range(60)]
        await at.dispatcher.sweep()
        assert not any(await left(at, runs))
