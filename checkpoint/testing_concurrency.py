"""Suites that every saver passes, about callers that come at the same time.

Used as those of `testing.py`; they start tasks and threads of their own, as users do.
"""
# ruff: noqa: D102, S101, TID251 - a test's name says what it asserts; it acts as users do

from __future__ import annotations

import asyncio
from dataclasses import replace

from .errors import StaleClaimError, ThreadBusyError
from .record import Batch, Claim
from .story import LONG, SaverWithEvents, Story, refused, values_of


class ConcurrencySuite:
    """Commits that wait together, in one event loop or several."""

    async def test_one_bad_batch_leaves_the_others_of_its_group_alone(
        self, saver: SaverWithEvents
    ) -> None:
        stories = [await Story.begin(saver, f"thread {n}") for n in range(12)]
        batches = [story.batch({"n": n, "b": LONG}) for n, story in enumerate(stories)]
        for n in range(0, 12, 3):
            batches[n] = replace(batches[n], epoch=batches[n].epoch + 1)
        results = await asyncio.gather(
            *(saver.commit(batch) for batch in batches), return_exceptions=True
        )
        assert [isinstance(r, StaleClaimError) for r in results] == [n % 3 == 0 for n in range(12)]
        for n in range(12):
            expected = None if n % 3 == 0 else {"n": n, "b": LONG}
            assert await values_of(saver, f"thread {n}") == expected

    async def test_commits_of_a_thread_happen_in_the_order_asked_for(
        self, saver: SaverWithEvents
    ) -> None:
        story = await Story.begin(saver)
        batches: list[Batch] = []
        for n in range(20):
            batches.append(story.batch({"n": n}))
            story.head = batches[-1].checkpoints[0]
        await asyncio.gather(*(saver.commit(batch) for batch in batches))
        steps = [h.record.metadata.step for h in await saver.history("thread")]
        assert steps == list(range(18, -2, -1))

    async def test_a_cancelled_commit_happened_wholly_or_not_at_all(
        self, saver: SaverWithEvents
    ) -> None:
        stories = [await Story.begin(saver, f"thread {n}") for n in range(20)]
        batches = [story.batch({"n": n, "b": LONG}) for n, story in enumerate(stories)]
        tasks = [asyncio.create_task(saver.commit(batch)) for batch in batches]
        await asyncio.sleep(0)  # each commit is now waiting, or done
        for task in tasks[::2]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert results[1::2] == [None] * 10
        await saver.commit(Batch(stories[0].claim.thread_id, stories[0].claim.epoch))
        for n in range(20):
            found = await values_of(saver, f"thread {n}")
            assert found == {"n": n, "b": LONG} or (found is None and n % 2 == 0)

    async def test_synced_returns_at_once_and_for_everybody(self, saver: SaverWithEvents) -> None:
        await saver.synced()
        stories = [await Story.begin(saver, f"thread {n}") for n in range(10)]

        async def step(story: Story) -> None:
            await story.step({"a": LONG})
            await saver.synced()

        await asyncio.gather(*(step(story) for story in stories))
        await saver.synced()

    async def test_other_event_loops_use_it_at_the_same_time(self, saver: SaverWithEvents) -> None:
        async def work(name: str) -> None:
            story = await Story.begin(saver, name)
            for n in range(20):
                await story.step({"n": n, "list": [LONG] * n})
            await saver.synced()
            story.end()

        def own_loop(name: str) -> None:
            asyncio.run(work(name))

        await asyncio.gather(*(asyncio.to_thread(own_loop, f"loop {n}") for n in range(4)))
        await work("here")
        for name in ("here", "loop 0", "loop 1", "loop 2", "loop 3"):
            assert await values_of(saver, name) == {"n": 19, "list": [LONG] * 19}


class ClaimSuite:
    """One scheduler per thread."""

    async def test_a_held_thread_is_refused_and_its_owner_named(
        self, saver: SaverWithEvents
    ) -> None:
        claim = await saver.claim("thread", "run 1", timeout=0)
        assert (claim.thread_id, claim.owner) == ("thread", "run 1")
        for timeout in (0, 0.01):
            with refused(ThreadBusyError, "'thread'", "run 1"):
                await saver.claim("thread", "run 2", timeout=timeout)
        await saver.claim("another", "run 2", timeout=0)
        saver.release(claim)
        again = await saver.claim("thread", "run 2", timeout=0)
        assert again.epoch > claim.epoch

    async def test_waiters_get_the_thread_in_turn(self, saver: SaverWithEvents) -> None:
        order: list[int] = []
        first = await saver.claim("thread", "first", timeout=0)

        async def wait(number: int) -> None:
            claim = await saver.claim("thread", f"run {number}", timeout=None)
            order.append(number)
            saver.release(claim)

        tasks = [asyncio.create_task(wait(n)) for n in range(5)]
        await asyncio.sleep(0)
        saver.release(first)
        saver.release(first)
        await asyncio.gather(*tasks)
        assert order == [0, 1, 2, 3, 4]

    async def test_a_cancelled_waiter_does_not_keep_the_thread(
        self, saver: SaverWithEvents
    ) -> None:
        first = await saver.claim("thread", "first", timeout=0)
        cancelled = asyncio.create_task(saver.claim("thread", "cancelled", timeout=None))
        next_one = asyncio.create_task(saver.claim("thread", "next", timeout=None))
        await asyncio.sleep(0)
        saver.release(first)  # now on its way to the waiter that is cancelled
        cancelled.cancel()
        assert (await next_one).owner == "next"
        assert cancelled.cancelled()

    async def test_a_waiter_on_another_event_loop_is_woken(self, saver: SaverWithEvents) -> None:
        first = await saver.claim("thread", "first", timeout=0)
        waiting = asyncio.Event()
        here = asyncio.get_running_loop()

        async def wait() -> Claim:
            task = asyncio.create_task(saver.claim("thread", "elsewhere", timeout=5))
            await asyncio.sleep(0)
            here.call_soon_threadsafe(waiting.set)
            return await task

        def own_loop() -> Claim:
            return asyncio.run(wait())

        elsewhere = asyncio.create_task(asyncio.to_thread(own_loop))
        await waiting.wait()
        saver.release(first)
        claim = await elsewhere
        assert claim.owner == "elsewhere"
        saver.release(claim)
        saver.release(await saver.claim("thread", "here again", timeout=0))

    async def test_a_claim_that_is_over_cannot_write(self, saver: SaverWithEvents) -> None:
        old = await Story.begin(saver)
        await old.step({"a": 1})
        late = old.batch({"a": 2})
        old.end()
        with refused(StaleClaimError, "nothing was stored"):
            await saver.commit(late)
        new = await Story.begin(saver)
        with refused(StaleClaimError, "'thread'"):
            await saver.commit(late)
        await new.step({"a": 3})
        assert await values_of(saver) == {"a": 3}

    async def test_who_claims_sees_all_that_was_written_before(
        self, saver: SaverWithEvents
    ) -> None:
        for n in range(30):
            story = await Story.begin(saver)
            task = asyncio.create_task(saver.commit(story.batch({"n": n})))
            await asyncio.sleep(0)
            task.cancel()
            story.end()
            successor = await Story.begin(saver)
            await successor.step({"n": -n})
            successor.end()
            await asyncio.wait([task])
        assert await values_of(saver) == {"n": -29}
