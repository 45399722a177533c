"""Threads and processes: who may write, and what is left when a process dies."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from checkpoint import SqliteSaver, StaleClaimError, ThreadBusyError
from checkpoint.story import Story, values_of
from checkpoint.testing_faults import FaultPlan
from tests.waiting import let_all_run

ROOT = Path(__file__).parents[2]

WORKER = """
    import asyncio, sys
    from checkpoint import SqliteSaver
    from checkpoint.story import Story

    async def main(path, thread, rounds):
        async with SqliteSaver(path) as saver:
            print("open", flush=True)
            for _ in range(rounds):
                claim = await saver.claim(thread, "the other one", timeout=30)
                story = Story(saver, claim, "", await saver.load(thread))
                values = story.head.entries if story.head else {}
                n = story.head.version if story.head else 0
                await story.step({"n": n + 1, "list": ["x" * 200] * (n + 1)})
                print(n + 1, flush=True)
                if rounds > 1:
                    story.end()
            sys.stdin.readline()

    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


class Worker:
    """Another process that steps a thread forward; it keeps the claim when it does one round."""

    def __init__(self, path: Path, thread: str, rounds: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(WORKER), str(path), thread, str(rounds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def end(self) -> int:
        self.process.communicate("\n", timeout=60)
        return self.process.returncode

    def kill(self) -> list[str]:
        """Kill it at once; gives the lines it had written."""
        self.process.send_signal(signal.SIGKILL)
        assert self.process.stdout is not None
        with self.process:  # not `communicate`: that reads past what `readline` has in its buffer
            return self.process.stdout.read().split()


async def test_a_thread_held_by_another_process_is_refused_and_its_owner_named(
    path: Path, saver: SqliteSaver
) -> None:
    worker = Worker(path, "thread", 1)
    assert (worker.line(), worker.line()) == ("open", "1")
    for timeout in (0, 0.02):
        with pytest.raises(ThreadBusyError, match="the other one") as caught:
            await saver.claim("thread", "here", timeout=timeout)
        assert f"process {worker.process.pid} on " in caught.value.owner
    assert await values_of(saver) == {"n": 1, "list": ["x" * 200]}
    saver.release(await saver.claim("another", "here", timeout=0))
    assert worker.end() == 0


async def test_a_dead_owner_frees_the_thread_at_once(path: Path, saver: SqliteSaver) -> None:
    worker = Worker(path, "thread", 1)
    assert (worker.line(), worker.line()) == ("open", "1")
    waiting = asyncio.create_task(saver.claim("thread", "here", timeout=30))
    worker.kill()
    claim = await waiting
    story = Story(saver, claim, "", await saver.load("thread"))
    await story.step({"n": 2})
    assert await values_of(saver) == {"n": 2, "list": ["x" * 200]}


async def test_two_processes_never_interleave_on_a_thread(path: Path, saver: SqliteSaver) -> None:
    rounds = 40
    worker = Worker(path, "thread", rounds)
    assert worker.line() == "open"
    for _ in range(rounds):
        claim = await saver.claim("thread", "here", timeout=30)
        story = Story(saver, claim, "", await saver.load("thread"))
        n = story.head.version if story.head else 0
        await story.step({"n": n + 1, "list": ["x" * 200] * (n + 1)})
        story.end()
    lines = [worker.line() for _ in range(rounds)]
    assert worker.end() == 0
    assert await values_of(saver) == {"n": 2 * rounds, "list": ["x" * 200] * 2 * rounds}
    assert len(set(lines)) == rounds


async def test_an_owner_that_was_taken_over_cannot_write(path: Path, saver: SqliteSaver) -> None:
    story = await Story.begin(saver)
    await story.step({"a": 1})
    # What the system does when a process that was stopped lost its locks: they are free for others.
    descriptor = os.open(path.with_name("threads.db-claims"), os.O_RDWR)
    os.close(descriptor)
    worker = Worker(path, "thread", 1)
    assert (worker.line(), worker.line()) == ("open", "2")
    newest = await saver.load("thread")
    assert newest is not None
    story.head = newest.record  # so that nothing but the epoch is in its way
    with pytest.raises(StaleClaimError, match="load it again"):
        await story.step({"a": 3})
    assert worker.end() == 0
    story.end()
    again = await Story.begin(saver)
    assert again.claim.epoch >> 32 > story.claim.epoch >> 32
    await again.step({"a": 4})


async def test_a_thread_that_stays_in_a_process_is_claimed_without_a_transaction(
    saver: SqliteSaver,
) -> None:
    first = await saver.claim("thread", "one", timeout=0)
    saver.release(first)
    coroutine = saver.claim("thread", "two", timeout=0)
    with pytest.raises(StopIteration) as ended:
        coroutine.send(None)  # it ends without waiting for anything
    second = ended.value.value
    assert second.epoch >> 32 == first.epoch >> 32
    assert second.epoch > first.epoch


async def test_a_claim_cancelled_on_its_way_to_the_database_leaves_the_thread_free(
    path: Path, saver: SqliteSaver
) -> None:
    for n in range(20):
        task = asyncio.create_task(saver.claim(f"thread {n}", "cancelled", timeout=None))
        for _ in range(n % 3):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    for n in range(20):
        worker_like = await saver.claim(f"thread {n}", "here", timeout=0)
        saver.release(worker_like)
    worker = Worker(path, "thread 7", 1)
    assert (worker.line(), worker.line()) == ("open", "1")
    assert worker.end() == 0


async def test_a_claim_given_up_while_others_write_is_no_claim_of_this_process(path: Path) -> None:
    plan = FaultPlan()
    hold = plan.hold("checkpoint applied")
    async with SqliteSaver(path, faults=plan) as saver:
        other = await Story.begin(saver, "other")
        step = asyncio.create_task(other.step({"n": 1}))
        assert await asyncio.to_thread(hold.wait)
        claiming = asyncio.create_task(saver.claim("thread", "given up", timeout=None))
        await let_all_run()
        claiming.cancel()
        await asyncio.wait([claiming])
        hold.let_go()
        await step
        await other.step({"n": 2})  # what was queued before it is over
        worker = Worker(path, "thread", 1)
        assert (worker.line(), worker.line()) == ("open", "1")
        assert worker.end() == 0


async def test_who_claims_a_thread_waits_for_what_the_one_before_is_still_committing(
    path: Path,
) -> None:
    plan = FaultPlan()
    hold = plan.hold("checkpoint applied", nth=2)
    async with SqliteSaver(path, faults=plan) as saver:
        story = await Story.begin(saver)
        await story.step({"n": 1})
        step = asyncio.create_task(story.step({"n": 2}))
        assert await asyncio.to_thread(hold.wait)
        story.end()
        claiming = asyncio.create_task(saver.claim("thread", "the next one", timeout=None))
        await let_all_run()
        early = claiming.done()
        hold.let_go()
        await asyncio.gather(step, claiming)
        assert not early
        assert await values_of(saver) == {"n": 2}


@pytest.mark.parametrize("seed", range(4))
def test_nothing_that_was_acknowledged_is_lost_when_a_process_is_killed(
    path: Path, seed: int
) -> None:
    worker = Worker(path, "thread", 100_000)
    assert worker.line() == "open"
    lines = [worker.line() for _ in range(random.Random(seed).randrange(3, 120))]
    lines += worker.kill()
    acknowledged = int(lines[-1])

    async def check() -> None:
        async with SqliteSaver(path) as saver:
            loaded = await saver.load("thread")
            assert loaded is not None
            n = loaded.record.version
            assert n in {acknowledged, acknowledged + 1}
            assert await values_of(saver) == {"n": n, "list": ["x" * 200] * n}
            history = await saver.history("thread", limit=1000)
            assert [h.record.version for h in history] == list(range(n, 0, -1))
            story = await Story.begin(saver)
            await story.step({"n": 0})

    asyncio.run(check())
