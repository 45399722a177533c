"""The bounds of worker threads: one for each depth of calls, and for each loop."""

from __future__ import annotations

import asyncio
import threading

from actors import entrypoint, task
from actors.commands import PULL, PUSH, Task
from actors.threads import MAX_THREADS, Threads, in_thread


@entrypoint()
def main(x: int) -> int:
    return x


@task
def inner(x: int) -> int:
    return x


def called_by(caller: Task) -> Task:
    task = Task(inner.node, (PUSH, caller.path, 0, True), (PUSH,))
    task.parent = caller
    return task


async def test_tasks_share_a_bound_with_tasks_of_their_own_depth_only() -> None:
    threads = Threads()
    planned, other = (Task(main.spec.nodes["main"], (PULL, "main"), ()) for _ in range(2))
    below = called_by(planned)
    bounds = [threads.for_task(each) for each in (planned, other, below, called_by(below))]
    assert bounds[0] is bounds[1]
    assert len({id(bound) for bound in bounds}) == 3
    assert [bound.total_tokens for bound in bounds] == [MAX_THREADS] * 4
    assert threads.at(1) is bounds[2]


async def test_sync_code_runs_in_a_thread_with_its_arguments() -> None:
    def where(x: int, *, y: int) -> tuple[str, int]:
        return threading.current_thread().name, x + y

    name, total = await in_thread(Threads().at(0), where, 1, y=2)
    assert (name != threading.current_thread().name, total) == (True, 3)


async def test_code_that_a_task_runs_and_waits_for_has_a_bound_of_its_own() -> None:
    threads = Threads()
    bounds = [threads.at(0), threads.at(0, "tool"), threads.at(0, "wrapper"), threads.at(1, "tool")]
    assert len(set(map(id, bounds))) == 4
    assert threads.at(0, "tool") is bounds[1]


async def test_what_runs_on_a_loop_of_its_own_has_a_bound_of_its_own() -> None:
    threads = Threads()

    async def bound() -> object:
        return threads.at(0)

    assert await bound() is await bound()
    assert await asyncio.to_thread(asyncio.run, bound()) is not threads.at(0)
