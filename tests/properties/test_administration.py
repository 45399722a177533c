"""Random histories of runs, forks and subgraphs, then random pruning, deleting and copying: what is
kept loads to what it was when it was written, and goes on."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from checkpoint import CheckpointRecord, EncryptedSerializer, MemorySaver, SqliteSaver
from checkpoint.story import LONG, Story
from checkpoint.tales import AdministeredSaver, Picture, branch, child_step, picture_of

RUNS = ("one", "two", "three")
SPACES = ("", "node:1", "node:2", "memory", "node:1|inner:3")

places = st.integers(0, 40)
moves = st.one_of(
    st.tuples(st.just("step"), st.sampled_from(RUNS), st.integers(1, 3)),
    st.tuples(st.just("branch"), places),
    st.tuples(st.just("child"), places, st.sampled_from(SPACES[1:])),
    st.tuples(st.just("write"), st.integers(0, 3)),
)
changes = st.one_of(
    st.tuples(st.just("prune"), st.integers(1, 5), st.none() | st.integers(1, 20)),
    st.tuples(st.just("runs"), st.lists(st.sampled_from(RUNS), max_size=2)),
    st.tuples(st.just("copy")),
)
histories = st.lists(moves, min_size=1, max_size=25)
plans = st.lists(st.tuples(changes, st.lists(moves, max_size=5)), min_size=1, max_size=4)

SAVERS: dict[str, Callable[[], Any]] = {
    "memory": MemorySaver,
    "sqlite": lambda: SqliteSaver(":memory:"),
    "encrypted": lambda: SqliteSaver(":memory:", serializer=EncryptedSerializer(os.urandom(32))),
}


class Threads:
    """A thread that is written to and changed at random, and its copies."""

    def __init__(self, saver: AdministeredSaver) -> None:
        self.saver = saver
        self.thread = "thread"
        self.copies = 0
        self.values = 0

    async def records(self, ns: str = "") -> list[CheckpointRecord]:
        """Oldest first."""
        page = await self.saver.history(self.thread, ns, limit=1000)
        return [loaded.record for loaded in reversed(page)]

    async def picture(self, thread: str | None = None) -> Picture:
        return await picture_of(self.saver, thread or self.thread, *SPACES)

    async def move(self, move: tuple[Any, ...]) -> None:
        await getattr(self, f"_{move[0]}")(*move[1:])

    def _fresh(self) -> dict[str, Any]:
        self.values += 1
        items = [f"{n} {LONG}" for n in range(self.values)]
        return {"n": self.values, "large": f"{self.values // 3} {LONG}", "items": items}

    async def _step(self, run: str, count: int) -> None:
        story = await Story.begin(self.saver, self.thread)
        for _ in range(count):
            await story.step(self._fresh(), run_id=run, extra={"run": run})
        story.end()

    async def _branch(self, at: int) -> None:
        if records := await self.records():
            await branch(self.saver, records[at % len(records)], self._fresh())

    async def _child(self, at: int, ns: str) -> None:
        if records := await self.records(ns.rpartition("|")[0]):
            await child_step(self.saver, ns, records[at % len(records)], self._fresh())

    async def _write(self, task: int) -> None:
        story = await Story.begin(self.saver, self.thread)
        if story.head is not None:
            await story.write(f"task {task}", [("large", LONG), ("items", [LONG, str(task)])])
        story.end()

    async def change(self, change: tuple[Any, ...]) -> None:
        before = await self.picture()
        await getattr(self, f"_{change[0]}")(*change[1:])
        after = await self.picture()
        assert after.items() <= before.items()
        for ns in SPACES:
            kept = {record.id for record in await self.records(ns)}
            assert {record.parent_id for record in await self.records(ns)} <= {None, *kept}
        assert (await self.saver.averify()).damage == ()

    async def _prune(self, last: int, seconds: int | None) -> None:
        records = await self.records()
        parents = [record.parent_id for record in records]
        await self.saver.aprune([self.thread], keep_last=last, older_than=seconds)
        kept = {record.id for record in await self.records()}
        assert {record.id for record in records[-last:]} <= kept
        assert {record.id for record in records if record.id not in parents} <= kept
        assert {record.id for record in records if parents.count(record.id) > 1} <= kept
        again = await self.saver.aprune([self.thread], keep_last=last, older_than=seconds)
        assert again.checkpoints == 0

    async def _runs(self, run_ids: list[str]) -> None:
        records = await self.records()
        await self.saver.adelete_for_runs(run_ids)
        kept = {record.id for record in await self.records()}
        others = {each.id for each in records if each.metadata.run_id not in run_ids}
        assert others <= kept

    async def _copy(self) -> None:
        if not await self.picture():
            return
        source, self.copies = self.thread, self.copies + 1
        copy = f"copy {self.copies}"
        await self.saver.acopy_thread(source, copy)
        assert await self.picture(copy) == await self.picture(source)
        self.thread = copy  # what happens next happens to the copy, beside its source


async def tell(saver: AdministeredSaver, history: list[Any], plan: list[Any]) -> None:
    threads = Threads(saver)
    for move in history:
        await threads.move(move)
    for change, more in plan:
        await threads.change(change)
        for move in more:
            await threads.move(move)
    assert (await saver.averify()).damage == ()


@pytest.mark.parametrize("kind", SAVERS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(history=histories, plan=plans)
@example(  # what a subgraph keeps across calls, and the checkpoints it belonged to are gone
    history=[("step", "one", 1), ("branch", 0), ("child", 0, "memory")],
    plan=[
        (("prune", 1, None), [("step", "one", 1), ("child", 0, "memory")]),
        (("prune", 1, None), []),
    ],
)
@example(  # another call stands between two checkpoints of one
    history=[
        ("step", "one", 2),
        ("child", 0, "memory"),
        ("branch", 0),
        ("branch", 1),
        ("child", 1, "memory"),
        ("child", 0, "memory"),
    ],
    plan=[(("prune", 1, None), [])],
)
def test_what_is_kept_loads_to_what_it_was(kind: str, history: list[Any], plan: list[Any]) -> None:
    async def run() -> None:
        async with AsyncExitStack() as opened:
            saver = SAVERS[kind]()
            if isinstance(saver, SqliteSaver):
                await opened.enter_async_context(saver)
            await tell(saver, history, plan)

    asyncio.run(run())
