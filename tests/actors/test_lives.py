"""Restarts: one for one, with back-off, within a budget; then up the tree."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from actors.errors import ActorFailedError, MailboxClosedError
from actors.restart import RestartPolicy
from actors.supervisor import Supervisor
from tests.actors.kernel import CrashError, FakeTime, Hooks, Recorder
from tests.waiting import let_all_run, until

ONCE = RestartPolicy(budget=1, window=60.0, first_delay=0.5)
NEVER = RestartPolicy(budget=0)


@pytest.fixture
def hooks() -> Hooks:
    return Hooks()


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
async def root(hooks: Hooks, time: FakeTime) -> AsyncIterator[Supervisor]:
    async with Supervisor(
        on_dead_letter=hooks.dead_letter,
        on_failure=hooks.failure,
        clock=time.clock,
        sleep=time.sleep,
    ) as root:
        yield root


async def test_the_back_off_grows_from_restart_to_restart(root: Supervisor, time: FakeTime) -> None:
    policy = RestartPolicy(budget=4, first_delay=0.1, factor=2.0, max_delay=0.4)
    ref = root.start(Recorder(), name="recorder", restart=policy)
    for _ in range(4):
        ref.tell_nowait("crash")
    assert await ref.ask("alive") == "alive"
    assert time.slept == [0.1, 0.2, 0.4, 0.4]
    assert root.stats().restarts == 4


async def test_only_the_failed_actor_is_restarted(root: Supervisor) -> None:
    bad, good = Recorder(), Recorder()
    bad_ref, good_ref = root.start(bad, name="bad"), root.start(good, name="good")
    bad_ref.tell_nowait("crash")
    await bad_ref.ask("alive")
    await good_ref.ask("alive")
    assert good.log == ["start", "alive"]


async def test_failures_further_apart_than_the_window_never_use_up_the_budget(
    root: Supervisor, time: FakeTime
) -> None:
    ref = root.start(Recorder(), name="recorder", restart=ONCE)
    for _ in range(5):
        ref.tell_nowait("crash")
        await ref.ask("alive")
        time.now += 100.0
    assert root.stats().restarts == 5


async def test_messages_wait_in_the_mailbox_during_the_back_off(hooks: Hooks) -> None:
    wake = asyncio.Event()

    async def sleep(seconds: float) -> None:
        await wake.wait()

    actor = Recorder()
    async with Supervisor(sleep=sleep) as root:
        ref = root.start(actor, name="recorder")
        ref.tell_nowait("crash")
        await let_all_run()
        ref.tell_nowait("meanwhile")
        assert ref.stats().length == 1
        wake.set()
        await ref.ask("last")
    assert actor.log[-3:] == ["meanwhile", "last", "stop"]


async def test_a_stop_during_the_back_off_ends_it(hooks: Hooks) -> None:
    async def sleep(seconds: float) -> None:
        await asyncio.get_running_loop().create_future()

    root = Supervisor(sleep=sleep, on_dead_letter=hooks.dead_letter)
    ref = root.start(Recorder(), name="recorder")
    ref.tell_nowait("crash")
    ref.tell_nowait("waits")
    await let_all_run()
    assert await root.stop() == ()
    assert hooks.dead == [("waits", "stopped")]


async def test_at_the_root_an_actor_without_budget_ends_and_no_other(
    root: Supervisor, hooks: Hooks
) -> None:
    actor, other = Recorder(), Recorder()
    ref = root.start(actor, name="recorder", restart=NEVER)
    other_ref = root.start(other, name="other")
    ref.tell_nowait("crash")
    asker = asyncio.create_task(ref.ask("question"))
    with pytest.raises(ActorFailedError, match="'recorder' failed with CrashError") as caught:
        await asker
    assert isinstance(caught.value.__cause__, CrashError)
    assert [(name, type(error)) for name, error in hooks.failures] == [
        ("recorder", ActorFailedError)
    ]
    with pytest.raises(MailboxClosedError):
        ref.tell_nowait("more")
    assert await other_ref.ask("alive") == "alive"
    assert root.stats().actors == 1
    assert actor.log == ["start", ("CrashError", "crash"), "stop"]


class TestEscalation:
    async def test_the_parent_restarts_the_whole_child(
        self, root: Supervisor, hooks: Hooks
    ) -> None:
        child = root.child("child", restart=ONCE)
        bad, sibling, aunt, niece = Recorder(), Recorder(), Recorder(), Recorder()
        ref = child.start(bad, name="bad", restart=NEVER)
        refs = [
            child.start(sibling, name="sibling"),
            root.start(aunt, name="aunt"),
            child.child("below").start(niece, name="niece"),
        ]
        await let_all_run()
        ref.tell_nowait("crash")
        assert await ref.ask("alive") == "alive"
        for each in refs:
            await each.ask("alive")
        assert bad.log == ["start", ("CrashError", "crash"), "stop", "start", "alive"]
        assert sibling.log == ["start", "stop", "start", "alive"]
        assert niece.log == ["start", "stop", "start", "alive"]
        assert aunt.log == ["start", "alive"]
        assert root.stats().escalations == 1

    async def test_the_message_in_a_siblings_hands_goes_back_to_its_mailbox(
        self, root: Supervisor, hooks: Hooks
    ) -> None:
        child = root.child("child", restart=ONCE)
        sibling = Recorder()
        sibling_ref = child.start(sibling, name="sibling")
        asker = asyncio.create_task(sibling_ref.ask("block"))
        await sibling.started.wait()
        sibling_ref.tell_nowait("after")
        child.start(Recorder(), name="bad", restart=NEVER).tell_nowait("crash")
        await let_all_run()
        sibling.gate.set()
        assert await asker == "block"
        await sibling_ref.ask("last")
        assert sibling.log == ["start", "stop", "start", "block", "after", "last"]
        assert hooks.dead == []

    async def test_a_new_life_begins_only_when_the_old_one_has_ended(
        self, root: Supervisor
    ) -> None:
        class Slow(Recorder):
            async def on_stop(self) -> None:
                await self.gate.wait()
                await super().on_stop()

        child = root.child("child", restart=ONCE)
        slow = Slow()
        child.start(slow, name="slow")
        await let_all_run()
        child.start(Recorder(), name="bad", restart=NEVER).tell_nowait("crash")
        await let_all_run()
        assert slow.log == ["start"]
        slow.gate.set()
        await let_all_run()
        assert slow.log == ["start", "stop", "start"]

    async def test_a_sibling_in_its_back_off_starts_again_too(self, root: Supervisor) -> None:
        child = root.child("child", restart=ONCE)
        first, second = Recorder(), Recorder()
        first_ref = child.start(first, name="first", restart=ONCE)
        second_ref = child.start(second, name="second", restart=NEVER)
        first_ref.tell_nowait("crash")
        second_ref.tell_nowait("crash")
        assert await first_ref.ask("alive") == "alive"
        assert await second_ref.ask("alive") == "alive"
        assert root.stats().escalations == 1

    async def test_a_child_without_budget_is_stopped_for_good_at_the_root(
        self, root: Supervisor, hooks: Hooks
    ) -> None:
        child = root.child("child", restart=NEVER)
        sibling = Recorder()
        sibling_ref = child.start(sibling, name="sibling")
        aunt_ref = root.start(Recorder(), name="aunt")
        asker = asyncio.create_task(child.start(Recorder(), name="bad").ask("crash"))
        with pytest.raises(CrashError):
            await asker
        await let_all_run()
        assert child.closed
        assert sibling_ref.closed
        assert sibling.log == ["start", "stop"]
        assert await aunt_ref.ask("alive") == "alive"
        assert root.stats().children == 0

    async def test_budgets_are_used_up_level_by_level(self, root: Supervisor, hooks: Hooks) -> None:
        top = root.child("top", restart=ONCE)
        middle = top.child("middle", restart=ONCE)
        actor = Recorder()
        ref = middle.start(actor, name="bad", restart=ONCE)
        lives = 0
        while not ref.closed:
            ref.tell_nowait("crash")
            await let_all_run()
            lives += 1
        # An actor has 2 lives under one life of `middle`, that 2 under one of `top`, that 2.
        assert lives == 8
        assert actor.log.count("start") == actor.log.count("stop") == 8
        stats = root.stats()
        assert (stats.restarts, stats.escalations) == (4, 3)
        assert top.closed
        assert not root.closed

    async def test_a_stop_in_the_middle_of_a_restart_of_the_group_ends_all(
        self, root: Supervisor, hooks: Hooks
    ) -> None:
        class Slow(Recorder):
            async def on_stop(self) -> None:
                await self.gate.wait()

        child = root.child("child", restart=ONCE)
        slow = Slow()
        ref = child.start(slow, name="slow")
        ref.tell_nowait("block")
        await slow.started.wait()
        child.start(Recorder(), name="bad", restart=NEVER).tell_nowait("crash")
        await let_all_run()
        stop = asyncio.create_task(root.stop())
        await let_all_run()
        slow.gate.set()
        assert await stop == ()
        assert slow.log == ["start"]
        assert hooks.dead == [("block", "stopped")]


async def test_an_actor_that_fails_right_before_a_stop_is_not_restarted(hooks: Hooks) -> None:
    supervisor, recorder = Supervisor(on_failure=hooks.failure), Recorder()
    asking = asyncio.ensure_future(supervisor.start(recorder, name="a").ask("crash"))
    (life,) = supervisor.tasks
    await until(life.done)  # the loop has yet to tell the supervisor of its end
    assert supervisor.tasks == (life,)
    await supervisor.stop()
    stats = supervisor.stats()
    assert (stats.restarts, stats.failures, [name for name, _ in hooks.failures]) == (0, 1, ["a"])
    assert recorder.log.count("start") == 1
    with pytest.raises(CrashError):
        await asking


async def test_a_failure_in_the_cleanup_of_a_stop_is_reported(
    root: Supervisor, hooks: Hooks
) -> None:
    class Clumsy(Recorder):
        async def receive(self, message: Any) -> None:
            self.started.set()
            try:
                await self.gate.wait()
            finally:
                raise CrashError

    actor = Clumsy()
    ref = root.start(actor, name="clumsy")
    ref.tell_nowait("told")
    await actor.started.wait()
    await root.stop_actor(ref)
    assert actor.log == ["start", ("CrashError", "told"), "stop"]
    assert [(name, type(error)) for name, error in hooks.failures] == [("clumsy", CrashError)]
    assert root.stats().actors == 0


async def test_an_actor_ended_by_system_exit_is_not_restarted(hooks: Hooks) -> None:
    class Exiting(Recorder):
        async def receive(self, message: Any) -> None:
            raise KeyboardInterrupt

    def run() -> Supervisor:
        root = Supervisor(on_dead_letter=hooks.dead_letter)

        async def main() -> None:
            root.start(Exiting(), name="exiting").tell_nowait("go")
            await let_all_run()

        with pytest.raises(KeyboardInterrupt):
            asyncio.run(main())
        return root

    root = await asyncio.to_thread(run)
    assert root.stats().restarts == 0
    assert root.stats().actors == 0
    assert hooks.dead == [("go", "cancelled")]
