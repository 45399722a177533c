"""Whatever is done to runs, each ends once, in order, and none is lost."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_server.errors import ConflictError, NotFoundError
from agent_server.records import ENDED, Run
from tests.agent_server.stage import Doors, Stage, crashed, stage

THREADS = 2

MOVES = st.one_of(
    st.tuples(
        st.just("accept"),
        st.integers(0, THREADS - 1),
        st.sampled_from(["enqueue", "enqueue", "reject", "interrupt", "rollback"]),
    ),
    st.tuples(st.just("cancel"), st.integers(0, 9), st.sampled_from(["interrupt", "rollback"])),
    st.tuples(st.just("step"), st.just(0), st.just("")),
    st.tuples(st.sampled_from(["restart", "crash"]), st.just(0), st.just("")),
)


class Story:
    """What was done, to compare with what became of it."""

    def __init__(self) -> None:
        self.accepted: list[tuple[str, str]] = []
        """(thread, run)"""
        self.undone: set[str] = set()
        """Runs that were told to be rolled back."""
        self.ended: set[str] = set()
        """Runs that were seen ended."""


async def play(at: Stage, doors: Doors, threads: Sequence[str], story: Story, moves: Any) -> None:
    for move, number, how in moves:
        if move == "accept":
            await accept(at, threads[number], how, story)
        elif move == "cancel" and story.accepted:
            await cancel(at, *story.accepted[number % len(story.accepted)], how, story)
        elif move == "step":
            doors.let_on()
            for _ in range(20):
                await asyncio.sleep(0)


async def accept(at: Stage, thread: str, how: str, story: Story) -> None:
    open_runs = [run for run in await at.runs.list(thread, limit=100) if not run.ended]
    name = f"run{len(story.accepted)}"
    try:
        live = await at.start("steps", {"log": [name]}, thread, multitask_strategy=how)
    except ConflictError:
        assert how == "reject"
        return
    story.accepted.append((thread, live.run.run_id))
    if how == "rollback":
        story.undone.update(run.run_id for run in open_runs)


async def cancel(at: Stage, thread: str, run_id: str, how: Any, story: Story) -> None:
    try:
        await at.dispatcher.cancel(thread, [run_id], how, wait=False)
    except NotFoundError:
        return
    if how == "rollback":
        story.undone.add(run_id)


async def look(at: Stage, threads: Sequence[str], story: Story) -> None:
    """What was seen ended stays so."""
    for thread in threads:
        for run in await at.runs.list(thread, limit=100):
            if run.run_id in story.ended:
                assert run.ended
            elif run.ended:
                story.ended.add(run.run_id)


async def all_of(at: Stage, thread: str) -> list[Run]:
    """A thread's runs, the oldest first, when all have ended."""
    for run in await at.runs.list(thread, limit=100):
        live = at.dispatcher.live(run.run_id)
        if live is not None:
            await live.settled()
    return list(reversed(await at.runs.list(thread, limit=100)))


async def tell(moves: Sequence[Any], path: Path) -> None:
    doors, story, threads = Doors(2), Story(), list[str]()
    parts: list[list[Any]] = [[]]
    for move in moves:
        parts[-1].append(move)
        if move[0] in ("restart", "crash"):
            parts.append([])
    for number, part in enumerate(parts):
        async with stage(path, {"steps": doors.graph}, drain=0, max_attempts=99) as at:
            if number == 0:
                threads = [await at.thread() for _ in range(THREADS)]
            await play(at, doors, threads, story, part)
            await look(at, threads, story)
            if part and part[-1][0] == "crash":
                path = await crashed(at, path)
    doors.open()
    async with stage(path, {"steps": doors.graph}) as at:
        await look(at, threads, story)
        for thread in threads:
            await check(at, thread, story)


async def check(at: Stage, thread: str, story: Story) -> None:
    runs = await all_of(at, thread)
    accepted = [run_id for of, run_id in story.accepted if of == thread]
    kept = [run.run_id for run in runs]
    assert kept == [run_id for run_id in accepted if run_id in kept], "in their order"
    assert set(accepted) - set(kept) <= story.undone, "none is lost"
    assert all(run.status in ENDED for run in runs)
    left = await at.threads.get(thread)
    assert left.status != "busy"
    numbers = {run_id: f"run{n}" for n, (_, run_id) in enumerate(story.accepted)}
    log: list[str] = (left.values or {}).get("log", [])
    begun = [entry for entry in log if entry.startswith("run")]
    assert len(begun) == len(set(begun)), "none took its input twice"
    successes = [numbers[run.run_id] for run in runs if run.status == "success"]
    assert [entry for entry in begun if entry in successes] == successes, "each in its turn"
    for entry in successes:
        at_ = log.index(entry)
        assert log[at_ + 1 : at_ + 3] == ["step1", "step2"], "each step once"


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(MOVES, min_size=3, max_size=14))
def test_any_moves_end_each_run_once_in_its_turn(moves: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(tell(moves, Path(folder) / "server.db"))
