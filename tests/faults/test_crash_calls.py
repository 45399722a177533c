"""SIGKILL between the tasks of an entrypoint: those that have finished do not run again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors import EmptyInputError
from checkpoint import SqliteSaver
from tests.faults.flows import RESULT, TASKS, TOPIC, WORKERS, flow_of
from tests.faults.forks import KILLED, ForkServer
from tests.faults.work import Effects

CONFIG: Any = {"configurable": {"thread_id": "thread"}}


@pytest.fixture
def job(tmp_path: Path) -> dict[str, Any]:
    return {
        "path": tmp_path / "calls.db",
        "effects": tmp_path / "effects",
        "thread": "thread",
        "durability": "async",
    }


@pytest.fixture
def later(job: dict[str, Any]) -> Iterator[Effects]:
    """The effects of what the test's own process runs, as attempt 2."""
    effects = Effects(job["effects"], 2)
    yield effects
    effects.close()


def finished(lines: list[Any]) -> set[str]:
    """The tasks whose results the child had told: each names itself in its result."""
    told = [value for line in lines if isinstance(line, dict) for value in line.values()]
    keys = {value.removesuffix(f" on {TOPIC}") for value in told if isinstance(value, str)}
    return keys | ({"deep"} if RESULT["deep"] in told else set())


async def go_on(path: Path, effects: Effects) -> Any:
    async with SqliteSaver(str(path)) as saver:
        flow = flow_of(effects, saver)
        try:
            return await flow.ainvoke(None, CONFIG)
        except EmptyInputError:  # killed before the input was stored
            return await flow.ainvoke(TOPIC, CONFIG)


def check(job: dict[str, Any], lines: list[Any]) -> None:
    """Nothing that was told runs again, everything runs, nothing a third time."""
    counts = Effects.read(job["effects"])
    before, after = counts.get(1, {}), counts.get(2, {})
    told = finished(lines)
    assert all(before[key] == 1 and key not in after for key in told), (told, counts)
    assert set(before) | set(after) == set(TASKS)
    assert max([*before.values(), *after.values()]) == 1


@pytest.mark.parametrize("durability", ["async", "sync"])
@pytest.mark.parametrize("told", range(1, len(TASKS) + 2))
def test_a_process_killed_between_two_tasks_leaves_the_finished_ones_finished(
    server: ForkServer, job: dict[str, Any], later: Effects, told: int, durability: str
) -> None:
    job["durability"] = durability
    child = server.start("calls", attempt=1, die_at=told, **job)
    assert child.end() == KILLED
    assert len(child.lines) == told
    assert asyncio.run(go_on(job["path"], later)) == RESULT
    if told > len(TASKS):  # it had finished: nothing runs again
        assert 2 not in Effects.read(job["effects"])
    check(job, child.lines)


@pytest.mark.parametrize("seed", range(10))
def test_a_process_killed_at_any_time_leaves_the_finished_ones_finished(
    server: ForkServer, job: dict[str, Any], later: Effects, seed: int
) -> None:
    dice = random.Random(seed)
    child = server.start("calls", attempt=1, **job)
    child.listen(lines=dice.randrange(len(TASKS)))
    child.listen(seconds=dice.uniform(0, 0.003))
    child.kill()
    assert asyncio.run(go_on(job["path"], later)) == RESULT
    check(job, child.lines)


def test_tasks_of_a_killed_fan_out_that_had_finished_do_not_run_again(
    server: ForkServer, job: dict[str, Any], later: Effects
) -> None:
    child = server.start("calls", attempt=1, die_at=1, **job)
    child.end()
    asyncio.run(go_on(job["path"], later))
    again = {f"work {i}" for i in range(WORKERS)} & set(Effects.read(job["effects"])[2])
    assert len(again) < WORKERS
