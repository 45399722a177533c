"""Whatever is done to runs, each ends once, in order, and none is lost."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_server.ended import PastRun
from agent_server.endings import Endings
from agent_server.errors import ConflictError, NotFoundError
from agent_server.finding import find_run
from agent_server.live import LiveRun
from agent_server.records import ENDED, Run
from streaming import RunFailed, RunFinished
from tests.agent_server.stage import Doors, Stage, crashed, stage
from tests.waiting import let_all_run

THREADS = 2

MOVES = st.one_of(
    st.tuples(
        st.just("accept"),
        st.integers(0, THREADS - 1),
        st.sampled_from(["enqueue", "enqueue", "reject", "interrupt", "rollback"]),
    ),
    st.tuples(st.just("cancel"), st.integers(0, 9), st.sampled_from(["interrupt", "rollback"])),
    st.tuples(
        st.just("cancels"),
        st.integers(0, 9),
        st.lists(st.sampled_from(["interrupt", "rollback", "all"]), min_size=2, max_size=4),
    ),
    st.tuples(
        st.just("delay"), st.integers(0, THREADS - 1), st.sampled_from(["enqueue", "reject"])
    ),
    st.tuples(st.just("delete"), st.integers(0, 9), st.just("")),
    st.tuples(st.just("alone"), st.just(0), st.just("")),
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
        self.delayed: list[tuple[str, str]] = []
        """Those that are not due as long as the story is told."""
        self.alone: list[LiveRun] = []
        """Runs without a thread, of the present process."""


async def play(at: Stage, doors: Doors, threads: Sequence[str], story: Story, moves: Any) -> None:
    for move, number, how in moves:
        if move == "accept":
            await accept(at, threads[number], how, story)
        elif move == "delay":
            await accept(at, threads[number], how, story, after_seconds=10_000)
        elif move == "alone":
            story.alone.append(await at.start("steps", {"log": []}))
        elif story.accepted and move in ("cancel", "cancels", "delete"):
            thread, run_id = story.accepted[number % len(story.accepted)]
            await MEDDLE[move](at, thread, run_id, how, story)
        elif move == "step":
            doors.let_on()
            await let_all_run()


async def accept(at: Stage, thread: str, how: str, story: Story, **more: Any) -> None:
    open_runs = [run for run in await at.runs.list(thread, limit=100) if not run.ended]
    name = f"run{len(story.accepted)}"
    try:
        live = await at.start("steps", {"log": [name]}, thread, multitask_strategy=how, **more)
    except ConflictError:
        assert how == "reject"
        return
    story.accepted.append((thread, live.run.run_id))
    if more:
        story.delayed.append((thread, live.run.run_id))
    if how == "rollback":
        story.undone.update(run.run_id for run in open_runs)


async def cancel(at: Stage, thread: str, run_id: str, how: Any, story: Story) -> None:
    try:
        await at.dispatcher.cancel(thread, [run_id], how, wait=False)
    except NotFoundError:
        return
    if how == "rollback":
        story.undone.add(run_id)


async def cancel_at_once(
    at: Stage, thread: str, run_id: str, hows: Sequence[Any], story: Story
) -> None:
    """Only one of them counts, whichever it is; `all` cancels what else is open, too."""
    open_runs = [run_id for _, run_id in story.accepted if at.dispatcher.live(run_id)]

    async def one(how: Any) -> None:
        with contextlib.suppress(NotFoundError):
            if how == "all":
                await at.dispatcher.cancel_all("all", "rollback")
            else:
                await at.dispatcher.cancel(thread, [run_id, run_id], how, wait=True)

    await asyncio.gather(*(one(how) for how in hows))
    if "all" in hows:
        story.undone.update(open_runs)
    if "rollback" in hows:
        story.undone.add(run_id)


async def delete(at: Stage, thread: str, run_id: str, how: str, story: Story) -> None:
    """Twice at once: it is gone for both."""
    known = await at.runs.find(thread, run_id) is not None
    tries = (at.dispatcher.delete(thread, run_id) for _ in range(2))
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert all(result is None or isinstance(result, NotFoundError) for result in results)
    assert not known or None in results
    assert await at.runs.find(thread, run_id) is None
    story.undone.add(run_id)


MEDDLE: dict[str, Any] = {"cancel": cancel, "cancels": cancel_at_once, "delete": delete}


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
        assert all(live.is_settled for live in story.alone), "nobody waits for ever"
        story.alone.clear()
    doors.open()
    async with stage(path, {"steps": doors.graph}) as at:
        for thread, run_id in story.delayed:
            with contextlib.suppress(NotFoundError):
                await at.dispatcher.cancel(thread, [run_id], "interrupt", wait=True)
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
    for run in runs:
        await check_end(at, run)
    assert (await at.end("steps", {"log": ["more"]}, thread)).run.status == "success"


async def check_end(at: Stage, run: Run) -> None:
    """Its row, its log and its answer say the same of a run."""
    answer = orjson.loads(await Endings(at.tables, at.graphs, at.threads).of(run))
    assert ("__error__" in answer) == (run.status in ("error", "timeout"))
    past = await find_run(at, run.thread_id, run.run_id)  # type: ignore[arg-type]
    assert isinstance(past, PastRun), "an ended run is left to the database"
    if past.log is None:
        assert run.status == "interrupted", "it never began"
        return
    async with past.log.read() as reader:
        events = list(await reader.batch())
    assert [event.id for event in events] == list(range(1, past.log.last + 1))
    ends = [event for event in events if isinstance(event, RunFinished | RunFailed)]
    if run.status == "success":
        assert events[-1] is ends[-1]
        assert isinstance(events[-1], RunFinished)
        assert events[-1].status == "success"
        assert answer["log"][-2:] == ["step1", "step2"]


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(st.lists(MOVES, min_size=3, max_size=14))
def test_any_moves_end_each_run_once_in_its_turn(moves: list[Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(tell(moves, Path(folder) / "server.db"))
