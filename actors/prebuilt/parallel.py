"""Several pieces of async work at once, or in a row, of which some may ask a question."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from actors.errors import GraphBubbleUp
from actors.patience import seen
from actors.supervisor import Supervisor

T = TypeVar("T")


async def results_of(
    jobs: Sequence[Callable[[], Coroutine[Any, Any, T]]], *, one_by_one: bool
) -> list[T]:
    """The results, in the order of the jobs.

    An error ends the others at once.  A question (or what else goes up through the node) waits
    for them, and the first one, in the order of the jobs, is raised.  One by one, it is raised
    before the next one begins: so questions are asked in the same order whenever they are asked.
    """
    if one_by_one or len(jobs) < 2:
        return [await job() for job in jobs]
    raised: dict[int, GraphBubbleUp] = {}
    results: dict[int, T] = {}

    async def run(place: int, job: Callable[[], Coroutine[Any, Any, T]]) -> None:
        try:
            results[place] = await job()
        except GraphBubbleUp as asked:
            raised[place] = asked

    async with Supervisor("tools") as supervisor:
        tasks = [
            supervisor.spawn(run(place, job), name="tool", on_done=seen)
            for place, job in enumerate(jobs)
        ]
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in sorted(done, key=tasks.index):
            task.result()
    if raised:
        raise raised[min(raised)]
    return [results[place] for place in range(len(jobs))]
